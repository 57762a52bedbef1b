"""What needs two people, done by two: the one asks, the other agrees, with no case around it."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from accounts.models import Approval, Role, User
from accounts.services.approvals import approve
from kernel import clock
from payments.models import Payment, Refund
from payments.services.bill import lock_bill_of_payment
from payments.services.deeds import PaymentDeed
from payments.services.forcing import ask_to_record_charge, ask_to_record_refund, record_sighting
from payments.services.given_back import ask_to_record_given_back
from payments.services.given_back import record_given_back as of_given_back
from tests.factories import staff

SAW_IT = "I saw it on their pages."
GAVE_IT = "In cash at the counter, against a signed slip."


def record_charged(
    *, payment_id: UUID, captured_minor: int, person: User, reason: str = SAW_IT, checker: User | None = None
) -> Payment:
    return _of_charge(PaymentDeed.RECORD_CHARGED, payment_id, person, reason, checker, captured_minor=captured_minor)


def record_not_charged(*, payment_id: UUID, person: User, reason: str = SAW_IT, checker: User | None = None) -> Payment:
    return _of_charge(PaymentDeed.RECORD_NOT_CHARGED, payment_id, person, reason, checker)


def record_refund_made(*, refund_id: UUID, person: User, reason: str = SAW_IT, checker: User | None = None) -> Refund:
    return _of_refund(PaymentDeed.RECORD_REFUND_MADE, refund_id, person, reason, checker)


def record_refund_not_made(
    *, refund_id: UUID, person: User, reason: str = SAW_IT, checker: User | None = None
) -> Refund:
    return _of_refund(PaymentDeed.RECORD_REFUND_NOT_MADE, refund_id, person, reason, checker)


def record_given_back(
    *, payment_id: UUID, subject_id: UUID, person: User, reason: str = GAVE_IT, checker: User | None = None
) -> Refund:
    """Of a refund that failed, or of an attempt whose money was not due."""
    with transaction.atomic():
        approval = ask_to_record_given_back(
            payment_id=payment_id, subject_id=subject_id, person=person, reason=reason, asked_from=clock.new_id()
        )
        agreed_to(approval, checker)
    return Refund.objects.get(pk=approval.subject_id)


def agreed_to(approval: Approval, checker: User | None = None) -> None:
    """Of a new lead, where nobody else is named."""
    checker = checker or staff(approval.restaurant, Role.FINANCE_LEAD)
    record = of_given_back if approval.action == PaymentDeed.RECORD_GIVEN_BACK else record_sighting
    with transaction.atomic():
        lock_bill_of_payment(UUID(approval.data["payment"]))
        approve(approval_id=approval.pk, checker=checker)
        record(approval_id=approval.pk, person=checker)


def _of_charge(
    deed: PaymentDeed, payment_id: UUID, person: User, reason: str, checker: User | None, **said: int
) -> Payment:
    with transaction.atomic():
        asked_from = clock.new_id()
        approval = ask_to_record_charge(
            payment_id=payment_id,
            deed=deed,
            person=person,
            reason=reason,
            asked_from=asked_from,
            means_amount=True,
            **said,
        )
        agreed_to(approval, checker)
    return Payment.objects.get(pk=payment_id)


def _of_refund(deed: PaymentDeed, refund_id: UUID, person: User, reason: str, checker: User | None) -> Refund:
    with transaction.atomic():
        approval = ask_to_record_refund(
            refund_id=refund_id, deed=deed, person=person, reason=reason, asked_from=clock.new_id()
        )
        agreed_to(approval, checker)
    return Refund.objects.get(pk=refund_id)
