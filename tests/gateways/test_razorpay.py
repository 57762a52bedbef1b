"""The gateway for Razorpay: what each documented answer, refusal and notice becomes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from kernel import clock
from kernel.money import Money
from payments.gateways.breaker import BreakerBoard, BreakerSettings
from payments.gateways.contract import (
    Answer,
    CancelAnswer,
    CancelRequest,
    ErrorCode,
    LookUpRequest,
    LookUpResult,
    Outcome,
    RefundFact,
    Result,
    Subject,
    Theirs,
)
from payments.gateways.guard import GuardedGateway, Operation, circuits
from payments.gateways.razorpay import TOTAL_SECONDS, RazorpayCredentials, RazorpayGateway
from payments.gateways.transport import Call
from tests.gateways import razorpay_pages as pages
from tests.gateways.conftest import ManualClock
from tests.gateways.parties import API_KEY, MONEY, SECRET, charge_request, razorpay_credentials, refund_request
from tests.gateways.razorpay_pages import ORDER_ID, PAYMENT_ID, REFUND_ID
from tests.gateways.wires import Pieces

ORDER, PAYMENTS = f"GET /v1/orders/{ORDER_ID}", f"GET /v1/orders/{ORDER_ID}/payments"
REFUNDS, REFUNDING = f"GET /v1/payments/{PAYMENT_ID}/refunds", f"POST /v1/payments/{PAYMENT_ID}/refund"
Said = Mapping[str, Any]


@dataclass
class Razorpay(httpx.BaseTransport):
    """Answers by verb and path, and notes what was sent. A path that nobody expects is an error of the test."""

    answers: dict[str, Said | Exception | tuple[int, Said]]
    seconds: float = 0.0  # That each answer takes.
    sent: list[httpx.Request] = field(default_factory=list)
    _call: Call | None = None

    def dial(self, call: Call) -> httpx.BaseTransport:
        self._call = call
        return self

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert self._call is not None
        self._call.about_to_write()
        self.sent.append(request)
        answer = self.answers[f"{request.method} {request.url.path}"]
        if isinstance(answer, Exception):
            raise answer
        if self.seconds >= self._call.remaining_seconds():
            raise httpx.ReadTimeout("The answer took too long.")
        clock.sleep(self.seconds)
        status, said = answer if isinstance(answer, tuple) else (200, answer)
        return httpx.Response(status, stream=Pieces(json.dumps(said).encode()))

    @property
    def asked(self) -> list[str]:
        return [f"{request.method} {request.url.path}" for request in self.sent]


def at(answers: dict[str, Any], **more: Any) -> tuple[RazorpayGateway, Razorpay]:
    server = Razorpay(answers, **more)
    return RazorpayGateway(credentials=razorpay_credentials(), dial=server.dial), server


def charged(answer: Any, **more: Any) -> Result:
    return at({"POST /v1/orders": answer, **more})[0].charge(charge_request(key="key-1"))


# Orders.


def test_an_order_is_made_that_captures_by_itself_and_soon() -> None:
    gateway, server = at({"POST /v1/orders": pages.order()})
    result = gateway.charge(charge_request(key="key-1"))
    assert json.loads(server.sent[0].content) == {
        "amount": MONEY.minor,
        "currency": "INR",
        "receipt": "key-1",
        "unique_receipt": True,
        "notes": {"order": "order-of-key-1"},
        "payment": {
            "capture": "automatic",
            "capture_options": {
                "automatic_expiry_period": 12,
                "manual_expiry_period": 12,
                "refund_speed": "normal",
            },
        },
    }
    assert server.sent[0].headers["authorization"].startswith("Basic ")
    assert (result.outcome, result.reference) == (Outcome.PENDING, ORDER_ID)
    assert result.next_step == {
        "kind": "razorpay_checkout",
        "order_id": ORDER_ID,
        "key_id": "rzp_test_ABCDEFGHIJKLMN",
    }


def test_an_order_that_an_earlier_send_made_and_the_guest_paid_is_looked_up() -> None:
    result = charged(pages.order(status="paid", amount_paid=MONEY.minor, amount_due=0))
    assert (result.outcome, result.reference, result.next_step) == (Outcome.UNKNOWN, ORDER_ID, {})


@pytest.mark.parametrize(
    "other", [{"amount": 84001}, {"currency": "USD"}, {"receipt": "key-2"}, {"receipt": None}, {"id": ""}]
)
def test_an_order_that_is_not_ours_is_given_to_nobody(other: dict[str, Any]) -> None:
    result = charged(pages.order(**other))
    assert (result.outcome, result.code) == (Outcome.NOT_SENT, ErrorCode.CONTRADICTORY_ANSWER)
    assert result.next_step == {}


def test_a_receipt_that_it_has_already_leads_to_its_order() -> None:
    taken = pages.refusal("Order receipt should be unique.", metadata={"order_id": ORDER_ID})
    result = charged((400, taken), **{ORDER: pages.order()})
    assert (result.outcome, result.reference) == (Outcome.PENDING, ORDER_ID)
    assert charged((400, taken), **{ORDER: pages.order(amount=1)}).outcome is Outcome.NOT_SENT
    assert charged((400, taken), **{ORDER: httpx.ReadTimeout("")}).outcome is Outcome.NOT_SENT


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((400, pages.refusal("Order receipt should be unique.")), ErrorCode.REQUEST_REFUSED),
        ((400, pages.refusal("Order amount less than minimum amount allowed")), ErrorCode.REQUEST_REFUSED),
        ((401, pages.refusal("Authentication failed")), ErrorCode.CREDENTIALS_REFUSED),
        ((429, pages.refusal("Too many requests")), ErrorCode.RATE_LIMITED),
        ((400, pages.refusal("No.", code="GATEWAY_ERROR")), ErrorCode.UNREADABLE_ANSWER),
        ((500, pages.refusal("No.", code="SERVER_ERROR")), ErrorCode.SERVER_ERROR),
        (httpx.ReadTimeout(""), ErrorCode.TIMED_OUT),
        (httpx.ReadError(""), ErrorCode.CONNECTION_LOST),
    ],
)
def test_what_became_of_no_order_cannot_have_been_paid(answer: Any, code: ErrorCode) -> None:
    result = charged(answer)
    assert (result.outcome, result.code) == (Outcome.NOT_SENT, code)


@pytest.mark.parametrize(("answer", "is_well"), [(httpx.ReadTimeout(""), False), ((400, pages.refusal("No.")), True)])
def test_a_provider_that_makes_no_orders_opens_its_circuit(answer: Any, is_well: bool) -> None:
    """Although nothing is in doubt: a guest who waits for it waits for nothing."""
    of = circuits(BreakerBoard(), "razorpay:test")
    gateway, _ = at({"POST /v1/orders": answer})
    guarded = GuardedGateway(gateway=gateway, assert_outside_transaction=lambda: None, breakers=of)
    for _ in range(BreakerSettings().minimum_calls):
        guarded.charge(charge_request())
    assert of[Operation.CHARGE].would_allow() is is_well


def test_an_order_cannot_be_closed() -> None:
    gateway, server = at({})
    assert gateway.cancel(CancelRequest(key="key-1", reference=ORDER_ID)).answer is CancelAnswer.NOT_POSSIBLE
    assert server.sent == []


# Look-ups.


def looked_up(answers: dict[str, Any], **request: Any) -> LookUpResult:
    wanted = {"key": "key-1", "subject": Subject.CHARGE, "reference": ORDER_ID, **request}
    return at(answers)[0].look_up(LookUpRequest(**wanted))


@pytest.mark.parametrize("status", ["created", "attempted"])
def test_an_order_that_nobody_paid_is_open_and_one_question_says_so(status: str) -> None:
    said = looked_up({ORDER: pages.order(status=status)})
    assert (said.answer, said.reference, said.money) == (Answer.PENDING, ORDER_ID, None)


def paid(*payments: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {ORDER: pages.order(status="paid"), PAYMENTS: pages.collection(*payments), **more}


def test_a_paid_order_says_what_came_in_whatever_failed_before() -> None:
    said = looked_up(paid(pages.failed(id="pay_1"), pages.payment(), pages.failed(id="pay_2")))
    assert (said.answer, said.money, said.reference) == (Answer.SUCCEEDED, MONEY, ORDER_ID)
    assert said.refunds == ()


def test_two_payments_for_one_order_are_another_amount() -> None:
    said = looked_up(paid(pages.payment(), pages.payment(id="pay_other")))
    assert said.money == Money(2 * MONEY.minor, "INR")


def test_what_was_authorised_and_goes_back_by_itself_came_not_in() -> None:
    """Its refund is an entity like any other, but the payment was never captured."""
    back = pages.payment(id="pay_late", status="refunded", captured=False, amount_refunded=84000)
    assert looked_up(paid(pages.payment(), back)).money == MONEY


def test_a_paid_order_whose_payment_is_not_listed_yet_is_asked_about_again() -> None:
    said = looked_up(paid(pages.failed()))
    assert (said.answer, said.code) == (Answer.NO_ANSWER, ErrorCode.CONTRADICTORY_ANSWER)


def test_refunds_are_read_as_ours_and_theirs() -> None:
    ours = pages.refund()
    theirs = pages.refund(id="rfnd_2", notes=[], receipt=None, amount=500)
    under_way = pages.refund(id="rfnd_3", notes={"steward_refund": "key-3"}, receipt="key-3", status="pending")
    listed = pages.collection(ours, theirs, under_way)
    said = looked_up(paid(pages.payment(amount_refunded=2500, refund_status="partial"), **{REFUNDS: listed}))
    assert said.refunds == (
        RefundFact(reference=REFUND_ID, money=Money(1000, "INR"), succeeded=True, key="key-1"),
        RefundFact(reference="rfnd_2", money=Money(500, "INR"), succeeded=True, theirs=Theirs.REFUND),
        RefundFact(reference="rfnd_3", money=Money(1000, "INR"), succeeded=False, key="key-3"),
    )


def test_an_answer_about_another_attempt_is_none() -> None:
    assert looked_up({ORDER: pages.order(receipt="key-2")}).answer is Answer.NO_ANSWER
    assert looked_up({ORDER: pages.order(status="closed")}).answer is Answer.NO_ANSWER
    unknown = (400, pages.refusal("The id provided does not exist"))
    assert looked_up({ORDER: unknown}).answer is Answer.NO_ANSWER


def test_without_its_id_an_order_is_found_by_its_whole_receipt() -> None:
    part, ours = pages.order(id="order_part", receipt="key-11"), pages.order()
    found = looked_up({"GET /v1/orders": pages.collection(part, ours)}, reference="")
    assert (found.answer, found.reference) == (Answer.PENDING, ORDER_ID)
    assert looked_up({"GET /v1/orders": pages.collection(part)}, reference="").answer is Answer.NOT_FOUND


def test_of_two_orders_with_one_receipt_the_paid_one_is_meant() -> None:
    orders = pages.collection(pages.order(id="order_open"), pages.order(status="paid"))
    found = looked_up({"GET /v1/orders": orders, PAYMENTS: pages.collection(pages.payment())}, reference="")
    assert (found.answer, found.reference, found.money) == (Answer.SUCCEEDED, ORDER_ID, MONEY)


# Refunds.


def refunded(answer: Any, *payments: dict[str, Any], **more: Any) -> tuple[Result, Razorpay]:
    listed = pages.collection(*(payments or [pages.payment()]))
    gateway, server = at({PAYMENTS: listed, REFUNDING: answer}, **more)
    return gateway.refund(refund_request(charge_request(), key="key-1")), server


@pytest.mark.parametrize(
    ("status", "outcome"),
    [("processed", Outcome.SUCCEEDED), ("pending", Outcome.PENDING), ("failed", Outcome.DECLINED)],
)
def test_the_captured_payment_is_refunded_under_our_key(status: str, outcome: Outcome) -> None:
    result, server = refunded(pages.refund(status=status), pages.failed(id="pay_1"), pages.payment())
    sent = server.sent[1]
    assert sent.headers["x-refund-idempotency"] == "key-1"
    assert json.loads(sent.content) == {
        "amount": 1000,
        "speed": "normal",
        "receipt": "key-1",
        "notes": {"steward_refund": "key-1"},
    }
    assert (result.outcome, result.reference) == (outcome, REFUND_ID)
    assert result.money == (Money(1000, "INR") if outcome is Outcome.SUCCEEDED else None)


def test_a_repetition_is_the_same_to_the_byte() -> None:
    """Razorpay compares what comes with a key."""
    (_, first), (_, second) = refunded(pages.refund()), refunded(pages.refund())
    assert first.sent[1].content == second.sent[1].content


@pytest.mark.parametrize(
    ("answer", "outcome", "code"),
    [
        ((400, "Your account does not have enough balance"), Outcome.DECLINED, ErrorCode.REFUND_REFUSED),
        ((400, "The refund on this payment is blocked"), Outcome.DECLINED, ErrorCode.REFUND_REFUSED),
        ((400, "Duplicate receipt found for this refund"), Outcome.UNKNOWN, ErrorCode.CONTRADICTORY_ANSWER),
        ((400, "The payment has been fully refunded already."), Outcome.UNKNOWN, ErrorCode.CONTRADICTORY_ANSWER),
        ((400, "The refund amount provided is greater than"), Outcome.UNKNOWN, ErrorCode.CONTRADICTORY_ANSWER),
        ((409, "Another request with the same idempotency key"), Outcome.UNKNOWN, ErrorCode.CONTRADICTORY_ANSWER),
        ((401, "Authentication failed"), Outcome.NOT_SENT, ErrorCode.CREDENTIALS_REFUSED),
        ((500, "Failed to fetch idempotency record"), Outcome.UNKNOWN, ErrorCode.SERVER_ERROR),
    ],
)
def test_a_refusal_is_final_only_where_nothing_can_have_been_made(
    answer: tuple[int, str], outcome: Outcome, code: ErrorCode
) -> None:
    status, why = answer
    result, _ = refunded((status, pages.refusal(why)))
    assert (result.outcome, result.code) == (outcome, code)


@pytest.mark.parametrize(
    "other", [{"amount": 999}, {"currency": "USD"}, {"receipt": "key-2"}, {"status": "reversed"}, {"id": None}]
)
def test_an_answer_about_another_refund_is_doubt(other: dict[str, Any]) -> None:
    assert refunded(pages.refund(**other))[0].outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("payments", [[pages.failed()], [pages.payment(), pages.payment(id="pay_other")]])
def test_nothing_is_sent_where_it_is_not_clear_which_payment_is_meant(payments: list[dict[str, Any]]) -> None:
    result, server = refunded(pages.refund(), *payments)
    assert (result.outcome, server.asked) == (Outcome.NOT_SENT, [PAYMENTS])


@pytest.mark.parametrize("silence", [httpx.ReadTimeout(""), httpx.ReadError(""), (503, {}), (200, {"items": 7})])
def test_a_question_that_is_not_answered_moved_no_money(silence: Any) -> None:
    gateway, server = at({PAYMENTS: silence})
    assert gateway.refund(refund_request(charge_request())).outcome is Outcome.NOT_SENT
    assert server.asked == [PAYMENTS]


def test_two_requests_share_one_deadline(manual_clock: ManualClock) -> None:
    """The second one takes longer than what the first has left of it."""
    result, _ = refunded(pages.refund(), seconds=TOTAL_SECONDS * 0.6)
    assert (result.outcome, result.code) == (Outcome.UNKNOWN, ErrorCode.TIMED_OUT)
    assert manual_clock.seconds <= TOTAL_SECONDS


def test_a_refund_is_found_by_its_id_or_by_our_key() -> None:
    about = {"subject": Subject.REFUND, "charge_reference": ORDER_ID}
    by_id = looked_up({f"GET /v1/refunds/{REFUND_ID}": pages.refund(status="pending")}, reference=REFUND_ID, **about)
    assert (by_id.answer, by_id.reference) == (Answer.PENDING, REFUND_ID)
    listed = {PAYMENTS: pages.collection(pages.payment()), REFUNDS: pages.collection(pages.refund())}
    by_key = looked_up(listed, reference="", **about)
    assert (by_key.answer, by_key.money) == (Answer.SUCCEEDED, Money(1000, "INR"))
    assert looked_up(listed, reference="", **{**about, "key": "key-2"}).answer is Answer.NOT_FOUND


@pytest.mark.parametrize("key_id", ["", "sk_test_1", "rzp_test_", "rzp_test_1 ", " rzp_test_1", "rzp_demo_1"])
def test_credentials_that_cannot_be_razorpays_are_refused(key_id: str) -> None:
    with pytest.raises(ValueError, match="key id"):
        RazorpayCredentials(key_id=key_id, key_secret=API_KEY, webhook_secrets=(SECRET,))


@pytest.mark.parametrize("key_secret", ["", " ", f"{API_KEY} ", f"{API_KEY}\n"])
def test_a_secret_that_was_copied_badly_is_refused_at_once(key_secret: str) -> None:
    with pytest.raises(ValueError, match="secret"):
        RazorpayCredentials(key_id="rzp_test_1", key_secret=key_secret, webhook_secrets=(SECRET,))
