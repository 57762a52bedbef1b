"""A worker that was stopped with an answer in its hand: when it wakes, the answer is about a time that is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from accounts.models import Restaurant
from events.actors import GUEST
from kernel import clock, crashpoints
from kernel.crashpoints import CrashPoint
from payments.gateways.contract import Answer, CancelAnswer, CancelResult, LookUpResult, Outcome
from payments.models import Attempt, AttemptStatus, NextAction, Payment, PaymentStatus, Refund
from payments.services import providers
from payments.services.leases import claim_payments
from payments.services.lookups import look_up_payment, watch_attempt
from payments.services.payments import cancel_payment
from payments.services.refund_requests import request_refund
from payments.services.refunds import look_up_refund
from payments.services.sweeps import act_on_payment, sweep_payments, sweep_refunds
from tests.factories import order_of, paid
from tests.payments.words import DECLINED, DUE, TIMED_OUT
from tests.scripted import ScriptedGateway, outcome, provider_of
from tests.time_machine import ShiftedClock

UNPAID = LookUpResult(answer=Answer.PENDING)
PAID = LookUpResult(answer=Answer.SUCCEEDED, money=DUE)
NOT_THERE = LookUpResult(answer=Answer.NOT_FOUND)
CANNOT_BE_CLOSED = CancelResult(answer=CancelAnswer.NOT_POSSIBLE)


@contextmanager
def stopped(meanwhile: Callable[[], object], *, at: CrashPoint = CrashPoint.LOOK_UP_AFTER_ANSWER) -> Iterator[None]:
    """Once, mostly between the answer to a look-up and its settlement."""
    left = [meanwhile]

    def stop(point: CrashPoint) -> None:
        if point == at and left:
            left.pop()()
        elif before is not None:
            before(point)

    before = crashpoints.install(stop)
    try:
        yield
    finally:
        crashpoints.install(before)


@pytest.fixture
def _withdrawn(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    """A payment that waits for its guest, is to be closed, cannot be, and is not paid yet."""
    provider_a.charges.append(outcome(Outcome.PENDING))
    cancel_payment(payment_id=paid(order_of(restaurant)).pk, actor=GUEST)
    provider_a.cancels.append(CANNOT_BE_CLOSED)
    provider_a.look_ups.append(UNPAID)


@pytest.mark.usefixtures("_withdrawn")
def test_an_unpaid_of_ten_minutes_ago_fails_nothing(provider_a: ScriptedGateway, time: ShiftedClock) -> None:
    """The guest paid on the provider's page meanwhile: told "failed", she would pay once more."""
    with stopped(lambda: time.advance(minutes=10)):
        sweep_payments(width=1)

    status = Payment.objects.get().status
    assert (status, Attempt.objects.get().status) == (PaymentStatus.PROCESSING, AttemptStatus.PENDING)
    provider_a.cancels.append(CANNOT_BE_CLOSED)
    provider_a.look_ups.append(PAID)
    sweep_payments(width=1)
    assert Payment.objects.get().status == PaymentStatus.COMPLETED


@pytest.mark.usefixtures("_withdrawn")
def test_an_unpaid_is_no_news_after_it_was_settled_and_slept_over(time: ShiftedClock) -> None:
    with stopped(lambda: time.advance(minutes=10), at=CrashPoint.SETTLE_AFTER_COMMIT):
        act_on_payment(claim_payments(limit=1)[0])

    assert Attempt.objects.get().status == AttemptStatus.PENDING


@pytest.mark.usefixtures("_withdrawn")
def test_an_unpaid_of_somebody_who_lost_the_lease_takes_it_from_nobody(time: ShiftedClock) -> None:
    claims = []

    def somebody_else_takes_it_up() -> None:
        """The answer is not old, but most of the lease went by before anybody asked."""
        time.advance(seconds=21)
        claims.extend(claim_payments(limit=1))

    slow = stopped(lambda: time.advance(seconds=10), at=CrashPoint.CANCEL_AFTER_ANSWER)
    with slow, stopped(somebody_else_takes_it_up):
        sweep_payments(width=1)

    assert Payment.objects.get().is_held_by(claims[0].token)


def test_a_not_found_from_before_a_send_is_none_after_it(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    provider_a.charges.append(TIMED_OUT)
    payment = paid(order_of(restaurant))
    provider_a.look_ups.append(NOT_THERE)
    sent_again = time.now() + timedelta(minutes=5)

    def it_is_sent_again() -> None:
        time.jump_to(sent_again)
        Attempt.objects.update(sends=2, sent_at=sent_again, invisible_until=sent_again)
        time.advance(seconds=5)

    time.advance(minutes=4, seconds=50)
    with stopped(it_is_sent_again):
        look_up_payment(payment_id=payment.pk)

    attempt = Attempt.objects.get()
    assert (attempt.status, attempt.not_found_count) == (AttemptStatus.UNKNOWN, 0)


def test_what_was_asked_while_it_could_not_be_seen_yet_does_not_count_later(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    provider_a.charges.append(TIMED_OUT)
    payment = paid(order_of(restaurant))
    provider_a.look_ups.append(NOT_THERE)
    time.jump_to(Attempt.objects.get().invisible_until - timedelta(seconds=5))

    with stopped(lambda: time.advance(seconds=10)):
        look_up_payment(payment_id=payment.pk)

    assert Attempt.objects.get().not_found_count == 0


def test_that_it_was_paid_is_news_whenever_it_comes(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    provider_a.charges.append(TIMED_OUT)
    payment = paid(order_of(restaurant))
    provider_a.look_ups.append(PAID)

    with stopped(lambda: time.advance(hours=1)):
        look_up_payment(payment_id=payment.pk)

    assert Payment.objects.get().status == PaymentStatus.COMPLETED


def test_a_last_look_that_was_slept_over_is_made_again(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = replace(provider_a.facts, late_money_window=timedelta(hours=1))
    provider_a.facts = facts
    monkeypatch.setitem(providers.PROVIDERS, "a", provider_of(provider_a))
    provider_a.charges.append(DECLINED)
    paid(order_of(restaurant))
    attempt = Attempt.objects.get()
    time.jump_to(attempt.watch_until or clock.now())
    provider_a.look_ups.append(LookUpResult(answer=Answer.DECLINED))

    with stopped(lambda: time.advance(minutes=2)):
        watch_attempt(attempt_id=attempt.pk)

    assert Attempt.objects.get().watch_at is not None


def test_a_refund_s_not_found_is_judged_by_when_it_was_asked(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    payment = paid(order_of(restaurant))
    refund = request_refund(payment_id=payment.pk, reason="cold food", actor=GUEST)
    provider_a.refunds.append(TIMED_OUT)
    sweep_refunds(width=1)
    provider_a.look_ups.append(NOT_THERE)
    time.jump_to((Refund.objects.get().invisible_until or clock.now()) - timedelta(seconds=5))

    with stopped(lambda: time.advance(seconds=10)):
        look_up_refund(refund_id=refund.pk)

    refund = Refund.objects.get()
    assert (refund.not_found_count, refund.next_action) == (0, NextAction.LOOK_UP)
