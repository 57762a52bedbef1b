"""Sabotages of what captured and returned money means: kept, surplus, reserved, owed."""

from __future__ import annotations

from contextlib import ExitStack
from unittest import mock

from payments.models import Attempt, RefundStatus
from payments.services import captures, forcing, operators, refund_requests, refund_settlement, settlement
from payments.services.bill import Bill
from payments.services.evidence import Finding
from payments.services.refund_settlement import SettlingRefund
from payments.services.settling import Settling
from tests.sim.mutants.answers import handle
from tests.sim.mutants.registry import instead, mutant

# Where the database itself refuses what the mistake would write.
ONE_KEPT = "IntegrityError one_kept_attempt_per_payment"
KEPT_WITHIN_ORDER = "IntegrityError kept_within_order"
REFUND_ABOVE_CAPTURED = "IntegrityError attempt_never_refunds_above_captured"


@mutant("mixed", breaks=["I3"])
def a_surplus_is_kept_in_silence(stack: ExitStack) -> None:
    instead(stack, captures, "return_surplus", lambda s: None)


@mutant("providers", breaks=["I1", "I3", ONE_KEPT, KEPT_WITHIN_ORDER])
def every_capture_is_kept(stack: ExitStack) -> None:
    instead(stack, captures, "_is_due", lambda s: True)


@mutant("providers", breaks=["I1", ONE_KEPT])
def a_share_is_kept_twice_while_its_bill_has_room(stack: ExitStack) -> None:
    """Late money of one attempt, beside what the guest paid by another since."""
    real = captures._is_due

    def is_due(s: Settling) -> bool:
        with mock.patch.object(Bill, "has_kept", return_value=False):
            return real(s)

    instead(stack, captures, "_is_due", is_due)


@mutant("providers", breaks=["I6", KEPT_WITHIN_ORDER])
def another_amount_is_what_was_asked(stack: ExitStack) -> None:
    instead(stack, captures, "hold_mismatch", captures.capture)


@mutant("calm", breaks=["I7"])
def what_the_provider_gave_back_is_not_counted(stack: ExitStack) -> None:
    instead(stack, settlement, "record_provider_refunds", lambda s: None)
    instead(stack, captures, "record_provider_refunds", lambda s: None)


@mutant("providers", breaks=["I4", KEPT_WITHIN_ORDER])
def a_difference_is_kept_and_given_back(stack: ExitStack) -> None:
    """Finance chose to give back what was too much, and the books say that all of it was kept."""
    real = operators._give_back_difference

    def give_back(s: Settling, attempt: Attempt, reason: str) -> None:
        real(s, attempt, reason)
        attempt.excess_minor = attempt.reopened_minor = attempt.refunding_minor = 0

    instead(stack, operators, "_give_back_difference", give_back)


@mutant("providers", breaks=["I16"])
def what_one_person_saw_is_enough(stack: ExitStack) -> None:
    """It is recorded without asking whether a second one agreed."""
    instead(stack, forcing, "use_approval", lambda **_: None)


@mutant("calm", breaks=["I4", REFUND_ABOVE_CAPTURED])
def refunds_are_not_checked_against_what_is_left(stack: ExitStack) -> None:
    instead(stack, refund_requests, "check_refund", lambda *words: None)


@mutant("providers", breaks=["I5"])
def a_refund_s_time_out_is_a_failure(stack: ExitStack) -> None:
    handle(stack, refund_settlement, {Finding.UNKNOWN: refund_settlement._HANDLERS[Finding.DECLINED]})


@mutant("refunds", breaks=["I5"])
def a_refund_that_is_not_found_was_not_made(stack: ExitStack) -> None:
    handle(stack, refund_settlement, {Finding.NOT_FOUND: refund_settlement._HANDLERS[Finding.DECLINED]})


@mutant("refunds", breaks=["I7"])
def a_refund_that_the_bank_returned_in_silence(stack: ExitStack) -> None:
    """Nobody looks again at a refund that was made."""
    instead(stack, refund_settlement, "plan_last_look", lambda attempt, refund: None)


@mutant("mixed", breaks=["I4", REFUND_ABOVE_CAPTURED])
def a_reservation_is_freed_twice(stack: ExitStack) -> None:
    real = SettlingRefund.free_reservation

    def free(self: SettlingRefund) -> None:
        real(self)
        if self.attempt.refunding_minor >= self.refund.total_minor:
            real(self)

    instead(stack, SettlingRefund, "free_reservation", free)


@mutant("mixed", breaks=["I4"])
def a_refund_counts_each_time_it_is_confirmed(stack: ExitStack) -> None:
    real = refund_settlement._HANDLERS[Finding.SUCCEEDED]

    def succeeded(s: SettlingRefund) -> None:
        if s.refund.status == RefundStatus.COMPLETED and s.attempt.refundable_minor >= s.refund.total_minor:
            s.attempt.refunded_minor += s.refund.total_minor
        real(s)

    handle(stack, refund_settlement, {Finding.SUCCEEDED: succeeded})


@mutant("providers", breaks=["I7"])
def a_bounced_refund_stays_made(stack: ExitStack) -> None:
    """The bank sent it back, and nobody listened."""
    real = refund_settlement._HANDLERS[Finding.DECLINED]

    def declined(s: SettlingRefund) -> None:
        if s.refund.status == RefundStatus.COMPLETED:
            refund_settlement._stop_asking(s)
        else:
            real(s)

    handle(stack, refund_settlement, {Finding.DECLINED: declined})
