"""The gateway of the sandbox provider: what each behaviour and each answer becomes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from kernel.money import Money
from payments.gateways.contract import (
    Answer,
    CancelAnswer,
    ErrorCode,
    Outcome,
    RefundFact,
    Theirs,
)
from payments.gateways.simulated import FACTS, SimulatedCredentials, SimulatedGateway
from sandbox.behaviours import CHARGES, Mode
from sandbox.books import Origin
from sandbox.inprocess import InProcess
from tests.gateways.parties import (
    MONEY,
    SECRET,
    cancel_of,
    charge_request,
    credentials,
    look_up_of,
    paid_charge,
    refund_request,
)
from tests.gateways.wires import Wire
from tests.sandbox.running import gateway_in, in_process
from tests.time_machine import ShiftedClock

DECLINED = Outcome.DECLINED
OK = Outcome.SUCCEEDED
PENDING = Outcome.PENDING
UNKNOWN = Outcome.UNKNOWN
# The token; the outcome of the first charge and its code; what a look-up then finds; what a second send gives.
TOKENS = {
    "": (PENDING, "", Answer.PENDING, PENDING),
    "sim_ok": (OK, "", Answer.SUCCEEDED, OK),
    "sim_decline_insufficient_funds": (DECLINED, "insufficient_funds", Answer.DECLINED, DECLINED),
    "sim_decline_expired_card": (DECLINED, "expired_card", Answer.DECLINED, DECLINED),
    "sim_decline_incorrect_cvc": (DECLINED, "incorrect_details", Answer.DECLINED, DECLINED),
    "sim_decline_do_not_honor": (DECLINED, "card_declined", Answer.DECLINED, DECLINED),
    "sim_decline_fraud": (DECLINED, "fraud_suspected", Answer.DECLINED, DECLINED),
    "sim_decline_stolen_card": (DECLINED, "stolen_card", Answer.DECLINED, DECLINED),
    "sim_decline_issuer_unavailable": (DECLINED, "issuer_unavailable", Answer.DECLINED, DECLINED),
    "sim_timeout_before_effect": (UNKNOWN, "timed_out", Answer.NOT_FOUND, OK),
    "sim_timeout_after_effect": (UNKNOWN, "timed_out", Answer.SUCCEEDED, OK),
    "sim_5xx_before_effect": (UNKNOWN, "server_error", Answer.NOT_FOUND, OK),
    "sim_5xx_after_effect": (UNKNOWN, "server_error", Answer.SUCCEEDED, OK),
    "sim_slow_8s": (OK, "", Answer.SUCCEEDED, UNKNOWN),  # The first request with this key still runs.
    "sim_slow_loris": (UNKNOWN, "timed_out", Answer.SUCCEEDED, OK),
    "sim_reset_before_effect": (UNKNOWN, "connection_lost", Answer.NOT_FOUND, OK),
    "sim_reset": (UNKNOWN, "connection_lost", Answer.SUCCEEDED, OK),
    "sim_garbage": (UNKNOWN, "unreadable_answer", Answer.SUCCEEDED, OK),
    "sim_truncated": (UNKNOWN, "unreadable_answer", Answer.SUCCEEDED, OK),
    "sim_huge_body": (UNKNOWN, "unreadable_answer", Answer.SUCCEEDED, OK),
    "sim_html_403": (UNKNOWN, "unreadable_answer", Answer.NOT_FOUND, OK),
    "sim_pending_then_ok": (PENDING, "", Answer.PENDING, PENDING),
    "sim_pending_then_declined": (PENDING, "", Answer.PENDING, PENDING),
    "sim_pending_for_ever": (PENDING, "", Answer.PENDING, PENDING),
    "sim_pending_not_cancellable": (PENDING, "", Answer.PENDING, PENDING),
    "sim_late_success": (DECLINED, "card_declined", Answer.DECLINED, DECLINED),
    "sim_pending_late_success": (PENDING, "", Answer.PENDING, PENDING),
    "sim_wrong_amount": (OK, "", Answer.SUCCEEDED, OK),
    "sim_wrong_currency": (OK, "", Answer.SUCCEEDED, OK),
    "sim_duplicate_webhook": (OK, "", Answer.SUCCEEDED, OK),
    "sim_late_webhook": (OK, "", Answer.SUCCEEDED, OK),
    "sim_forged_webhook": (PENDING, "", Answer.PENDING, PENDING),
    "sim_no_webhook": (PENDING, "", Answer.PENDING, PENDING),
    "sim_action_required": (PENDING, "", Answer.PENDING, PENDING),
    "sim_not_found_then_found": (UNKNOWN, "timed_out", Answer.NOT_FOUND, OK),
    "sim_refund_timeout_after_effect": (OK, "", Answer.SUCCEEDED, OK),
    "sim_refund_timeout_before_effect": (OK, "", Answer.SUCCEEDED, OK),
    "sim_refund_declined": (OK, "", Answer.SUCCEEDED, OK),
    "sim_refund_pending_then_ok": (OK, "", Answer.SUCCEEDED, OK),
    "sim_refund_ok_then_failed": (OK, "", Answer.SUCCEEDED, OK),
    "sim_refund_5xx_after_effect": (OK, "", Answer.SUCCEEDED, OK),
    "sim_refund_not_found_then_found": (OK, "", Answer.SUCCEEDED, OK),
}


@pytest.fixture
def sandbox() -> InProcess:
    return in_process()


@pytest.fixture
def gateway(sandbox: InProcess) -> SimulatedGateway:
    return gateway_in(sandbox)


def answering(body: Any, status: int = 200) -> SimulatedGateway:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return SimulatedGateway(credentials=credentials(), dial=Wire(status=status, body=content).dial)


def own_error(code: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": "Because."}}


def test_every_token_is_tested():
    assert set(TOKENS) == set(CHARGES)


@pytest.mark.parametrize("token", TOKENS)
def test_what_a_token_becomes(gateway: SimulatedGateway, sandbox: InProcess, token: str):
    outcome, code, found, again = TOKENS[token]
    charge = charge_request(token)
    first = gateway.charge(charge)
    assert (first.outcome, first.code) == (outcome, code)
    assert gateway.look_up(look_up_of(charge)).answer is found
    assert gateway.charge(charge).outcome is again
    assert sandbox.provider.books.sends(charge.key) == 2
    assert len(sandbox.provider.books.charges_of_order(charge.order_reference)) == 1


def test_a_success_says_what_moved(gateway: SimulatedGateway):
    charge = charge_request()
    result = gateway.charge(charge)
    assert result.money == MONEY
    assert result.reference.startswith("ch_")
    assert result.raw["key"] == charge.key


@pytest.mark.parametrize(
    ("token", "moved"), [("sim_wrong_amount", Money(84100, "INR")), ("sim_wrong_currency", Money(84000, "USD"))]
)
def test_money_is_reported_as_the_provider_says_it(gateway: SimulatedGateway, token: str, moved: Money):
    charge = charge_request(token)
    assert gateway.charge(charge).money == moved
    assert gateway.look_up(look_up_of(charge)).money == moved


def test_a_guest_who_has_to_act_gets_an_address(gateway: SimulatedGateway):
    step = gateway.charge(charge_request("sim_action_required")).next_step
    assert step["kind"] == "redirect"
    assert step["url"].startswith("http://127.0.0.1:9101/pay/ch_")


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", 7, None, ["https://x"], "https://" + "x" * 3000]
)
def test_an_address_that_no_browser_should_follow_is_not_passed_on(url: Any):
    pending = {**paid_charge(), "status": "pending", "moved": None, "pay_url": url}
    result = answering(pending).charge(charge_request(key="key-1"))
    assert (result.outcome, result.next_step) == (PENDING, {})


CONTRADICTIONS: dict[str, dict[str, Any]] = {
    "another key": {"key": "key-2"},
    "no key": {"key": None},
    "another kind of thing": {"object": "refund"},
    "an unknown status": {"status": "settled"},
    "a status that is a list": {"status": []},
    "no id": {"id": ""},
    "an endless id": {"id": "x" * 201},
    "no amount": {"moved": {"currency": "INR"}},
    "nothing moved": {"moved": None},
    "an amount in text": {"moved": {"amount": "84000", "currency": "INR"}},
    "a fraction": {"moved": {"amount": 840.5, "currency": "INR"}},
    "yes": {"moved": {"amount": True, "currency": "INR"}},
    "zero": {"moved": {"amount": 0, "currency": "INR"}},
    "a negative amount": {"moved": {"amount": -84000, "currency": "INR"}},
    "more than there is": {"moved": {"amount": 10**18, "currency": "INR"}},
    "no currency": {"moved": {"amount": 84000}},
    "a currency that is none": {"moved": {"amount": 84000, "currency": "RUPEES"}},
    "a currency that is a list": {"moved": {"amount": 84000, "currency": ["INR"]}},
    "one field more": {"moved": {"amount": 84000, "currency": "INR", "net": 80000}},
    "refunds that are none": {"refunds": [1]},
    "a refund of nothing": {"refunds": [{"id": "re_1", "key": "", "amount": 0, "currency": "INR", "status": "failed"}]},
}


@pytest.mark.parametrize("bent", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_a_contradiction_is_unknown(bent: dict[str, Any]):
    gateway, charge = answering({**paid_charge(), **bent}), charge_request(key="key-1")
    result, found = gateway.charge(charge), gateway.look_up(look_up_of(charge))
    assert (result.outcome, result.code) == (UNKNOWN, ErrorCode.CONTRADICTORY_ANSWER)
    assert (found.answer, found.code) == (Answer.NO_ANSWER, ErrorCode.CONTRADICTORY_ANSWER)
    assert result.raw["amount"] == 84000
    assert gateway.cancel(cancel_of(charge)).answer is CancelAnswer.NO_ANSWER


@pytest.mark.parametrize("name", ["object", "key", "status", "id", "moved", "refunds"])
def test_a_missing_field_is_a_contradiction(name: str):
    answer = {field: value for field, value in paid_charge().items() if field != name}
    assert answering(answer).charge(charge_request(key="key-1")).outcome is UNKNOWN


@pytest.mark.parametrize(
    ("status", "code", "outcome", "error"),
    [
        (401, "unauthorised", Outcome.NOT_SENT, ErrorCode.CREDENTIALS_REFUSED),
        (403, "forbidden", Outcome.NOT_SENT, ErrorCode.CREDENTIALS_REFUSED),
        (429, "rate_limited", Outcome.NOT_SENT, ErrorCode.RATE_LIMITED),
        (400, "invalid_request", Outcome.NOT_SENT, ErrorCode.REQUEST_REFUSED),
        (422, "invalid_request", Outcome.NOT_SENT, ErrorCode.REQUEST_REFUSED),
        (422, "refund_refused", Outcome.DECLINED, ErrorCode.REFUND_REFUSED),
        (409, "in_progress", Outcome.UNKNOWN, ErrorCode.UNREADABLE_ANSWER),
        (409, "key_reused", Outcome.UNKNOWN, ErrorCode.CONTRADICTORY_ANSWER),
        (400, "never heard of", Outcome.UNKNOWN, ErrorCode.UNREADABLE_ANSWER),
        (404, "not_found", Outcome.UNKNOWN, ErrorCode.UNREADABLE_ANSWER),
        (500, "invalid_request", Outcome.UNKNOWN, ErrorCode.SERVER_ERROR),
        (201, "invalid_request", Outcome.UNKNOWN, ErrorCode.UNREADABLE_ANSWER),
    ],
)
def test_the_providers_own_errors(status: int, code: str, outcome: Outcome, error: ErrorCode):
    gateway, charge = answering(own_error(code), status), charge_request()
    for result in (gateway.charge(charge), gateway.refund(refund_request(charge))):
        assert (result.outcome, result.code) == (outcome, error)


def test_a_limit_says_when_to_come_back(gateway: SimulatedGateway, sandbox: InProcess):
    sandbox.provider.steering.set_mode(Mode.RATE_LIMITED)
    result = gateway.charge(charge_request())
    assert (result.outcome, result.code, result.retry_after_seconds) == (Outcome.NOT_SENT, ErrorCode.RATE_LIMITED, 2)


@pytest.mark.parametrize(
    ("mode", "outcome", "code"),
    [
        (Mode.FAILING, UNKNOWN, ErrorCode.SERVER_ERROR),
        (Mode.SILENT, UNKNOWN, ErrorCode.TIMED_OUT),
        (Mode.REFUSING, Outcome.NOT_SENT, ErrorCode.UNREACHABLE),
        (Mode.UNAUTHORISED, Outcome.NOT_SENT, ErrorCode.CREDENTIALS_REFUSED),
        (Mode.SLOW, OK, ErrorCode.NONE),
    ],
)
def test_a_provider_in_trouble(
    gateway: SimulatedGateway, sandbox: InProcess, mode: Mode, outcome: Outcome, code: ErrorCode
):
    sandbox.provider.steering.set_mode(mode)
    charge = charge_request()
    result = gateway.charge(charge)
    assert (result.outcome, result.code) == (outcome, code)
    captured = {"INR": 84000} if outcome is OK else {}
    assert sandbox.provider.books.captured(charge.order_reference) == captured


def test_wrong_credentials_are_refused_before_processing(sandbox: InProcess):
    wrong = replace(gateway_in(sandbox).credentials, api_key="another-key")
    result = SimulatedGateway(credentials=wrong, dial=sandbox.dial).charge(charge_request())
    assert (result.outcome, result.code) == (Outcome.NOT_SENT, ErrorCode.CREDENTIALS_REFUSED)


def test_after_send_before_the_provider_hears_nothing(gateway: SimulatedGateway, sandbox: InProcess):
    assert gateway.charge(charge_request(seconds=0)).code is ErrorCode.TOO_LATE_TO_SEND
    assert sandbox.provider.books.requests == []


def test_the_same_key_with_another_amount_is_in_doubt(gateway: SimulatedGateway, sandbox: InProcess):
    charge = charge_request()
    gateway.charge(charge)
    result = gateway.charge(replace(charge, money=Money(1, "INR")))
    assert (result.outcome, result.code) == (UNKNOWN, ErrorCode.CONTRADICTORY_ANSWER)
    assert sandbox.provider.books.captured(charge.order_reference) == {"INR": 84000}


# Cancelling.


@pytest.mark.parametrize(
    ("token", "answer"),
    [
        ("sim_pending_for_ever", CancelAnswer.CANCELLED),
        ("sim_decline_fraud", CancelAnswer.CANCELLED),
        ("sim_ok", CancelAnswer.TOO_LATE),
        ("sim_pending_not_cancellable", CancelAnswer.NOT_POSSIBLE),
    ],
)
def test_cancelling(gateway: SimulatedGateway, token: str, answer: CancelAnswer):
    charge = charge_request(token)
    gateway.charge(charge)
    assert [gateway.cancel(cancel_of(charge)).answer for _ in range(2)] == [answer, answer]


def test_what_is_cancelled_is_declined_from_then_on(gateway: SimulatedGateway):
    charge = charge_request("sim_pending_for_ever")
    gateway.charge(charge)
    gateway.cancel(cancel_of(charge))
    found = gateway.look_up(look_up_of(charge))
    assert (found.answer, found.code) == (Answer.DECLINED, ErrorCode.CANCELLED_BY_GUEST)


def test_cancelling_what_is_not_known_is_no_answer(gateway: SimulatedGateway):
    """A late first send may still arrive under this key."""
    assert gateway.cancel(cancel_of(charge_request())).answer is CancelAnswer.NO_ANSWER


# Refunds.


@pytest.mark.parametrize(
    ("token", "first", "found", "again", "went_back"),
    [
        ("sim_ok", OK, Answer.SUCCEEDED, OK, 1000),
        ("sim_refund_timeout_after_effect", UNKNOWN, Answer.SUCCEEDED, OK, 1000),
        ("sim_refund_timeout_before_effect", UNKNOWN, Answer.NOT_FOUND, OK, 1000),
        ("sim_refund_5xx_after_effect", UNKNOWN, Answer.SUCCEEDED, OK, 1000),
        ("sim_refund_not_found_then_found", UNKNOWN, Answer.NOT_FOUND, OK, 1000),
        ("sim_refund_declined", DECLINED, Answer.DECLINED, DECLINED, 0),
        ("sim_refund_pending_then_ok", PENDING, Answer.PENDING, PENDING, 0),
        ("sim_refund_ok_then_failed", OK, Answer.SUCCEEDED, OK, 1000),
    ],
)
def test_what_a_refund_becomes(
    gateway: SimulatedGateway, sandbox: InProcess, *, token: str, first: Outcome, found: Answer, again: Outcome,
    went_back: int,
):  # fmt: skip
    charge = charge_request(token)
    gateway.charge(charge)
    refund = refund_request(charge)
    assert gateway.refund(refund).outcome is first
    assert gateway.look_up(look_up_of(refund)).answer is found
    assert gateway.refund(refund).outcome is again
    assert sandbox.provider.books.refunded(charge.order_reference).get("INR", 0) == went_back


@pytest.mark.parametrize(("minor", "currency"), [(84001, "INR"), (1, "USD")])
def test_the_provider_refuses_to_give_back_what_it_has_not(gateway: SimulatedGateway, minor: int, currency: str):
    charge = charge_request()
    gateway.charge(charge)
    result = gateway.refund(refund_request(charge, minor=minor, currency=currency))
    assert (result.outcome, result.code) == (DECLINED, ErrorCode.REFUND_REFUSED)


def test_a_refund_can_fail_days_after_it_succeeded(gateway: SimulatedGateway, sandbox: InProcess, time: ShiftedClock):
    charge = charge_request("sim_refund_ok_then_failed")
    gateway.charge(charge)
    refund = refund_request(charge)
    assert gateway.refund(refund).outcome is OK
    time.advance(days=3)
    found = gateway.look_up(look_up_of(refund))
    assert (found.answer, found.code, found.money) == (Answer.DECLINED, ErrorCode.REFUND_REFUSED, None)
    assert sandbox.provider.books.refunded(charge.order_reference) == {"INR": 0}


def test_a_charge_lists_all_refunds_ours_and_theirs(gateway: SimulatedGateway, sandbox: InProcess):
    charge, books = charge_request(), sandbox.provider.books
    gateway.charge(charge)
    ours = refund_request(charge)
    reference = gateway.refund(ours).reference
    known = books.charge_of_key(charge.key)
    assert known
    theirs = sandbox.provider.till.refund_here(known, 500, Origin.CHARGEBACK)
    assert gateway.look_up(look_up_of(charge)).refunds == (
        RefundFact(reference=reference, key=ours.key, money=Money(1000, "INR"), succeeded=True),
        RefundFact(reference=theirs.id, key="", money=Money(500, "INR"), succeeded=True, theirs=Theirs.CHARGEBACK),
    )


# Configuration.


@pytest.mark.parametrize("secrets", [(), ("",), ("short",), (SECRET, ""), ("fifteen-bytes-..",)[:0]])
def test_a_secret_that_protects_nothing_is_refused(secrets: tuple[str, ...]):
    with pytest.raises(ValueError, match="secret"):
        SimulatedCredentials(base_url="http://x", api_key="k", webhook_secrets=secrets)


@pytest.mark.parametrize(("url", "key"), [("", "k"), ("http://x", "")])
def test_an_address_and_a_key_are_needed(url: str, key: str):
    with pytest.raises(ValueError, match="URL and an API key"):
        SimulatedCredentials(base_url=url, api_key=key, webhook_secrets=(SECRET,))


def test_facts_are_what_the_caller_says(sandbox: InProcess):
    facts = replace(FACTS, name="sandbox_b", late_money_window=timedelta(0))
    assert gateway_in(sandbox, facts=facts).facts == facts


def test_a_key_with_odd_characters_finds_its_charge(gateway: SimulatedGateway):
    charge = charge_request(key="a/b c?d=1&%2F#e")
    assert gateway.charge(charge).outcome is OK
    assert gateway.look_up(look_up_of(charge)).answer is Answer.SUCCEEDED
