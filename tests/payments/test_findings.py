"""What outsiders found, so that it stays found: each of these was once true."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from accounts.models import Restaurant, Role
from events.actors import GUEST
from failures.models import WAITING, Case, CaseKind
from kernel import clock, crashpoints
from kernel.crashpoints import CrashPoint
from kernel.modes import Mode
from kernel.money import Money
from payments.gateways.breaker import BreakerState
from payments.gateways.contract import (
    Answer,
    CancelAnswer,
    CancelResult,
    ChargeRequest,
    ErrorCode,
    LookUpResult,
    Outcome,
    RefundFact,
    Result,
)
from payments.gateways.guard import Operation
from payments.models import Attempt, NextAction, Payment, PaymentStatus, ProviderAccount, Refund, RefundStatus
from payments.services.attempts import resend_attempt
from payments.services.cash import CashTaken, confirm_cash, record_cash_refund
from payments.services.circuit_overrides import force_circuit
from payments.services.evidence import Evidence, Finding, Source
from payments.services.mismatches import MismatchChoice
from payments.services.operators import resolve_mismatch
from payments.services.providers import forced_circuits
from payments.services.refund_requests import request_refund
from payments.services.refund_settlement import settle_refund
from payments.services.refusals import PaymentRefused, RefundRefused
from payments.services.settlement import settle_attempt
from payments.services.sweeps import sweep_payments, sweep_refunds
from tests.factories import UserFactory, accepted, order_of, paid, staff
from tests.scripted import ScriptedGateway, outcome, succeeded
from tests.time_machine import ShiftedClock
from tests.two_people import record_not_charged

INR = "INR"


def test_waiting_for_closed_circuits_is_not_poison(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    for provider in "ab":
        force_circuit(
            provider=provider,
            mode=Mode.TEST,
            operation=Operation.CHARGE,
            state=BreakerState.OPEN,
            person=UserFactory.create(is_staff=True, is_superuser=True),
            reason="outage",
            lasts=timedelta(minutes=5),
        )
    accepted(order_of(restaurant))

    while (due := Payment.objects.get().next_action_at) is not None:
        time.jump_to(due)
        sweep_payments(width=1)

    assert Payment.objects.get().status == PaymentStatus.COMPLETED
    assert Case.objects.count() == 0


def test_one_refund_that_completes_does_not_end_the_worry_about_another(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    payment = paid(order_of(restaurant))
    provider_a.refunds.extend([outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT)] * 2)
    first, second = (
        request_refund(payment_id=payment.pk, amount_minor=amount, reason="cold food", actor=GUEST)
        for amount in (1_000, 2_000)
    )
    sweep_refunds(width=1)
    time.advance(minutes=20)
    sweep_refunds(width=1)

    news = Evidence(source=Source.NOTICE, finding=Finding.SUCCEEDED, money=Money(1_000, INR))
    settle_refund(refund_id=first.pk, evidence=news)

    assert Refund.objects.get(pk=second.pk).in_doubt
    assert Case.objects.get(status__in=WAITING).subject_id == second.pk


def test_a_card_number_reaches_no_reason_no_metadata_and_no_provider(
    restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    order = order_of(restaurant)
    for draft in ({"metadata": {"note": "4242 4242 4242 4242"}}, {"instrument": "4242424242424242"}):
        with pytest.raises(PaymentRefused) as refused:
            paid(order, **draft)
        assert refused.value.code == "card_number"
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    payment = paid(order)

    with pytest.raises(PaymentRefused) as refused:
        record_not_charged(
            payment_id=payment.pk, person=staff(restaurant, Role.FINANCE), reason="card 4111 1111 1111 1111"
        )

    assert refused.value.code == "card_number"
    assert provider_a.count("charge") == 1


@pytest.mark.parametrize(
    ("choice", "given_back"),
    [(MismatchChoice.REFUND_ALL, 90_000), (MismatchChoice.REFUND_DIFFERENCE, 6_000)],
)
def test_a_decision_about_an_amount_counts_what_the_provider_gave_back_already(
    restaurant: Restaurant, provider_a: ScriptedGateway, choice: MismatchChoice, given_back: int
) -> None:
    provider_a.charges.append(succeeded(Money(90_000, INR)))
    payment = paid(order_of(restaurant, 100_000), amount_minor=84_000)
    fact = RefundFact(reference="dashboard", money=Money(6_000, INR), succeeded=True)
    news = Evidence(source=Source.NOTICE, finding=Finding.SUCCEEDED, money=Money(90_000, INR), refunds=(fact,))
    settle_attempt(attempt_id=Attempt.objects.get().pk, evidence=news)

    person = staff(restaurant, Role.FINANCE)
    resolve_mismatch(payment_id=payment.pk, choice=choice, person=person, reason="the guest was asked")
    sweep_refunds(width=1)

    assert Attempt.objects.get().refunded_minor == given_back


def test_a_word_that_was_taken_back_does_not_return(restaurant: Restaurant, time: ShiftedClock) -> None:
    word: dict[str, Any] = {
        "provider": "a",
        "mode": Mode.TEST,
        "operation": Operation.CHARGE,
        "person": UserFactory.create(is_staff=True, is_superuser=True),
        "reason": "outage",
    }
    force_circuit(state=BreakerState.OPEN, lasts=timedelta(hours=12), **word)
    force_circuit(state=None, lasts=timedelta(minutes=1), **word)

    time.advance(minutes=2)

    assert forced_circuits(ProviderAccount.objects.get(provider="a")) == {}


def test_nobody_says_not_charged_while_it_is_being_sent_again(
    restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    payment = paid(order_of(restaurant))
    Payment.objects.update(next_action=NextAction.RESEND)
    assert resend_attempt(payment_id=payment.pk) is not None

    with pytest.raises(PaymentRefused) as refused:
        record_not_charged(payment_id=payment.pk, person=staff(restaurant, Role.FINANCE), reason="I looked there")

    assert refused.value.code == "being_sent"


def test_no_more_tip_goes_back_than_was_paid(restaurant: Restaurant) -> None:
    payment = paid(order_of(restaurant), tip_minor=500)

    for amount, tip in ((0, 501), (84_001, 0)):
        with pytest.raises(RefundRefused) as refused:
            request_refund(payment_id=payment.pk, amount_minor=amount, tip_minor=tip, reason="cold", actor=GUEST)
        assert refused.value.code == "more_than_left"

    refund = request_refund(payment_id=payment.pk, amount_minor=100, tip_minor=500, reason="cold", actor=GUEST)
    rest = request_refund(payment_id=payment.pk, reason="all of it", actor=GUEST)
    assert (refund.tip_minor, rest.amount_minor, rest.tip_minor) == (500, 83_900, 0)


def test_what_a_provider_refuses_as_invalid_is_not_sent_to_it_again(
    restaurant: Restaurant, provider_a: ScriptedGateway, provider_b: ScriptedGateway
) -> None:
    refused = outcome(Outcome.NOT_SENT, ErrorCode.REQUEST_REFUSED)
    provider_a.charges.append(refused)
    provider_b.charges.append(refused)

    payment = paid(order_of(restaurant))

    assert (payment.status, payment.failure_code) == (PaymentStatus.FAILED, "exhausted")
    assert (provider_a.count("charge"), provider_b.count("charge")) == (1, 1)


def test_what_does_not_exist_is_refused_by_name(restaurant: Restaurant) -> None:
    nobody = "01a1fc6a-c8db-7c25-b938-f5b6a1f94ae2"

    with pytest.raises(PaymentRefused) as refused:
        request_refund(payment_id=nobody, reason="cold", actor=GUEST)  # type: ignore[arg-type]  # As a client would.

    assert refused.value.code == "not_found"


def test_a_refund_worker_that_was_paused_past_its_lease_sends_nothing(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    request_refund(payment_id=paid(order_of(restaurant)).pk, reason="cold food", actor=GUEST)
    previous = crashpoints.install(
        lambda point: time.advance(seconds=60) if point == CrashPoint.REFUND_AFTER_COMMIT else None
    )
    try:
        sweep_refunds(width=1)
    finally:
        crashpoints.install(previous)

    assert provider_a.count("refund") == 0
    assert Refund.objects.get().status == RefundStatus.PROCESSING


def test_a_stale_no_about_a_refund_leads_to_no_second_one(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    payment = paid(order_of(restaurant))
    refund = request_refund(payment_id=payment.pk, reason="cold food", actor=GUEST)
    sweep_refunds(width=1)
    no = Evidence(source=Source.NOTICE, finding=Finding.DECLINED)
    provider_a.look_ups.append(LookUpResult(answer=Answer.SUCCEEDED, money=Money(84_000, INR)))

    settle_refund(refund_id=refund.pk, evidence=no)
    sweep_refunds(width=1)

    refund = Refund.objects.get()
    assert (refund.status, refund.next_action) == (RefundStatus.COMPLETED, NextAction.NONE)
    with pytest.raises(RefundRefused):
        request_refund(payment_id=payment.pk, reason="cold food", actor=GUEST)
    assert provider_a.count("refund") == 1


def test_a_refund_that_moved_after_all_is_counted_before_anybody_refunds_again(
    restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    payment = paid(order_of(restaurant))
    provider_a.refunds.append(outcome(Outcome.DECLINED, ErrorCode.REFUND_REFUSED))
    refund = request_refund(payment_id=payment.pk, reason="cold food", actor=GUEST)
    sweep_refunds(width=1)
    assert Refund.objects.get().status == RefundStatus.FAILED

    moved = Evidence(source=Source.NOTICE, finding=Finding.SUCCEEDED, money=Money(84_000, INR))
    settle_refund(refund_id=refund.pk, evidence=moved)

    assert Attempt.objects.get().refunded_minor == 84_000
    with pytest.raises(RefundRefused):
        request_refund(payment_id=payment.pk, reason="cold food", actor=GUEST)
    assert Case.objects.filter(kind=CaseKind.CONTRADICTION).count() == 1


def test_a_refused_refund_of_a_difference_settles(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    provider_a.charges.append(succeeded(Money(90_000, INR)))
    payment = paid(order_of(restaurant))
    resolve_mismatch(
        payment_id=payment.pk,
        choice=MismatchChoice.REFUND_DIFFERENCE,
        person=staff(restaurant, Role.FINANCE),
        reason="too much",
    )
    provider_a.refunds.append(outcome(Outcome.DECLINED, ErrorCode.REFUND_REFUSED))

    sweep_refunds(width=1)

    assert Refund.objects.get().status == RefundStatus.FAILED
    assert Attempt.objects.get().refundable_minor == 90_000
    assert Case.objects.filter(kind=CaseKind.REFUND_FAILED).count() == 1


def test_a_bounced_refund_can_be_made_again(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    payment = paid(order_of(restaurant))
    refund = request_refund(payment_id=payment.pk, reason="cold food", actor=GUEST, reopens_order=True)
    sweep_refunds(width=1)
    no = Evidence(source=Source.LOOK_UP, finding=Finding.DECLINED)
    settle_refund(refund_id=refund.pk, evidence=no)

    again = request_refund(payment_id=payment.pk, reason="cold food", actor=GUEST, reopens_order=True)
    sweep_refunds(width=1)

    assert Refund.objects.get(pk=again.pk).status == RefundStatus.COMPLETED
    attempt = Attempt.objects.get()
    assert (attempt.refunded_minor, attempt.reopened_minor) == (84_000, 84_000)


def test_a_no_by_message_while_the_charge_is_under_way_starts_no_second_charge(
    restaurant: Restaurant,
    provider_a: ScriptedGateway,
    provider_b: ScriptedGateway,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def charge(request: ChargeRequest) -> Result:
        no = Evidence(source=Source.NOTICE, finding=Finding.DECLINED, code=ErrorCode.PROVIDER_ERROR)
        settle_attempt(attempt_id=UUID(request.key), evidence=no)
        connection.close()
        return succeeded(request.money)

    monkeypatch.setattr(provider_a, "charge", charge)

    payment = paid(order_of(restaurant))

    assert payment.status == PaymentStatus.COMPLETED
    assert provider_b.count("charge") == 0


def test_money_is_news_even_from_a_sender_that_lost_its_lease(
    restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    paid(order_of(restaurant))
    late = Evidence(
        source=Source.CHARGE, finding=Finding.SUCCEEDED, money=Money(84_000, INR), lease_token=clock.new_id()
    )

    settled = settle_attempt(attempt_id=Attempt.objects.get().pk, evidence=late)

    assert (settled.fenced, settled.payment.status) == (False, PaymentStatus.COMPLETED)


def test_another_amount_than_the_undecided_one_is_shown_and_changes_nothing(
    restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    provider_a.charges.append(succeeded(Money(90_000, INR)))
    paid(order_of(restaurant))
    attempt = Attempt.objects.get()

    for amount in (84_000, 50_000):
        news = Evidence(source=Source.NOTICE, finding=Finding.SUCCEEDED, money=Money(amount, INR))
        settle_attempt(attempt_id=attempt.pk, evidence=news)

    attempt = Attempt.objects.get()
    assert (attempt.captured_minor, attempt.mismatch) == (90_000, True)
    assert set(Case.objects.values_list("kind", flat=True)) == {"amount_mismatch", "contradiction"}


def test_a_guest_whose_time_is_over_at_a_silent_provider_has_a_case(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    provider_a.charges.append(outcome(Outcome.PENDING))
    provider_a.cancels.extend([CancelResult(answer=CancelAnswer.NO_ANSWER)] * 50)
    paid(order_of(restaurant))

    for _ in range(30):
        due = Payment.objects.get().next_action_at
        assert due is not None
        time.jump_to(due)
        sweep_payments(width=1)

    assert Payment.objects.get().status == PaymentStatus.PROCESSING
    assert Case.objects.get().kind == CaseKind.IN_DOUBT


def test_a_cash_refund_that_was_only_asked_for_has_a_case(restaurant: Restaurant) -> None:
    payment = paid(order_of(restaurant), method="cash")
    waiter = staff(restaurant, Role.WAITER)
    confirm_cash(payment_id=payment.pk, waiter=waiter, taken=CashTaken(amount_minor=84_000))

    request_refund(payment_id=payment.pk, amount_minor=1_000, reason="cold food", actor=GUEST)
    record_cash_refund(payment_id=payment.pk, person=waiter, reason="cold food", amount_minor=2_000)

    assert [case.kind for case in Case.objects.all()] == [CaseKind.CASH_REFUND]


@pytest.mark.parametrize("answer", [Answer.NOT_FOUND, Answer.PENDING, Answer.NO_ANSWER])
def test_asking_about_a_completed_refund_keeps_to_the_schedule(
    restaurant: Restaurant, provider_a: ScriptedGateway, answer: Answer
) -> None:
    refund = request_refund(payment_id=paid(order_of(restaurant)).pk, reason="cold food", actor=GUEST)
    sweep_refunds(width=1)
    settle_refund(refund_id=refund.pk, evidence=Evidence(source=Source.NOTICE, finding=Finding.DECLINED))
    provider_a.look_ups.append(LookUpResult(answer=answer, code=ErrorCode.RATE_LIMITED))

    sweep_refunds(width=1)

    refund = Refund.objects.get()
    assert (refund.status, refund.next_action) == (RefundStatus.COMPLETED, NextAction.LOOK_UP)
    assert refund.next_action_at is not None
    assert refund.next_action_at > clock.now()
    assert not refund.is_leased
