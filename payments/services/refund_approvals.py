"""A refund above its maker's limit: reserved and not sent until a second person agrees."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db import transaction

from accounts.models import Approval, User
from accounts.services.approvals import use_approval
from events.actors import Actor
from events.services import Journal
from kernel import clock
from kernel.money import Money
from orders.models import OrderStatus
from payments.models import Attempt, NextAction, Refund, RefundOrigin, RefundStatus
from payments.services.bill import Bill, lock_bill_of_payment
from payments.services.deeds import PaymentDeed
from payments.services.facts import RefundEvent
from payments.services.providers import facts_of
from payments.services.refund_requests import reserve_refund, share_given_back
from payments.services.refusals import RefundRefused

# In what is asked for: how much else of the payment goes back, as the maker saw it.
BESIDES = "besides_minor"
# Why one is sent that nobody agreed to.
OWED_BY_NOW = "It is the guest's by now."
OWED_BY_CANCELLING = "The order was cancelled."


def approve_refund(*, approval_id: UUID, person: User) -> None:
    """In the transaction in which the second person agrees."""
    actor = Actor.user(person)
    with transaction.atomic():
        refund_id = Approval.objects.values_list("subject_id", flat=True).get(pk=approval_id)
        bill, refund = locked_refund(refund_id)
        asked = use_approval(
            approval_id=approval_id, action=PaymentDeed.REQUEST_REFUND.value, subject_id=refund_id, actor=actor
        )
        if refund.status != RefundStatus.WAITING_APPROVAL:
            raise RefundRefused(f"This refund is {refund.status} already.", code="not_open")
        _check_that_no_more_went_back(bill, refund, asked)
        journal = Journal(actor)
        release_refund(bill, refund, journal, reason="A second person agreed.")
        refund.payment.save(update_fields=["version"])
        journal.write()


def turn_down_refund(*, refund_id: UUID, actor: Actor, reason: str) -> None:
    """Nobody agreed: the reservation is freed. As much of it as is the guest's by now is sent, whoever says no."""
    with transaction.atomic():
        bill, refund = locked_refund(refund_id)
        if refund.status != RefundStatus.WAITING_APPROVAL:
            return
        journal = Journal(actor)
        owed = _owed_of(bill, refund)
        if owed == refund.total_minor:
            release_refund(bill, refund, journal, reason=OWED_BY_NOW)
        else:
            _turn_down(refund, journal, reason)
            _send_what_is_owed(refund.attempt, owed, journal)
        refund.payment.save(update_fields=["version"])
        journal.write()


def release_refund(bill: Bill, refund: Refund, journal: Journal, *, reason: str) -> None:
    """Of a locked refund; the caller saves the payment and writes the journal."""
    journal.move(refund, refund.release, reason=reason)
    words = {"refund": str(refund.pk), "attempt": str(refund.attempt_id)}
    again_of = {"again_of": str(refund.again_of_id)} if refund.again_of_id else {}
    journal.happened(RefundEvent.RELEASED, refund.payment, **words, **again_of)
    if facts_of(bill.attempt(refund.attempt_id).account).is_manual:
        journal.happened(RefundEvent.HAND_OVER_NEEDED, refund.payment, **words)
    else:
        refund.plan(NextAction.BEGIN, clock.now())
    refund.save()


def locked_refund(refund_id: UUID) -> tuple[Bill, Refund]:
    payment_id = Refund.objects.values_list("payment_id", flat=True).get(pk=refund_id)
    bill = lock_bill_of_payment(payment_id)
    refund = Refund.objects.select_for_update(of=("self",)).get(pk=refund_id)
    refund.payment = bill.payment(payment_id)
    refund.attempt = bill.attempt(refund.attempt_id)
    return bill, refund


def goes_back_besides(total_minor: int, attempts: Iterable[Attempt]) -> int:
    """Of one payment's attempts, by whomever and for whatever reason: made or under way."""
    return sum(each.refunded_minor + each.refunding_minor for each in attempts) - total_minor


def _check_that_no_more_went_back(bill: Bill, refund: Refund, asked: Approval) -> None:
    """A chargeback, say: two people agreed to what they both saw, and the guest has some of it by now."""
    seen = asked.data.get(BESIDES)
    besides = goes_back_besides(refund.total_minor, bill.attempts_of(refund.payment))
    if seen is not None and besides > seen:
        more = Money(besides - seen, refund.currency).display()
        raise RefundRefused(
            f"Since this was asked for, {more} more of this payment went back, or is to go back. "
            "Reject it; it can be asked for again.",
            code="stale",
        )


def _owed_of(bill: Bill, refund: Refund) -> int:
    """Without it we would keep what is the guest's: all of a cancelled order's, and by so much as a bill became
    smaller what no other refund gives back. A tip never: no bill has it.
    """
    if bill.order.status == OrderStatus.CANCELLED:
        return refund.total_minor
    attempt: Attempt = refund.attempt
    by_others = share_given_back(attempt) - (0 if refund.reopens_order else refund.amount_minor)
    return max(0, min(refund.amount_minor, attempt.reopened_minor - by_others))


def _turn_down(refund: Refund, journal: Journal, reason: str) -> None:
    attempt = refund.attempt
    attempt.refunding_minor -= refund.total_minor
    attempt.save(update_fields=["refunding_minor"])
    refund.error_code = "not_approved"
    journal.move(refund, refund.turn_down, reason=reason)
    journal.happened(RefundEvent.TURNED_DOWN, refund.payment, refund=str(refund.pk), attempt=str(attempt.pk))
    refund.save()


def _send_what_is_owed(attempt: Attempt, owed_minor: int, journal: Journal) -> None:
    """The rest of what was asked for is not the guest's."""
    if not owed_minor:
        return
    reserve_refund(
        attempt=attempt,
        amount_minor=owed_minor,
        tip_minor=0,
        origin=RefundOrigin.PERSON,
        reason="The order was amended.",
        journal=journal,
    )
    attempt.save(update_fields=["refunding_minor"])
