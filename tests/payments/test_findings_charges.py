"""What a second reader found about charges, so that it stays found: each of these was once false."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from pytest_django.fixtures import Settings

from accounts.models import Restaurant, Role
from events.actors import GUEST
from failures.invariants import offences
from failures.models import Case, CaseKind
from failures.services.facts import CaseRefused
from failures.services.working import dismiss_case, resolve_case
from kernel import clock, crashpoints
from kernel.crashpoints import CrashPoint
from kernel.money import Money
from orders.models import Order
from payments.gateways.contract import (
    Answer,
    CancelAnswer,
    CancelResult,
    ErrorCode,
    LookUpResult,
    Outcome,
    Result,
)
from payments.models import Attempt, AttemptStatus, NextAction, Payment, PaymentStatus
from payments.services import providers
from payments.services.attempts import Sending, begin_attempt
from payments.services.cash import CashTaken, take_cash_against_doubt
from payments.services.evidence import Evidence, Finding, Source
from payments.services.leases import claim_payments
from payments.services.operators import release_from_quarantine
from payments.services.payments import cancel_payment, reserve_share, retry_payment
from payments.services.quarantine import quarantine_payment
from payments.services.refusals import CashRefused
from payments.services.settlement import settle_attempt
from payments.services.sweeps import sweep_payments, sweep_watches
from tests.factories import accepted, draft_for, order_of, paid, staff
from tests.payments.words import DECLINED, INR, TIMED_OUT, UNREACHABLE, news, waiting
from tests.scripted import ScriptedGateway, outcome, provider_of, succeeded
from tests.time_machine import ShiftedClock

FOR_DAYS = 400  # Answers: more than anybody asks for in the days of these tests.


def step(time: ShiftedClock) -> Payment:
    payment = Payment.objects.filter(next_action_at__isnull=False).order_by("next_action_at")[0]
    assert payment.next_action_at is not None
    time.jump_to(max(payment.next_action_at, payment.lease_until or payment.next_action_at))
    sweep_payments(width=1)
    return Payment.objects.get(pk=payment.pk)


def test_two_guests_who_meet_a_revoked_key_at_once(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    sendings = [sending for _ in range(2) if (sending := begin_attempt(payment_id=accepted(order_of(restaurant)).pk))]
    first_has_written = threading.Event()
    errors: list[Exception] = []

    def hold(point: CrashPoint) -> None:
        if point == CrashPoint.SETTLE_BEFORE_COMMIT and not first_has_written.is_set():
            first_has_written.set()
            threading.Event().wait(1.0)

    def settle(sending: Sending) -> None:
        try:
            settle_attempt(
                attempt_id=sending.attempt.pk,
                evidence=Evidence(
                    source=Source.CHARGE,
                    finding=Finding.NOT_SENT,
                    code=ErrorCode.CREDENTIALS_REFUSED,
                    lease_token=sending.lease_token,
                ),
            )
        except Exception as error:  # noqa: BLE001  Whatever it is: there must be none.
            errors.append(error)
        finally:
            connection.close()

    previous = crashpoints.install(hold)
    try:
        one = threading.Thread(target=settle, args=(sendings[0],))
        one.start()
        first_has_written.wait(5)
        two = threading.Thread(target=settle, args=(sendings[1],))
        two.start()
        one.join()
        two.join()
    finally:
        crashpoints.install(previous)

    assert errors == []
    assert set(Attempt.objects.values_list("status", flat=True)) == {AttemptStatus.NOT_SENT}


@pytest.mark.parametrize("answer", [UNREACHABLE, TIMED_OUT])
def test_nothing_is_sent_again_for_a_bill_that_is_covered_meanwhile(
    restaurant: Restaurant, provider_a: ScriptedGateway, provider_b: ScriptedGateway, time: ShiftedClock, answer: Result
) -> None:
    provider_a.charges.extend([DECLINED, answer])
    provider_b.charges.append(answer)
    order = order_of(restaurant)
    failed = Attempt.objects.get(payment=paid(order))
    second = paid(order)
    if answer is TIMED_OUT:
        attempt = Attempt.objects.get(payment=second)
        for _ in range(2):
            time.jump_to(max(attempt.invisible_until, time.now() + timedelta(seconds=3)))
            settle_attempt(attempt_id=attempt.pk, evidence=Evidence(source=Source.LOOK_UP, finding=Finding.NOT_FOUND))
    assert Payment.objects.get(pk=second.pk).next_action == NextAction.RESEND
    sent = provider_a.count("charge") + provider_b.count("charge")
    news(failed)  # The first payment's money arrives late and covers the bill.
    assert Order.objects.get().payment_state == "paid"

    time.advance(seconds=20)
    sweep_payments(width=1)

    assert provider_a.count("charge") + provider_b.count("charge") == sent


def test_a_held_share_that_was_set_aside_is_not_charged_when_it_is_taken_up(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    payment = reserve_share(draft=draft_for(order_of(restaurant)), actor=GUEST)
    quarantine_payment(payment_id=payment.pk)
    time.advance(hours=3)

    release_from_quarantine(payment_id=payment.pk, person=staff(restaurant, Role.FINANCE), reason="Repaired it now.")
    sweep_payments(width=1)

    assert provider_a.count("charge") == 0
    assert Payment.objects.get().status == PaymentStatus.FAILED


@pytest.mark.parametrize("cancel", [CancelAnswer.NO_ANSWER, CancelAnswer.TOO_LATE])
def test_a_guest_whose_time_is_over_and_whom_the_provider_does_not_close_has_a_case(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock, cancel: CancelAnswer
) -> None:
    provider_a.charges.append(outcome(Outcome.PENDING))
    provider_a.cancels.extend([CancelResult(answer=cancel)] * FOR_DAYS)
    provider_a.look_ups.extend([LookUpResult(answer=Answer.PENDING)] * FOR_DAYS)
    payment = paid(order_of(restaurant))
    cancel_payment(payment_id=payment.pk, actor=GUEST)
    until = time.now() + timedelta(days=3)

    while time.now() < until:
        payment = step(time)

    assert payment.status == PaymentStatus.PROCESSING
    assert waiting() != []


def test_a_case_that_is_all_that_holds_a_payment_cannot_be_resolved_away(
    restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    provider_a.charges.append(succeeded(Money(90_000, INR)))
    paid(order_of(restaurant))
    for end in (resolve_case, dismiss_case):
        with pytest.raises(CaseRefused) as refused:
            end(case_id=Case.objects.get().pk, person=staff(restaurant, Role.FINANCE), reason="Looks fine to me.")
        assert refused.value.code == "not_over"

    assert [each.invariant for each in offences(now=clock.now())] == []


def test_an_attempt_that_is_closed_after_long_asking_is_watched_from_the_beginning(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider_a.facts = replace(provider_a.facts, late_money_window=timedelta(hours=20))
    monkeypatch.setitem(providers.PROVIDERS, "a", provider_of(provider_a))
    provider_a.charges.append(DECLINED)
    payment = paid(order_of(restaurant))
    first = Attempt.objects.get()
    retry_payment(payment_id=payment.pk, actor=GUEST)
    provider_a.charges.append(TIMED_OUT)
    sweep_payments(width=1)
    news(first)
    provider_a.cancels.extend([CancelResult(answer=CancelAnswer.NO_ANSWER)] * 5)
    attempt = Attempt.objects.exclude(pk=first.pk).get()
    for _ in range(6):
        attempt = Attempt.objects.get(pk=attempt.pk)
        assert attempt.watch_at
        time.jump_to(attempt.watch_at)
        sweep_watches(width=1)

    attempt = Attempt.objects.get(pk=attempt.pk)
    assert attempt.status == AttemptStatus.NOT_CHARGED
    assert attempt.watch_at is not None  # Twenty hours in which money may still arrive.
    assert attempt.watch_at < time.now() + timedelta(minutes=20)


def test_an_undecided_amount_is_not_asked_about_every_half_minute(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    provider_a.charges.append(succeeded(Money(90_000, INR)))
    paid(order_of(restaurant))
    provider_a.look_ups.extend([LookUpResult(answer=Answer.SUCCEEDED, money=Money(90_000, INR))] * FOR_DAYS)
    news(Attempt.objects.get(), Money(90_001, INR))  # A contradiction: it is asked about once more.
    until = time.now() + timedelta(hours=1)

    while time.now() < until:
        time.advance(seconds=5)
        sweep_payments(width=1)

    assert provider_a.count("look_up") < 15


def test_guests_who_pay_right_now_do_not_stop_the_asking_about_doubts(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock, settings: Settings
) -> None:
    settings.STEWARD_PROVIDER_CONCURRENCY = 3
    provider_a.charges.append(TIMED_OUT)
    paid(order_of(restaurant))
    time.advance(seconds=5)
    for _ in range(3):  # Three requests are at the provider at the moment, as they are every moment of the evening.
        begin_attempt(payment_id=accepted(order_of(restaurant)).pk)

    assert len(claim_payments()) == 1


def test_nobody_is_charged_elsewhere_long_after_the_guest_s_time(
    restaurant: Restaurant,
    provider_a: ScriptedGateway,
    provider_b: ScriptedGateway,
    time: ShiftedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provider_a.facts = replace(provider_a.facts, not_found_is_final=True)
    monkeypatch.setitem(providers.PROVIDERS, "a", provider_of(provider_a))
    provider_a.charges.append(TIMED_OUT)
    payment = paid(order_of(restaurant))
    time.advance(days=2)
    provider_a.look_ups.extend([LookUpResult(answer=Answer.NOT_FOUND)] * 3)
    for _ in range(4):
        payment = Payment.objects.get()
        if payment.next_action:
            step(time)

    assert payment.retry_until is not None
    assert payment.retry_until + timedelta(days=1) < time.now()
    assert provider_b.count("charge") == 0


def test_cash_is_not_taken_while_the_charge_is_being_sent_again(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    provider_a.charges.append(TIMED_OUT)
    payment = paid(order_of(restaurant))
    attempt = Attempt.objects.get()
    for _ in range(2):
        time.jump_to(max(attempt.invisible_until, time.now() + timedelta(seconds=3)))
        settle_attempt(attempt_id=attempt.pk, evidence=Evidence(source=Source.LOOK_UP, finding=Finding.NOT_FOUND))
    waiter = staff(restaurant, Role.WAITER)
    said: list[str] = []

    def cash(point: CrashPoint) -> None:
        if point == CrashPoint.CHARGE_AFTER_COMMIT and not said:
            try:
                take_cash_against_doubt(
                    payment_id=payment.pk, person=waiter, reason="He wants to go.", taken=CashTaken(amount_minor=84_000)
                )
                said.append("taken")
            except CashRefused as refused:
                said.append(refused.code)

    previous = crashpoints.install(cash)
    try:
        sweep_payments(width=1)
    finally:
        crashpoints.install(previous)
    assert said != ["taken"]


def test_a_doubt_that_goes_on_cannot_be_put_away(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    provider_a.charges.append(TIMED_OUT)
    paid(order_of(restaurant))
    time.advance(minutes=16)
    sweep_payments(width=1)

    with pytest.raises(CaseRefused) as refused:
        resolve_case(case_id=Case.objects.get().pk, person=staff(restaurant, Role.FINANCE), reason="Asked by phone.")

    assert refused.value.code == "not_over"
    assert waiting() == [CaseKind.IN_DOUBT]
