"""What other lines mean for an order's money: not below what is there, unless the difference goes back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Q, Sum

from events.actors import Actor
from events.models import Event
from events.services import Journal
from orders.services import lock_order, set_payment_state
from payments.models import Attempt, Refund, RefundOrigin, RefundStatus
from payments.models.refund import RESERVING
from payments.services.bill import Bill, lock_bill
from payments.services.refund_limits import check_how_often, is_above_limit
from payments.services.refund_requests import reserve_refund, tip_left_of
from payments.services.refusals import PaymentRefused


@dataclass(frozen=True, slots=True)
class _Part:
    """Of one attempt: so much pays for nothing any more, and so much of that has still to go back."""

    attempt: Attempt
    freed_minor: int
    owed_minor: int


def on_order_amended(event: Event, actor: Actor) -> None:
    """Runs in the transaction that amends; a refusal takes the amendment with it."""
    bill = lock_bill(lock_order(event.stream_id))
    journal = Journal(actor)
    parts = list(_parts(bill))
    owed = sum(part.owed_minor for part in parts)
    _check(bill, owed, may_refund=event.data["refund_surplus"])
    if owed:
        check_how_often(actor)
    for part in parts:
        if made_due := part.owed_minor + min(part.freed_minor, _waiting(part.attempt)):
            is_above_limit(actor, part.attempt, made_due, can_wait=False)
        _give_back(part, journal)
    order = bill.order
    if set_payment_state(order=order, state=bill.payment_state, journal=journal, money_came=False):
        order.save(update_fields=["payment_state", "version"])
    journal.write()


def _parts(bill: Bill) -> Iterator[_Part]:
    """The newest first."""
    surplus = -bill.due_minor
    for attempt in reversed(bill.attempts):
        freed = min(surplus, attempt.kept_share_minor)
        if freed > 0:
            surplus -= freed
            # What went back already, out of kindness too, is not owed once more.
            owed = attempt.reopened_minor + freed - _share_given_back(attempt)
            most = min(freed, attempt.refundable_minor - tip_left_of(attempt))
            yield _Part(attempt, freed, max(0, min(owed, most)))


def _waiting(attempt: Attempt) -> int:
    """For a second person: a smaller bill makes it the guest's, and nobody has to agree any more."""
    mine = Refund.objects.filter(attempt=attempt, status=RefundStatus.WAITING_APPROVAL)
    return mine.aggregate(sum=Sum("amount_minor"))["sum"] or 0


def _share_given_back(attempt: Attempt) -> int:
    """Made or under way, without tips. What makes the order payable again once it is made is not owed before."""
    under_way = Q(status__in=RESERVING, reopens_order=False)
    mine = Refund.objects.filter(under_way | Q(status=RefundStatus.COMPLETED), attempt=attempt)
    return mine.aggregate(sum=Sum("amount_minor"))["sum"] or 0


def _check(bill: Bill, owed: int, *, may_refund: bool) -> None:
    if bill.free_minor < 0 and any(payment.holds_its_share for payment in bill.payments):
        raise PaymentRefused(
            "The new total is below what is paid and being paid right now.", field="lines", code="live_money"
        )
    if owed and not may_refund:
        raise PaymentRefused(
            f"{owed} more than the new total is paid already. Say `refund_surplus` to give it back.",
            field="lines",
            code="below_paid",
        )


def _give_back(part: _Part, journal: Journal) -> None:
    """It pays for nothing from now on, also where its refund fails: it is the guest's, and a case says so."""
    attempt = part.attempt
    attempt.excess_minor += part.freed_minor
    attempt.reopened_minor += part.freed_minor
    if part.owed_minor:
        reserve_refund(
            attempt=attempt,
            amount_minor=part.owed_minor,
            tip_minor=0,
            origin=RefundOrigin.PERSON,
            reason="The order was amended.",
            journal=journal,
        )
    attempt.save(update_fields=["refunding_minor", "excess_minor", "reopened_minor"])
    attempt.payment.save(update_fields=["version"])
