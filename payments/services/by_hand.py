"""What every decision of a named person about money shares: who may, why, and about which attempt."""

from __future__ import annotations

from uuid import UUID

from accounts.models import OFFICE, User
from accounts.services.people import works_as
from events.actors import Actor
from events.services import Journal
from kernel import clock
from kernel.texts import check_reason
from payments.services.bill import Bill
from payments.services.evidence import Evidence
from payments.services.providers import facts_of
from payments.services.refusals import PaymentRefused
from payments.services.settling import Settling


def check_finance(restaurant_id: UUID, person: User, reason: str) -> None:
    if not works_as(person, OFFICE, restaurant_id=restaurant_id):
        raise PaymentRefused("Only finance staff of this restaurant may decide this.", code="not_finance_here")
    check_reason(reason, refusal=PaymentRefused)


def settling_by_hand(bill: Bill, payment_id: UUID, evidence: Evidence, actor: Actor) -> Settling:
    """Of the attempt that may still hold money."""
    payment = bill.payment(payment_id)
    attempt = bill.live_attempt_of(payment)
    if attempt is None:
        raise PaymentRefused(f"Payment {payment.reference} is {payment.status}: nothing is open.", code="not_open")
    return Settling(
        bill=bill,
        payment=payment,
        attempt=attempt,
        evidence=evidence,
        facts=facts_of(attempt.account),
        journal=Journal(actor),
        now=clock.now(),
    )
