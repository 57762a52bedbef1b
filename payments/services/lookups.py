"""Asking: a doubt, a guest who is still acting, a closed attempt on which money may still arrive."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from events.actors import SYSTEM, Actor
from kernel import clock
from kernel.crashpoints import CrashPoint, crashpoint
from payments.gateways.contract import CancelAnswer, CancelRequest, LookUpRequest, Subject
from payments.gateways.waits import look_up_patiently
from payments.models import Attempt, AttemptStatus, NextAction, PaymentStatus
from payments.services import timing
from payments.services.evidence import Evidence, Finding, Source, from_cancel, from_look_up
from payments.services.outside import leave_database
from payments.services.providers import gateway_for
from payments.services.settlement import Settled, settle_attempt


def look_up_payment(*, payment_id: UUID) -> None:
    """The live attempt of a payment. A sender whose lease is over counts as dead first."""
    attempt = _live_attempt(payment_id)
    if attempt is None:
        return
    if attempt.status == AttemptStatus.SENT and not _sender_is_dead(attempt):
        return
    if attempt.status == AttemptStatus.SENT:
        settle_attempt(attempt_id=attempt.pk, evidence=_SENDER_DIED)
    look_up_attempt(attempt=attempt)


def look_up_attempt(*, attempt: Attempt, actor: Actor = SYSTEM) -> Settled:
    evidence = _ask(attempt)
    return settle_attempt(attempt_id=attempt.pk, evidence=evidence, actor=actor)


def close_payment(*, payment_id: UUID, lease_token: UUID, actor: Actor = SYSTEM) -> None:
    """Withdrawn or out of time: the provider closes it, or a look-up says what became of it."""
    attempt = _live_attempt(payment_id)
    if attempt is None or attempt.status == AttemptStatus.SENT or not attempt.payment.is_held_by(lease_token):
        return
    close_attempt(attempt=attempt, actor=actor)


def close_attempt(*, attempt: Attempt, actor: Actor = SYSTEM) -> Settled:
    gateway = gateway_for(attempt.account)
    leave_database()
    answer = gateway.cancel(CancelRequest(key=str(attempt.pk), reference=attempt.provider_reference))
    crashpoint(CrashPoint.CANCEL_AFTER_ANSWER)
    if answer.answer == CancelAnswer.CANCELLED:
        return settle_attempt(attempt_id=attempt.pk, evidence=from_cancel(answer), actor=actor)
    evidence = _ask(attempt)
    settled = settle_attempt(attempt_id=attempt.pk, evidence=evidence, actor=actor)
    said_unpaid = evidence.finding == Finding.PENDING
    if answer.answer == CancelAnswer.NOT_POSSIBLE and said_unpaid and _time_is_over(settled):
        return settle_attempt(attempt_id=attempt.pk, evidence=_NOT_PAID, actor=actor)
    return settled


def watch_attempt(*, attempt_id: UUID) -> None:
    """Money may still arrive on a closed attempt; one that another capture outran is closed first."""
    attempt = Attempt.objects.select_related("account", "payment").get(pk=attempt_id)
    if attempt.is_live and attempt.payment.status != PaymentStatus.PROCESSING:
        close_attempt(attempt=attempt)
    else:
        look_up_attempt(attempt=attempt)
    _plan_next_watch(attempt_id)


def _plan_next_watch(attempt_id: UUID) -> None:
    with transaction.atomic():
        attempt = Attempt.objects.select_for_update().get(pk=attempt_id)
        attempt.watches += 1
        following = timing.next_watch(attempt.watches)
        settled = attempt.status in {AttemptStatus.SUCCEEDED, AttemptStatus.LATE_SUCCESS}
        over = attempt.watch_until is None or (following > attempt.watch_until and not attempt.is_live)
        attempt.watch_at = None if settled or over else following
        attempt.save(update_fields=["watches", "watch_at"])


def _ask(attempt: Attempt) -> Evidence:
    gateway = gateway_for(attempt.account)
    request = LookUpRequest(key=str(attempt.pk), subject=Subject.CHARGE, reference=attempt.provider_reference)
    leave_database()
    answer = look_up_patiently(lambda: gateway.look_up(request), deadline=timing.look_up_deadline())
    crashpoint(CrashPoint.LOOK_UP_AFTER_ANSWER)
    return from_look_up(answer)


def _live_attempt(payment_id: UUID) -> Attempt | None:
    attempts = Attempt.objects.select_related("account", "payment").filter(payment=payment_id)
    return next((attempt for attempt in attempts if attempt.is_live), None)


def _sender_is_dead(attempt: Attempt) -> bool:
    """Its lease began with the send; whoever holds the payment's lease now is the one who asks."""
    return clock.now() >= attempt.sent_at + timing.lease()


def _time_is_over(settled: Settled) -> bool:
    """The guest chose another way, or took too long. Only then may an attempt that is still payable be let go."""
    withdrawn = settled.payment.next_action == NextAction.CANCEL
    return withdrawn or clock.now() >= settled.attempt.expires_at or settled.payment.status != PaymentStatus.PROCESSING


_SENDER_DIED = Evidence(
    source=Source.LEASE, finding=Finding.UNKNOWN, message="The sender's lease is over and it told nothing."
)
_NOT_PAID = Evidence(source=Source.LOOK_UP, finding=Finding.NOT_PAID, message="Time is over; a look-up says unpaid.")
