"""Poison: a row that broke its workers again and again is set aside for a human, and the others go on."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from events.actors import SYSTEM
from events.services import Journal
from payments.models import InboundNotice, NextAction, NoticeState, Refund
from payments.services import timing
from payments.services.bill import lock_bill_of_attempt, lock_bill_of_payment
from payments.services.facts import PaymentEvent, RefundEvent


def quarantine_payment(*, payment_id: UUID, lease_token: UUID | None = None) -> None:
    with transaction.atomic():
        payment = lock_bill_of_payment(payment_id).payment(payment_id)
        if not payment.may_be_taken_by(lease_token):
            return
        payment.plan(NextAction.NONE)
        journal = Journal(SYSTEM)
        journal.happened(PaymentEvent.QUARANTINED, payment, claims=payment.claims)
        payment.save()
        journal.write()


def quarantine_refund(*, refund_id: UUID, lease_token: UUID | None = None) -> None:
    payment_id = Refund.objects.values_list("payment_id", flat=True).get(pk=refund_id)
    with transaction.atomic():
        payment = lock_bill_of_payment(payment_id).payment(payment_id)
        refund = Refund.objects.select_for_update().get(pk=refund_id)
        if not refund.may_be_taken_by(lease_token):
            return
        refund.plan(NextAction.NONE)
        journal = Journal(SYSTEM)
        journal.happened(RefundEvent.QUARANTINED, payment, refund=str(refund_id), claims=refund.claims)
        refund.save()
        payment.save(update_fields=["version"])
        journal.write()


def quarantine_watch(*, attempt_id: UUID) -> None:
    """Its payment goes on; only nobody asks about this attempt any more until a human says so."""
    with transaction.atomic():
        attempt = lock_bill_of_attempt(attempt_id).attempt(attempt_id)
        if attempt.watch_claims <= timing.MAX_CLAIMS:
            return
        attempt.watch_at = None
        journal = Journal(SYSTEM)
        journal.happened(
            PaymentEvent.QUARANTINED, attempt.payment, attempt=str(attempt_id), claims=attempt.watch_claims
        )
        attempt.save(update_fields=["watch_at"])
        attempt.payment.save(update_fields=["version"])
        journal.write()


def quarantine_notice(*, notice_id: UUID) -> None:
    with transaction.atomic():
        notice = InboundNotice.objects.select_for_update().get(pk=notice_id)
        if notice.claims <= timing.MAX_CLAIMS or notice.next_action_at is None:
            return
        notice.state = NoticeState.QUARANTINED
        notice.next_action_at = None
        journal = Journal(SYSTEM)
        journal.happened(PaymentEvent.NOTICE_QUARANTINED, notice, event_id=notice.event_id, claims=notice.claims)
        notice.save(update_fields=["state", "next_action_at", "version"])
        journal.write()
