"""A human is told a bound after something began to be open, whatever is planned beyond it."""

from __future__ import annotations

import pytest

from accounts.models import Restaurant
from events.actors import GUEST
from failures.models import CaseKind
from payments.gateways.contract import Answer, CancelAnswer, CancelResult, LookUpResult, Outcome
from payments.models import Attempt, Payment, Refund
from payments.services import timing
from payments.services.refund_requests import request_refund
from payments.services.sweeps import sweep_payments, sweep_refunds
from tests.factories import order_of, paid
from tests.payments.words import TIMED_OUT, waiting
from tests.scripted import ScriptedGateway, outcome
from tests.time_machine import ShiftedClock

LEFT_ALONE = LookUpResult(answer=Answer.NO_ANSWER, retry_after_seconds=300)


@pytest.fixture
def refund(restaurant: Restaurant) -> Refund:
    return request_refund(payment_id=paid(order_of(restaurant)).pk, reason="cold food", actor=GUEST)


def test_a_refund_is_a_human_s_at_its_bound_whenever_the_doubt_began(
    refund: Refund, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    """The bank took its time, and then nobody answered: the guest has waited since she asked."""
    bound = refund.created_at + timing.DOUBT_BOUND
    provider_a.refunds.append(outcome(Outcome.PENDING))
    provider_a.look_ups.extend([LookUpResult(answer=Answer.PENDING)] * 3)

    while time.now() < bound:
        assert waiting() == []
        next_action_at = Refund.objects.get().next_action_at
        assert next_action_at is not None
        assert next_action_at <= bound
        time.jump_to(next_action_at)
        sweep_refunds(width=1)

    assert waiting() == [CaseKind.REFUND_IN_DOUBT]


@pytest.mark.usefixtures("refund")
def test_a_provider_that_wants_to_be_left_alone_postpones_no_bound(
    provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    provider_a.refunds.append(TIMED_OUT)
    sweep_refunds(width=1)
    time.advance(minutes=13)
    provider_a.look_ups.extend([LEFT_ALONE] * 2)

    sweep_refunds(width=1)  # Nobody asks again before the bound is over.

    assert waiting() == [CaseKind.REFUND_IN_DOUBT]


def test_nor_does_it_for_a_charge(restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock) -> None:
    provider_a.charges.append(TIMED_OUT)
    paid(order_of(restaurant))
    time.advance(minutes=13)
    provider_a.look_ups.extend([LEFT_ALONE] * 2)

    sweep_payments(width=1)

    assert waiting() == [CaseKind.IN_DOUBT]


def test_a_guest_s_time_that_is_over_is_a_human_s_at_its_bound(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    """It can neither be closed nor be seen: an hour between two looks would be an hour in which nobody knows."""
    provider_a.charges.append(outcome(Outcome.PENDING))
    paid(order_of(restaurant))
    Attempt.objects.update(look_ups=20)
    expires = Attempt.objects.get().expires_at
    time.jump_to(expires)
    provider_a.cancels.append(CancelResult(answer=CancelAnswer.NO_ANSWER))

    sweep_payments(width=1)

    next_action_at = Payment.objects.get().next_action_at
    assert next_action_at is not None
    assert next_action_at <= expires + timing.DOUBT_BOUND
