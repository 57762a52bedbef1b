"""The decision table: each error code was thought about, and what nobody thought about stops."""

from __future__ import annotations

from itertools import product

import pytest

from accounts.models import Restaurant
from failures.models import Case, CaseKind
from payments.gateways.contract import ErrorCode, Outcome
from payments.models import Attempt, NextAction, Payment, PaymentStatus
from payments.services.decisions import DECISIONS, Decision, decide
from payments.services.evidence import Finding
from payments.services.sweeps import sweep_payments
from tests.factories import order_of, paid
from tests.scripted import ScriptedGateway, outcome
from tests.time_machine import ShiftedClock

# Codes for which every finding stops, each with its reason.
STOPS: dict[ErrorCode, str] = {
    ErrorCode.FRAUD_SUSPECTED: "Nobody helps a thief to find a provider that does not notice.",
    ErrorCode.STOLEN_CARD: "The same.",
    ErrorCode.TIMED_OUT: "We do not know what happened: asked about, never charged elsewhere.",
    ErrorCode.CONNECTION_LOST: "The same.",
    ErrorCode.SERVER_ERROR: "The same.",
    ErrorCode.UNREADABLE_ANSWER: "The same.",
    ErrorCode.CONTRADICTORY_ANSWER: "The same, and a human looks.",
    ErrorCode.REFUND_REFUSED: "Says something about refunds; no charge ever carries it.",
}
NO_EVIDENCE_OF_NON_CHARGE = {
    Finding.SUCCEEDED,
    Finding.PENDING,
    Finding.UNKNOWN,
    Finding.NO_ANSWER,
    Finding.CONTRADICTED,
}
ELSEWHERE = {code for (finding, code), decision in DECISIONS.items() if decision == Decision.NEXT_PROVIDER}


@pytest.mark.parametrize("code", ErrorCode)
def test_each_code_was_decided_about(code: ErrorCode) -> None:
    is_in_the_table = any(code == decided for _, decided in DECISIONS)

    assert is_in_the_table != (code in STOPS), f"{code!r} is in the table, or has a reason to stop; never both."


def test_what_is_not_in_the_table_stops() -> None:
    pairs = set(product(Finding, ErrorCode))

    assert {decide(*pair) for pair in pairs - set(DECISIONS)} == {Decision.STOP}
    assert all(decide(*pair) == decision != Decision.STOP for pair, decision in DECISIONS.items())
    assert len(DECISIONS) == 17


def test_only_evidence_of_non_charge_leads_anywhere() -> None:
    assert {finding for finding, _ in DECISIONS} == {Finding.NOT_SENT, Finding.NOT_FOUND, Finding.DECLINED}
    for finding, code in product(NO_EVIDENCE_OF_NON_CHARGE, ErrorCode):
        assert decide(finding, code) == Decision.STOP


def test_a_humans_word_and_a_closed_attempt_stop() -> None:
    for finding, code in product((Finding.NOT_CHARGED, Finding.CANCELLED, Finding.NOT_PAID), ErrorCode):
        assert decide(finding, code) == Decision.STOP


@pytest.mark.parametrize("code", ErrorCode)
def test_a_decline_ends_the_payment_or_goes_elsewhere_as_the_table_says(
    restaurant: Restaurant, provider_a: ScriptedGateway, provider_b: ScriptedGateway, code: ErrorCode
) -> None:
    provider_a.charges.append(outcome(Outcome.DECLINED, code, message="No."))

    payment = paid(order_of(restaurant))

    assert provider_a.count("charge") == 1
    if decide(Finding.DECLINED, code) == Decision.NEXT_PROVIDER:
        assert (payment.status, provider_b.count("charge")) == (PaymentStatus.COMPLETED, 1)
        assert [attempt.status for attempt in Attempt.objects.order_by("number")] == ["declined", "succeeded"]
    else:
        assert (payment.status, payment.failure_code) == (PaymentStatus.FAILED, code.value or "declined")
        assert (payment.next_action, provider_b.asked) == (NextAction.NONE, [])
        assert Case.objects.count() == 0


@pytest.mark.parametrize("code", ErrorCode)
def test_what_was_never_sent_goes_elsewhere_is_repeated_or_ends_as_the_table_says(
    restaurant: Restaurant, provider_a: ScriptedGateway, provider_b: ScriptedGateway, code: ErrorCode
) -> None:
    provider_a.charges.append(outcome(Outcome.NOT_SENT, code))

    payment = paid(order_of(restaurant))

    decision = decide(Finding.NOT_SENT, code)
    if decision == Decision.NEXT_PROVIDER:
        assert (payment.status, provider_b.count("charge")) == (PaymentStatus.COMPLETED, 1)
    elif decision == Decision.SAME_PROVIDER:
        assert (payment.next_action, provider_b.asked) == (NextAction.RESEND, [])
    else:
        assert (payment.status, payment.failure_code) == (PaymentStatus.FAILED, code.value or "declined")
        assert provider_b.asked == []


@pytest.mark.parametrize("code", ErrorCode)
def test_doubt_stays_doubt_whatever_code_comes_with_it(
    restaurant: Restaurant, provider_a: ScriptedGateway, provider_b: ScriptedGateway, code: ErrorCode
) -> None:
    provider_a.charges.append(outcome(Outcome.UNKNOWN, code))

    payment = paid(order_of(restaurant))

    assert (payment.status, payment.in_doubt, payment.next_action) == ("processing", True, NextAction.LOOK_UP)
    assert provider_b.asked == []


def test_being_too_slow_is_our_own_fault_and_repeated_with_the_same_key(
    restaurant: Restaurant, provider_a: ScriptedGateway, provider_b: ScriptedGateway, time: ShiftedClock
) -> None:
    provider_a.charges.append(outcome(Outcome.NOT_SENT, ErrorCode.TOO_LATE_TO_SEND))
    payment = paid(order_of(restaurant))
    assert payment.next_action_at is not None

    time.jump_to(payment.next_action_at)
    sweep_payments(width=1)

    assert Payment.objects.get().status == PaymentStatus.COMPLETED
    keys = {request.key for verb, request in provider_a.asked}
    assert keys == {str(Attempt.objects.get().pk)}
    assert (Attempt.objects.get().sends, provider_b.asked) == (2, [])


def test_refused_credentials_go_elsewhere_and_to_a_human(
    restaurant: Restaurant, provider_a: ScriptedGateway, provider_b: ScriptedGateway
) -> None:
    provider_a.charges.append(outcome(Outcome.NOT_SENT, ErrorCode.CREDENTIALS_REFUSED))

    payment = paid(order_of(restaurant))

    assert payment.status == PaymentStatus.COMPLETED
    assert Case.objects.get().kind == CaseKind.CREDENTIALS
    assert provider_b.count("charge") == 1


def test_what_goes_elsewhere_is_never_a_word_about_the_guest() -> None:
    """A card that one provider calls stolen is not carried from door to door."""
    about_the_guest = {ErrorCode.FRAUD_SUSPECTED, ErrorCode.STOLEN_CARD, ErrorCode.INSUFFICIENT_FUNDS}

    assert not ELSEWHERE & about_the_guest
