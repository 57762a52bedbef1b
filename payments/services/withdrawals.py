"""Payments that are not wanted any more: taken back by somebody, or outrun by money that came another way."""

from __future__ import annotations

from events.services import Journal
from kernel import clock
from payments.models import AttemptStatus, NextAction, Payment
from payments.services.bill import Bill
from payments.services.facts import FailureCode, PaymentEvent
from payments.services.failing import fail_payment


def withdraw_locked(
    *, bill: Bill, payment: Payment, journal: Journal, code: FailureCode = FailureCode.CANCELLED
) -> None:
    """For a locked bill. Closing a live attempt needs evidence, not a wish: the wish is remembered until there is."""
    if not payment.holds_its_share:
        return
    live = bill.live_attempt_of(payment)
    if live is None:
        fail_payment(payment=payment, code=code, reason="Withdrawn before a charge.", journal=journal)
        return
    is_being_closed = payment.close_wanted and payment.next_action == NextAction.CANCEL
    if not payment.close_wanted:
        payment.close_wanted = True
        journal.note(payment, step="withdraw", reason="Not wanted any more, and sent already.")
        journal.happened(PaymentEvent.WITHDRAWN, payment, attempt=str(live.pk))
    if live.status == AttemptStatus.PENDING and not is_being_closed:
        payment.plan(NextAction.CANCEL, clock.now())
    elif live.status == AttemptStatus.UNKNOWN and not live.mismatch and not payment.is_leased:
        payment.plan(NextAction.LOOK_UP, clock.now())


def withdraw_what_does_not_fit(*, bill: Bill, journal: Journal) -> None:
    """Late money covered a share that another guest was about to pay: nobody is asked to pay it twice.

    The newest first, as far as it takes. What is charged there all the same is a surplus.
    """
    for payment in reversed(bill.payments):
        if bill.wanted_minor > max(0, bill.due_minor) and payment.is_wanted:
            withdraw_locked(bill=bill, payment=payment, journal=journal, code=FailureCode.NOT_DUE)
            payment.save()
