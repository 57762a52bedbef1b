"""What Razorpay tells by itself, and what a guest's browser brings back from it."""

from __future__ import annotations

import hmac
import json
from typing import Any
from urllib.parse import urlencode

import pytest
import razorpay

from kernel.money import Money
from payments.gateways.contract import Answer, ErrorCode, InvalidNotice, Notice, Subject, Theirs
from payments.gateways.razorpay import RazorpayGateway
from tests.gateways import razorpay_pages as pages
from tests.gateways.parties import API_KEY, MONEY, PARTIES, SECRET, razorpay_credentials
from tests.gateways.razorpay_pages import ORDER_ID, PAYMENT_ID
from tests.gateways.wires import NEVER


def told(event: dict[str, Any]) -> Notice:
    party, body = PARTIES["razorpay"], json.dumps(event).encode()
    assert party.sign
    return party.build(NEVER).read_notice({**party.sign(SECRET, body), "X-Razorpay-Event-Id": "evt-1"}, body)


def test_a_captured_payment_is_told_by_its_order() -> None:
    for event in (pages.CAPTURED, pages.event("order.paid", payment=pages.payment(), order=pages.order(status="paid"))):
        result = told(event).result
        assert (result.answer, result.reference, result.money) == (Answer.SUCCEEDED, ORDER_ID, MONEY)


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("insufficient_funds", ErrorCode.INSUFFICIENT_FUNDS),
        ("payment_cancelled", ErrorCode.CANCELLED_BY_GUEST),
        ("payment_risk_check_failed", ErrorCode.FRAUD_SUSPECTED),
        ("payment_failed", ErrorCode.NONE),
    ],
)
def test_a_try_that_failed_leaves_the_order_open(reason: str, code: ErrorCode) -> None:
    result = told(pages.event("payment.failed", payment=pages.failed(error_reason=reason))).result
    assert (result.answer, result.code, result.money) == (Answer.PENDING, code, None)
    assert "temporary issue" in result.message


@pytest.mark.parametrize("status", ["authorized", "failed", "created"])
def test_a_documented_sample_that_calls_itself_captured_is_judged_by_its_state(status: str) -> None:
    result = told(pages.event("payment.authorized", payment=pages.payment(status=status, captured=True))).result
    assert (result.answer, result.money) == (Answer.PENDING, None)


def test_a_refund_of_ours_is_told_by_our_key() -> None:
    notice = told(pages.event("refund.failed", refund=pages.refund(status="failed"), payment=pages.payment()))
    assert (notice.subject, notice.key, notice.result.answer) == (Subject.REFUND, "key-1", Answer.DECLINED)


def test_a_refund_that_somebody_made_there_is_news_of_the_charge() -> None:
    theirs = pages.refund(notes=[], receipt="from the office")
    notice = told(pages.event("refund.processed", refund=theirs, payment=pages.payment(amount_refunded=1000)))
    assert (notice.subject, notice.result.answer, notice.result.money) == (Subject.CHARGE, Answer.SUCCEEDED, MONEY)
    assert [(fact.key, fact.theirs, fact.succeeded) for fact in notice.result.refunds] == [("", Theirs.REFUND, True)]


def test_what_goes_back_uncaptured_is_no_refund() -> None:
    late = pages.payment(status="refunded", captured=False, amount_refunded=84000)
    result = told(pages.event("refund.processed", refund=pages.refund(notes=[]), payment=late)).result
    assert (result.answer, result.refunds) == (Answer.PENDING, ())


def test_a_dispute_that_is_lost_is_a_chargeback_and_an_open_one_is_not() -> None:
    lost = told(pages.event("payment.dispute.lost", payment=pages.payment(), dispute=pages.dispute())).result
    assert [(fact.theirs, fact.money) for fact in lost.refunds] == [(Theirs.CHARGEBACK, Money(39000, "INR"))]
    opened = pages.dispute(status="open", amount_deducted=0)
    assert told(pages.event("payment.dispute.created", payment=pages.payment(), dispute=opened)).result.refunds == ()


def test_the_same_message_is_the_same_notice_whatever_its_unsigned_headers_say() -> None:
    party, body = PARTIES["razorpay"], json.dumps(pages.CAPTURED).encode()
    assert party.sign
    headers = party.sign(SECRET, body)
    ids = {party.build(NEVER).read_notice({**headers, "X-Razorpay-Event-Id": each}, body).id for each in ("1", "2")}
    assert len(ids) == 1
    assert told(pages.event("payment.failed", payment=pages.failed())).id not in ids


BACK = {
    "razorpay_order_id": ORDER_ID,
    "razorpay_payment_id": PAYMENT_ID,
    "razorpay_signature": hmac.new(API_KEY.encode(), f"{ORDER_ID}|{PAYMENT_ID}".encode(), "sha256").hexdigest(),
}


def returned(**other: Any) -> Notice:
    fields = {name: value for name, value in {**BACK, **other}.items() if value is not None}
    gateway = RazorpayGateway(credentials=razorpay_credentials(), dial=NEVER)
    form = urlencode(fields, doseq=True).encode()
    return gateway.read_notice({"Content-Type": "application/x-www-form-urlencoded"}, form)


def test_a_guest_who_comes_back_proves_that_something_was_authorised_and_no_more() -> None:
    notice = returned(table="7")
    assert (notice.subject, notice.result.answer, notice.result.money) == (Subject.CHARGE, Answer.PENDING, None)
    assert notice.result.reference == ORDER_ID


@pytest.mark.parametrize(
    "other",
    [
        {"razorpay_order_id": "order_other"},
        {"razorpay_payment_id": "pay_other"},
        {"razorpay_signature": "0" * 64},
        {"razorpay_signature": ""},
        {"razorpay_signature": None},
        {"razorpay_order_id": None},
        {"razorpay_order_id": [ORDER_ID, ORDER_ID]},
        {"razorpay_order_id": f"{ORDER_ID}|{PAYMENT_ID}", "razorpay_payment_id": ""},
        {"error[code]": "BAD_REQUEST_ERROR", "razorpay_signature": None},
    ],
)
def test_a_return_that_razorpay_did_not_sign_is_nothing(other: dict[str, Any]) -> None:
    with pytest.raises(InvalidNotice):
        returned(**other)


def test_the_official_sdk_judges_signatures_as_we_do() -> None:
    """Of what its tests and ours sign, and of what nobody signed."""
    judge = razorpay.Client(auth=("rzp_test_1", API_KEY)).utility
    party, body = PARTIES["razorpay"], json.dumps(pages.CAPTURED)
    assert party.sign
    genuine = party.sign(SECRET, body.encode())["x-razorpay-signature"]
    assert judge.verify_webhook_signature(body, genuine, SECRET)
    assert judge.verify_payment_signature(BACK)
    with pytest.raises(razorpay.errors.SignatureVerificationError):
        judge.verify_webhook_signature(body + " ", genuine, SECRET)
    with pytest.raises(razorpay.errors.SignatureVerificationError):
        judge.verify_payment_signature({**BACK, "razorpay_payment_id": "pay_other"})
