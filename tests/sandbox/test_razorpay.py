"""The sandbox that speaks Razorpay's wire, judged by Razorpay's own SDK and by our gateway."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import razorpay
from razorpay.errors import BadRequestError

from kernel.money import Money
from payments.gateways.contract import (
    Answer,
    ErrorCode,
    InvalidNotice,
    LookUpRequest,
    LookUpResult,
    Notice,
    Outcome,
    RefundRequest,
    Result,
    Subject,
    Theirs,
)
from payments.gateways.razorpay import RazorpayCredentials, RazorpayGateway
from sandbox.behaviours import Mode
from sandbox.books import Origin
from sandbox.inprocess import InProcess
from sandbox.notices import Webhook
from sandbox.razorpay.provider import RazorpayProvider
from sandbox.wire import Request
from tests.gateways.parties import MONEY, charge_request
from tests.gateways.parties import refund_request as asked_back
from tests.sandbox.running import API_KEY, PLAIN, SECRET, Line, as_a_process, on_a_socket

KEY_ID = "rzp_test_SandboxOfOurs1"
KEY = "01a221c3-aeeb-70bb-a75e-cd7885b5b6cf"
REFUND = "01a221c3-aeeb-70bb-a75e-cd7885b5b6d0"
SETTINGS = replace(PLAIN, key_id=KEY_ID, notify_url="http://us.invalid/")


class Shop:
    """Our gateway, and a provider in this process that it calls."""

    def __init__(self, **changes: Any) -> None:
        self.sandbox = InProcess(replace(SETTINGS, **changes), kind=RazorpayProvider)
        credentials = RazorpayCredentials(
            key_id=KEY_ID, key_secret=API_KEY, webhook_secrets=(SECRET,), base_url="http://sandbox.invalid"
        )
        self.gateway = RazorpayGateway(credentials=credentials, dial=self.sandbox.dial)
        assert isinstance(self.sandbox.provider, RazorpayProvider)
        self.provider = self.sandbox.provider

    def charge(self) -> Result:
        return self.gateway.charge(charge_request(key=KEY))

    def pay(self, order_id: str, token: str = "sim_ok") -> str:
        return self.provider.pay(self.provider.order_of(order_id), token=token, method="upi").id

    def look_up(self, reference: str = "") -> LookUpResult:
        return self.gateway.look_up(LookUpRequest(key=KEY, subject=Subject.CHARGE, reference=reference))

    def refund_request(self, order_id: str, minor: int = 1000, key: str = REFUND) -> RefundRequest:
        return replace(asked_back(charge_request(key=KEY), minor=minor, key=key), charge_reference=order_id)

    def refund(self, order_id: str, minor: int = 1000, key: str = REFUND) -> Result:
        return self.gateway.refund(self.refund_request(order_id, minor, key))

    def look_up_refund(self, order_id: str, reference: str = "") -> LookUpResult:
        asked = LookUpRequest(key=REFUND, subject=Subject.REFUND, charge_reference=order_id, reference=reference)
        return self.gateway.look_up(asked)

    def told(self) -> list[tuple[str, Notice]]:
        return [(each.type, self.read(each)) for each in self.sandbox.take_webhooks()]

    def read(self, webhook: Webhook) -> Notice:
        return self.gateway.read_notice(webhook.headers, webhook.body)

    def happen(self, key: str = KEY) -> None:
        assert self.provider.happen_now(key)

    @property
    def captured(self) -> dict[str, int]:
        return self.provider.books.captured(f"order-of-{KEY}")


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def order_id(shop: Shop) -> str:
    return shop.charge().reference


# Our gateway: from an order to money and back.


def test_an_order_is_paid_in_the_window_and_found(shop: Shop, order_id: str) -> None:
    assert shop.look_up(order_id).answer is Answer.PENDING
    shop.pay(order_id)
    by_id, by_receipt = shop.look_up(order_id), shop.look_up()
    assert (by_id.answer, by_id.money, by_id.reference) == (Answer.SUCCEEDED, MONEY, order_id)
    assert (by_receipt.answer, by_receipt.reference) == (Answer.SUCCEEDED, order_id)
    assert shop.captured == {"INR": MONEY.minor}


@pytest.mark.parametrize(
    "trouble",
    ["timeout_before_effect", "timeout_after_effect", "5xx_after_effect", "reset_after_effect", "garbage", "truncated"],
)
def test_an_order_whose_answer_was_lost_is_asked_for_again_and_is_one(shop: Shop, trouble: str) -> None:
    shop.provider.steering.add_orders(trouble, times=1)
    lost, again = shop.charge(), shop.charge()
    assert (lost.outcome, again.outcome) == (Outcome.NOT_SENT, Outcome.PENDING)
    assert [order.id for order in shop.provider.books.orders_with(KEY)] == [again.reference]


def test_a_guest_fails_and_pays_the_same_order(shop: Shop, order_id: str) -> None:
    shop.pay(order_id, "sim_decline_insufficient_funds")
    ((kind, failed),) = shop.told()
    assert (kind, failed.result.answer, failed.result.code) == (
        "payment.failed",
        Answer.PENDING,
        ErrorCode.INSUFFICIENT_FUNDS,
    )
    assert shop.look_up(order_id).answer is Answer.PENDING
    shop.pay(order_id)
    assert shop.look_up(order_id).money == MONEY
    with pytest.raises(Exception, match="already paid"):
        shop.pay(order_id)


def test_a_payment_is_told_three_times_and_each_says_which_order(shop: Shop, order_id: str) -> None:
    shop.pay(order_id)
    told = {kind: notice.result for kind, notice in shop.told()}
    assert {kind: result.answer for kind, result in told.items()} == {
        "payment.authorized": Answer.PENDING,
        "payment.captured": Answer.SUCCEEDED,
        "order.paid": Answer.SUCCEEDED,
    }
    assert {result.reference for result in told.values()} == {order_id}


def test_what_looked_failed_is_captured_late(shop: Shop, order_id: str) -> None:
    shop.pay(order_id, "sim_late_success")
    assert shop.look_up(order_id).answer is Answer.PENDING
    shop.happen()
    assert shop.look_up(order_id).answer is Answer.SUCCEEDED


def test_another_amount_is_said_as_it_is(shop: Shop, order_id: str) -> None:
    shop.pay(order_id, "sim_wrong_amount")
    assert shop.look_up(order_id).money == Money(MONEY.minor + 100, "INR")


def test_what_is_only_authorised_is_not_paid(shop: Shop, order_id: str) -> None:
    shop.pay(order_id, "sim_pending_not_cancellable")
    assert [(kind, notice.result.answer) for kind, notice in shop.told()] == [("payment.authorized", Answer.PENDING)]
    assert shop.look_up(order_id).answer is Answer.PENDING


def test_a_list_that_lags_finds_nothing_and_the_id_does() -> None:
    shop = Shop(list_lag_seconds=60.0)
    order_id = shop.charge().reference
    assert (shop.look_up().answer, shop.look_up(order_id).answer) == (Answer.NOT_FOUND, Answer.PENDING)


def test_a_forged_notice_is_refused(shop: Shop, order_id: str) -> None:
    shop.pay(order_id, "sim_forged_webhook")
    forged = [each for each in shop.sandbox.take_webhooks() if each.type == "payment.captured"]
    assert len(forged) == 1
    with pytest.raises(InvalidNotice):
        shop.read(forged[0])


@pytest.mark.parametrize(
    ("mode", "outcome", "code"),
    [
        (Mode.UNAUTHORISED, Outcome.NOT_SENT, ErrorCode.CREDENTIALS_REFUSED),
        (Mode.RATE_LIMITED, Outcome.NOT_SENT, ErrorCode.RATE_LIMITED),
        (Mode.REFUSING, Outcome.NOT_SENT, ErrorCode.UNREACHABLE),
        (Mode.SILENT, Outcome.NOT_SENT, ErrorCode.TIMED_OUT),
        (Mode.FAILING, Outcome.NOT_SENT, ErrorCode.SERVER_ERROR),
    ],
)
def test_moods(shop: Shop, mode: Mode, outcome: Outcome, code: ErrorCode) -> None:
    shop.provider.steering.set_mode(mode, seconds=60)
    result = shop.charge()
    assert (result.outcome, result.code) == (outcome, code)
    assert shop.look_up().answer is Answer.NO_ANSWER


def test_a_refund_goes_back_once_however_often_it_is_sent(shop: Shop, order_id: str) -> None:
    shop.pay(order_id)
    first, second = shop.refund(order_id), shop.refund(order_id)
    assert (first.outcome, first.money, second.reference) == (Outcome.SUCCEEDED, Money(1000, "INR"), first.reference)
    assert shop.provider.books.refunded(f"order-of-{KEY}") == {"INR": 1000}
    assert [(fact.key, fact.theirs) for fact in shop.look_up(order_id).refunds] == [(REFUND, Theirs.NOT_SAID)]


@pytest.mark.parametrize("behaviour", ["timeout_after_effect", "5xx_after_effect", "reset_after_effect", "garbage"])
def test_a_refund_in_doubt_is_found_by_our_key_and_not_made_twice(shop: Shop, order_id: str, behaviour: str) -> None:
    shop.pay(order_id)
    shop.provider.steering.add_refunds(behaviour, times=1)
    assert shop.refund(order_id).outcome is Outcome.UNKNOWN
    assert shop.look_up_refund(order_id).answer is Answer.SUCCEEDED
    assert shop.refund(order_id).outcome is Outcome.SUCCEEDED
    assert shop.provider.books.refunded(f"order-of-{KEY}") == {"INR": 1000}


def test_a_refund_that_never_arrived_is_not_found_and_made_by_the_next_send(shop: Shop, order_id: str) -> None:
    shop.pay(order_id)
    shop.provider.steering.add_refunds("timeout_before_effect", times=1)
    assert shop.refund(order_id).outcome is Outcome.UNKNOWN
    assert shop.look_up_refund(order_id).answer is Answer.NOT_FOUND
    assert shop.refund(order_id).outcome is Outcome.SUCCEEDED


def test_more_than_is_left_is_doubt_and_an_uncaptured_order_sends_nothing(shop: Shop, order_id: str) -> None:
    assert shop.refund(order_id).outcome is Outcome.NOT_SENT
    shop.pay(order_id)
    assert shop.refund(order_id, minor=MONEY.minor).outcome is Outcome.SUCCEEDED
    beyond = shop.refund(order_id, key=REFUND.replace("d0", "d1"))
    assert (beyond.outcome, beyond.code) == (Outcome.UNKNOWN, ErrorCode.CONTRADICTORY_ANSWER)


def test_a_refund_is_told_with_our_key(shop: Shop, order_id: str) -> None:
    shop.pay(order_id)
    shop.told()
    reference = shop.refund(order_id).reference
    told = shop.told()
    assert [kind for kind, _ in told] == ["refund.created", "refund.processed"]
    assert {(each.subject, each.key, each.result.reference) for _, each in told} == {
        (Subject.REFUND, REFUND, reference)
    }
    assert shop.look_up_refund(order_id, reference).answer is Answer.SUCCEEDED


def test_what_others_took_back_is_news_of_the_charge(shop: Shop, order_id: str) -> None:
    shop.pay(order_id)
    shop.told()
    charge = shop.provider.books.charges_of_order(f"order-of-{KEY}")[0]
    shop.provider.till.refund_here(charge, 500, Origin.DASHBOARD)
    shop.provider.till.refund_here(charge, 700, Origin.CHARGEBACK)
    facts = {kind: [(fact.theirs, fact.money.minor) for fact in told.result.refunds] for kind, told in shop.told()}
    assert facts["refund.processed"] == [(Theirs.REFUND, 500)]
    assert facts["payment.dispute.lost"] == [(Theirs.CHARGEBACK, 700)]
    assert [fact.theirs for fact in shop.look_up(order_id).refunds] == [Theirs.REFUND]


# The window of the hosted page.


def press(shop: Shop, path: str, **form: str) -> str:
    body = "&".join(f"{name}={value}" for name, value in form.items()).encode()
    reply = shop.provider.guest_page(Request(method="POST", path=path, body=body))
    assert reply is not None
    return reply.body.decode()


def test_a_guest_pays_on_the_hosted_page_and_comes_back_with_a_signature(shop: Shop, order_id: str) -> None:
    about = {"key_id": KEY_ID, "order_id": order_id, "callback_url": "https://shop.example/back"}
    about |= {"cancel_url": "https://shop.example/left"}
    shown = press(shop, "/v1/checkout/embedded", **about)
    assert "₹840.00" in shown
    assert 'href="https://shop.example/left"' in shown
    tried = press(shop, f"/window/{order_id}", token="sim_decline_insufficient_funds", callback_url="")
    assert "try again" in tried
    assert "razorpay_signature" not in tried
    done = press(shop, f"/window/{order_id}", token="sim_ok", method="upi", callback_url="https://shop.example/back")
    fields = dict(re.findall(r'name="(razorpay_\w+)" value="([^"]+)"', html.unescape(done)))
    form = "&".join(f"{name}={value}" for name, value in fields.items()).encode()
    notice = shop.gateway.read_notice({"content-type": "application/x-www-form-urlencoded"}, form)
    assert (notice.result.answer, notice.result.reference) == (Answer.PENDING, order_id)
    assert shop.look_up(order_id).answer is Answer.SUCCEEDED
    assert "Paid" in press(shop, f"/window/{order_id}", token="sim_ok", callback_url="")
    assert shop.captured == {"INR": MONEY.minor}


def test_the_hosted_page_knows_its_keys_and_sends_nobody_to_a_script(shop: Shop, order_id: str) -> None:
    strange = press(shop, "/v1/checkout/embedded", key_id="rzp_test_another", order_id=order_id)
    assert "does not exist" in strange
    assert "javascript:" not in press(shop, f"/window/{order_id}", token="sim_ok", callback_url="javascript:alert(1)")


# Razorpay's own SDK as a client.


@pytest.fixture
def line() -> Iterator[Line]:
    with on_a_socket(kind=RazorpayProvider, key_id=KEY_ID) as line:
        yield line


@pytest.fixture
def sdk(line: Line) -> Any:
    return client_of(line)


def client_of(line: Line) -> Any:
    client = razorpay.Client(auth=(KEY_ID, API_KEY), base_url=line.url)
    client.session.trust_env = False
    return client


ORDER = {"amount": 50_000, "currency": "INR", "receipt": "receipt-1", "unique_receipt": True, "notes": {"order": "O-1"}}


def test_the_sdk_makes_pays_and_refunds_an_order(line: Line, sdk: Any) -> None:
    order = sdk.order.create(ORDER)
    assert sdk.order.create(ORDER)["id"] == order["id"]
    assert sdk.order.fetch(order["id"]) == order
    payment = line.post("/v1/admin/pay", receipt="receipt-1", token="sim_ok", method="upi")
    assert sdk.payment.fetch(payment["id"])["status"] == "captured"
    assert sdk.order.fetch(order["id"])["status"] == "paid"
    assert [each["id"] for each in sdk.order.payments(order["id"])["items"]] == [payment["id"]]
    assert sdk.order.all({"receipt": "receipt-1"})["count"] == 1
    assert sdk.payment.all({"count": 1})["items"][0]["id"] == payment["id"]

    asked = {"amount": 20_000, "receipt": "refund-1"}
    key = {"X-Refund-Idempotency": "refund-key-1"}
    refund = sdk.payment.refund(payment["id"], dict(asked), headers=dict(key))
    assert sdk.payment.refund(payment["id"], dict(asked), headers=dict(key))["id"] == refund["id"]
    with pytest.raises(BadRequestError, match="Different request"):
        sdk.payment.refund(payment["id"], {"amount": 1_000}, headers=dict(key))
    with pytest.raises(BadRequestError, match="Duplicate receipt"):
        sdk.payment.refund(payment["id"], dict(asked))
    with pytest.raises(BadRequestError, match="greater than"):
        sdk.payment.refund(payment["id"], {"amount": 30_001})
    assert sdk.refund.fetch(refund["id"])["status"] == "processed"
    assert [each["id"] for each in sdk.payment.fetch_multiple_refund(payment["id"])["items"]] == [refund["id"]]
    assert sdk.payment.fetch(payment["id"])["refund_status"] == "partial"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"amount": 99}, "less than minimum"),
        ({"amount": "500"}, "must be an integer"),
        ({"amount": None}, "is required"),
        ({"currency": "rupees"}, "ISO 4217"),
        ({"receipt": "r" * 41}, "receipt"),
        ({"receipt": 7}, "expected string"),
        ({"notes": {str(number): "" for number in range(16)}}, "notes"),
        ({"card": "no"}, "should not be sent"),
        ({"payment": {"capture": "automatic", "capture_options": {"automatic_expiry_period": 11}}}, "at least 12"),
        ({"amount": 60_000}, "unique"),
    ],
)
def test_the_sdk_is_refused_what_razorpay_refuses(sdk: Any, change: dict[str, Any], words: str) -> None:
    sdk.order.create(ORDER)
    with pytest.raises(BadRequestError, match=words):
        sdk.order.create({**ORDER, **change})


def test_the_sdk_is_told_of_wrong_keys_and_unknown_ids(line: Line, sdk: Any) -> None:
    with pytest.raises(BadRequestError, match="does not exist"):
        sdk.order.fetch("order_00000000000000")
    stranger = razorpay.Client(auth=(KEY_ID, "another secret"), base_url=line.url)
    stranger.session.trust_env = False
    with pytest.raises(BadRequestError, match="Authentication failed"):
        stranger.order.all()


def test_the_sdk_verifies_what_is_told(shop: Shop, order_id: str) -> None:
    shop.pay(order_id)
    judge = razorpay.Client(auth=(KEY_ID, API_KEY)).utility
    for webhook in shop.sandbox.take_webhooks():
        assert judge.verify_webhook_signature(webhook.body.decode(), webhook.headers["x-razorpay-signature"], SECRET)
        assert json.loads(webhook.body)["entity"] == "event"


# As a process.


def test_what_it_was_paid_survives_a_kill(tmp_path: Path) -> None:
    words = ("--speaks", "razorpay", "--key-id", KEY_ID)
    with as_a_process(tmp_path, *words) as (_, line):
        order = client_of(line).order.create(ORDER)
        payment = line.post("/v1/admin/pay", order_id=order["id"], token="sim_ok")
    with as_a_process(tmp_path, *words) as (_, line):
        again = client_of(line)
        assert again.order.fetch(order["id"])["status"] == "paid"
        assert again.payment.fetch(payment["id"])["amount"] == ORDER["amount"]
        assert again.order.create(ORDER)["id"] == order["id"]
        assert line.get("/v1/books", order_reference="O-1")["orders"]["O-1"]["captured"] == {"INR": ORDER["amount"]}
