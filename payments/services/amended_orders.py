"""What other lines mean for an order's money: not below what is there, unless the difference goes back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Sum

from events.actors import Actor
from events.models import Event
from events.services import Journal
from orders.services import lock_order, set_payment_state
from payments.models import Attempt, Refund, RefundOrigin, RefundStatus
from payments.services.bill import Bill, lock_bill
from payments.services.refund_limits import check_how_often, is_above_limit
from payments.services.refund_requests import reserve_refund, share_given_back, tip_left_of
from payments.services.refusals import PaymentRefused


@dataclass(frozen=True, slots=True)
class _Part:
    """Of one attempt: so much pays for nothing any more, and so much of that has still to go back."""

    attempt: Attempt
    freed_minor: int
    owed_minor: int
    made_due_minor: int  # That, and what waits for a second person, who is not needed any more.


def on_order_amended(event: Event, actor: Actor) -> None:
    """Runs in the transaction that amends; a refusal takes the amendment with it."""
    bill = lock_bill(lock_order(event.stream_id))
    journal = Journal(actor)
    parts = list(_parts(bill))
    _check(bill, sum(part.made_due_minor for part in parts), may_refund=event.data["refund_surplus"])
    if any(part.owed_minor for part in parts):
        check_how_often(actor)
    for part in parts:
        if part.made_due_minor:
            is_above_limit(actor, part.attempt, part.owed_minor, can_wait=False)  # What waits is counted as it is.
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
            owed = attempt.reopened_minor + freed - share_given_back(attempt)
            most = min(freed, attempt.refundable_minor - tip_left_of(attempt))
            owed = max(0, min(owed, most))
            yield _Part(attempt, freed, owed, owed + min(freed, _waiting(attempt)))


def _waiting(attempt: Attempt) -> int:
    """For a second person: a smaller bill makes it the guest's, and nobody has to agree any more."""
    mine = Refund.objects.filter(attempt=attempt, status=RefundStatus.WAITING_APPROVAL)
    return mine.aggregate(sum=Sum("amount_minor"))["sum"] or 0


def _check(bill: Bill, made_due: int, *, may_refund: bool) -> None:
    if bill.free_minor < 0 and any(payment.holds_its_share for payment in bill.payments):
        raise PaymentRefused(
            "The new total is below what is paid and being paid right now.", field="lines", code="live_money"
        )
    if made_due and not may_refund:
        raise PaymentRefused(
            f"{bill.shown(made_due)} more than the new total is paid already. Say `refund_surplus` to give it back.",
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
