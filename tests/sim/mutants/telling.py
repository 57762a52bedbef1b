"""Sabotages of what people and other systems are told: cases, events, notices."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from events.services import Journal
from kernel import clock
from payments.models import InboundNotice, NextAction
from payments.models.refund import PROLONGED
from payments.services import closings, notices, refund_settlement, settlement, timing
from payments.services.facts import PaymentEvent
from payments.services.notices import Received
from payments.services.refund_settlement import SettlingRefund
from payments.services.settling import PROLONGED_DOUBT, Settling
from payments.views import webhooks as views
from tests.sim.mutants.registry import instead, mutant

# A charge that was made is seldom in doubt for a quarter of an hour: who asks no more after that asks no more at once.
AT_ONCE = timedelta(0)


def _silence(stack: ExitStack, *silenced: StrEnum) -> None:
    real = Journal.happened

    def happened(self: Journal, event_type: StrEnum, stream: Any, **data: Any) -> None:
        if event_type not in silenced:
            real(self, event_type, stream, **data)

    instead(stack, Journal, "happened", happened)


@mutant("providers", breaks=["I10"])
def nobody_is_told_of_a_doubt_that_goes_on(stack: ExitStack) -> None:
    instead(stack, closings, "tell_prolonged_doubt", lambda s: None)


@mutant("storm", breaks=["I10"])
def a_charge_is_asked_about_until_somebody_was_told(stack: ExitStack) -> None:
    """A human has a case now; that the provider could answer tomorrow is theirs to find out."""
    real = settlement._plan_look_up

    def plan(s: Settling, **words: Any) -> None:
        real(s, **words)
        if s.attempt.was_told(PROLONGED_DOUBT) and s.owns_the_clock and not s.somebody_is_asking:
            s.payment.plan(NextAction.NONE)

    instead(stack, settlement, "_plan_look_up", plan)
    instead(stack, timing, "DOUBT_BOUND", AT_ONCE)


@mutant("refunds", breaks=["I10"])
def a_refund_is_asked_about_until_somebody_was_told(stack: ExitStack) -> None:
    real = refund_settlement._tell_prolonged

    def tell(s: SettlingRefund) -> None:
        real(s)
        refund = s.refund
        if refund.was_told(PROLONGED) and refund.next_action == NextAction.LOOK_UP and not refund.is_leased:
            refund.plan(NextAction.NONE)

    instead(stack, refund_settlement, "_tell_prolonged", tell)


@mutant("providers", breaks=["I3"])
def nobody_is_told_of_a_surplus(stack: ExitStack) -> None:
    _silence(stack, PaymentEvent.SURPLUS_CAPTURED)


@mutant("providers", breaks=["I6"])
def nobody_is_told_of_another_amount(stack: ExitStack) -> None:
    _silence(stack, PaymentEvent.AMOUNT_MISMATCHED)


@mutant("calm", breaks=["I13"])
def a_change_without_its_event(stack: ExitStack) -> None:
    """Its number was taken, and then it was not worth a row."""
    real = Journal.write

    def write(self: Journal) -> None:
        self._events = [event for event in self._events if event.type != PaymentEvent.COMPLETED]
        real(self)

    instead(stack, Journal, "write", write)


@mutant("calm", breaks=["I14"])
def a_notice_is_acknowledged_before_it_is_stored(stack: ExitStack) -> None:
    """The provider hears 200 and never sends it again; the row was to be written a moment later."""

    def receive(**words: Any) -> Received:
        return Received(notice_id=clock.new_id(), is_new=True)

    def apply(*, notice_id: UUID, actor: Any = None) -> None:
        """It was lost with the process."""

    instead(stack, views, "receive_notice", receive)
    instead(stack, views, "apply_notice", apply)


@mutant("mail", breaks=["I14"])
def a_notice_of_something_unknown_is_dropped(stack: ExitStack) -> None:
    """It was ahead of our own commit, or somebody ought to have seen it."""

    def park(notice_id: UUID) -> None:
        InboundNotice.objects.filter(pk=notice_id).update(next_action_at=None)

    instead(stack, notices, "_park", park)
