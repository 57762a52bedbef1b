"""The last look at a closed attempt has to be answered, or a human knows that nobody knows."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from accounts.models import Restaurant, Role
from failures.models import CaseKind
from kernel import clock
from payments.gateways.contract import Answer, LookUpResult
from payments.models import Attempt
from payments.services import timing
from payments.services.cash import CashTaken, take_cash_against_doubt
from payments.services.sweeps import sweep_watches
from tests.factories import order_of, paid, staff
from tests.payments.words import DECLINED, DUE, TIMED_OUT, waiting
from tests.scripted import ScriptedGateway
from tests.time_machine import ShiftedClock

ANSWERED = LookUpResult(answer=Answer.NOT_FOUND)


@pytest.fixture
def released(restaurant: Restaurant, provider_a: ScriptedGateway) -> Attempt:
    """The card was in doubt, a waiter took cash: whether the card was charged all the same is still asked."""
    provider_a.charges.append(TIMED_OUT)
    payment = paid(order_of(restaurant))
    attempt = Attempt.objects.get()
    taken = CashTaken(amount_minor=DUE.minor)
    waiter = staff(restaurant, Role.WAITER)
    take_cash_against_doubt(payment_id=payment.pk, person=waiter, reason="In a hurry.", taken=taken)
    return attempt


def watch(time: ShiftedClock, attempt: Attempt, until: datetime) -> None:
    while (at := Attempt.objects.get(pk=attempt.pk).watch_at) is not None and at <= until:
        time.jump_to(at)
        sweep_watches(width=1)


def test_whoever_never_answers_is_asked_beyond_the_window_and_a_human_is_told(
    released: Attempt, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    end = Attempt.objects.get(pk=released.pk).watch_until or clock.now()
    watch(time, released, end)
    assert waiting() == []

    watch(time, released, end + timing.DOUBT_BOUND)
    assert waiting() == [CaseKind.CONTRADICTION]

    watch(time, released, end + timedelta(days=30))
    provider_a.look_ups.append(LookUpResult(answer=Answer.SUCCEEDED, money=DUE))
    watch(time, released, end + timedelta(days=33))
    assert Attempt.objects.get(pk=released.pk).captured_minor == DUE.minor  # Found after all, and it goes back.
    assert CaseKind.SURPLUS in waiting()


def test_where_the_provider_itself_said_no_nobody_is_asked_for_ever(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    provider_a.charges.append(DECLINED)
    paid(order_of(restaurant))
    attempt = Attempt.objects.get()
    end = attempt.watch_until or clock.now()

    watch(time, attempt, end + timing.DOUBT_BOUND)

    assert Attempt.objects.get().watch_at is None
    assert waiting() == []


def test_one_look_that_fails_at_the_end_is_made_once_more_and_troubles_nobody(
    released: Attempt, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    end = Attempt.objects.get(pk=released.pk).watch_until or clock.now()
    watch(time, released, end)
    provider_a.look_ups.append(ANSWERED)

    watch(time, released, end + timing.DOUBT_BOUND)

    assert Attempt.objects.get(pk=released.pk).watch_at is None
    assert waiting() == []
