"""What a cancelled order means for its money: open requests are withdrawn, kept money goes back."""

from __future__ import annotations

from events.actors import Actor
from events.models import Event
from events.services import Journal
from orders.services import lock_order
from payments.models import Attempt, Capture, Refund, RefundOrigin, RefundStatus
from payments.services.bill import Bill, lock_bill
from payments.services.mismatches import undecided_in
from payments.services.refund_approvals import OWED_BY_CANCELLING, release_refund
from payments.services.refund_limits import check_how_often, is_above_limit, limit_of
from payments.services.refund_requests import recorded_of, reserve_refund, tip_left_of
from payments.services.refusals import PaymentRefused, RefundRefused
from payments.services.withdrawals import withdraw_locked


def on_order_cancelled(event: Event, actor: Actor) -> None:
    """Runs in the transaction that cancels. An UNKNOWN attempt stays live; its capture will be a surplus."""
    bill = lock_bill(lock_order(event.stream_id))
    journal = Journal(actor)
    for payment in bill.payments:
        withdraw_locked(bill=bill, payment=payment, journal=journal)
    _release_waiting(bill, journal, event, actor)
    for attempt in bill.attempts:
        _check_undecided(bill, attempt, event, actor)
        share, tip = _still_here(attempt)
        if share + tip > 0:
            _check_may(event)
            check_how_often(actor)
            is_above_limit(actor, attempt, share + tip, can_wait=False)
            reserve_refund(
                attempt=attempt,
                amount_minor=share,
                tip_minor=tip,
                origin=RefundOrigin.PERSON,
                reason="The order was cancelled.",
                journal=journal,
            )
            attempt.save(update_fields=["refunding_minor"])
    for payment in bill.payments:
        payment.save()
    journal.write()


def _check_undecided(bill: Bill, attempt: Attempt, event: Event, actor: Actor) -> None:
    """What is not due any more goes back at any height. So whoever cancels must be able to give back what was due."""
    if attempt.capture != Capture.UNDECIDED:
        return
    payment = bill.payment(attempt.payment_id)
    due = undecided_in(bill, payment, attempt, is_being_cancelled=True).due_part
    if not due.minor:
        return
    _check_may(event, of="Money came in for this order")
    limit = limit_of(actor, attempt)
    if limit is not None and limit.is_passed_by(due.minor):
        raise RefundRefused(
            f"Another amount came in for this order, and {due.display()} of it was due: more than you may give back "
            "alone. Decide about that amount first, in its case.",
            code="above_limit",
        )


def _still_here(attempt: Attempt) -> tuple[int, int]:
    """Share and tip of what was kept."""
    if attempt.capture != Capture.KEPT or attempt.refundable_minor <= 0:
        return 0, 0
    tip, (given_share, given_tip) = tip_left_of(attempt), recorded_of(attempt)
    return max(0, attempt.refundable_minor - tip - given_share), max(0, tip - given_tip)


def _release_waiting(bill: Bill, journal: Journal, event: Event, actor: Actor) -> None:
    """What waited for a second person is the guest's now, unless whoever cancels is the one who has to wait."""
    mine = [payment.pk for payment in bill.payments]
    waiting = Refund.objects.select_for_update(of=("self",)).filter(
        payment__in=mine, status=RefundStatus.WAITING_APPROVAL
    )
    for refund in waiting.order_by("id"):
        _check_may(event)
        is_above_limit(actor, bill.attempt(refund.attempt_id), 0, can_wait=False)  # It is counted while it waits.
        refund.payment = bill.payment(refund.payment_id)
        release_refund(bill, refund, journal, reason=OWED_BY_CANCELLING)


def _check_may(event: Event, *, of: str = "This order is paid") -> None:
    if not event.data["may_refund"]:
        raise PaymentRefused(
            f"{of}, and who cancels it gives money back: that needs the right to refund.", code="not_allowed"
        )
