"""Asking: a doubt, a guest who is still acting, a closed attempt on which money may still arrive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.db import transaction

from events.actors import SYSTEM, Actor
from kernel import clock
from kernel.crashpoints import CrashPoint, crashpoint
from kernel.statements import Statement
from payments.gateways.contract import CancelAnswer, CancelRequest, LookUpRequest, Subject
from payments.gateways.waits import look_up_patiently
from payments.models import Attempt, AttemptStatus, NextAction, Payment, PaymentStatus, ProviderAccount
from payments.models.attempt import CLOSED_UNSURE
from payments.services import timing
from payments.services.evidence import SENDER_DIED, Evidence, Finding, Source, from_cancel, from_look_up
from payments.services.outside import leave_database
from payments.services.providers import gateway_for
from payments.services.returned_refunds import next_last_look
from payments.services.settlement import Settled, settle_attempt


def look_up_payment(*, payment_id: UUID, lease_token: UUID | None = None) -> Evidence | None:
    """The live attempt of a payment. A sender whose lease is over counts as dead first.

    What was said; None where nobody was to be asked.
    """
    attempt = _live_attempt(payment_id)
    if attempt is None:
        return None
    if attempt.status == AttemptStatus.SENT and not _sender_is_dead(attempt):
        return None
    if attempt.status == AttemptStatus.SENT:
        if settle_attempt(attempt_id=attempt.pk, evidence=replace(SENDER_DIED, lease_token=lease_token)).fenced:
            return None  # It was sent again meanwhile, and that sender lives.
        lease_token = None  # What was planned with that ended the lease: from here on anybody may ask.
    evidence = replace(_ask(attempt), lease_token=lease_token)
    settle_attempt(attempt_id=attempt.pk, evidence=evidence)
    return evidence


def close_payment(*, payment_id: UUID, lease_token: UUID, actor: Actor = SYSTEM) -> None:
    """Withdrawn or out of time: the provider closes it, or a look-up says what became of it."""
    attempt = _live_attempt(payment_id)
    if attempt is None or attempt.status == AttemptStatus.SENT or not attempt.payment.is_held_by(lease_token):
        return
    close_attempt(attempt=attempt, lease_token=lease_token, actor=actor)


def close_attempt(*, attempt: Attempt, lease_token: UUID | None = None, actor: Actor = SYSTEM) -> Settled:
    """Confirmed, it is closed whoever asked. Else a look-up decides, as long as whoever asked holds the lease."""
    gateway = gateway_for(attempt.account)
    leave_database()
    answer = gateway.cancel(CancelRequest(key=str(attempt.pk), reference=attempt.provider_reference))
    crashpoint(CrashPoint.CANCEL_AFTER_ANSWER)
    if answer.answer == CancelAnswer.CANCELLED:
        return settle_attempt(attempt_id=attempt.pk, evidence=from_cancel(answer), actor=actor)
    evidence = replace(_ask(attempt), lease_token=lease_token)
    settled = settle_attempt(attempt_id=attempt.pk, evidence=evidence, actor=actor)
    said_unpaid = evidence.finding == Finding.PENDING and not settled.fenced
    if answer.answer == CancelAnswer.NOT_POSSIBLE and said_unpaid and _time_is_over(settled):
        # What was settled just now ended the lease: only the age of the answer speaks for it.
        not_paid = replace(_NOT_PAID, asked_at=evidence.asked_at)
        return settle_attempt(attempt_id=attempt.pk, evidence=not_paid, actor=actor)
    return settled


def watch_attempt(*, attempt_id: UUID) -> None:
    """Money may still arrive on a closed attempt; one that another capture outran is closed first."""
    (attempt,) = _attempts(_BY_ID, attempt_id)
    claimed_at, is_answered = attempt.watch_at, True
    if attempt.status != AttemptStatus.SENT or _sender_is_dead(attempt):
        is_answered = _watch(attempt)
    _plan_next_watch(attempt_id, claimed_at=claimed_at, is_answered=is_answered)


def _watch(attempt: Attempt) -> bool:
    """Whether there was an answer."""
    if attempt.status == AttemptStatus.SENT:
        attempt = settle_attempt(attempt_id=attempt.pk, evidence=SENDER_DIED).attempt
    outrun = attempt.is_live and attempt.payment.status != PaymentStatus.PROCESSING
    if outrun and not attempt.mismatch:
        close_attempt(attempt=attempt)
        return True
    evidence = _ask(attempt)
    if settle_attempt(attempt_id=attempt.pk, evidence=evidence).fenced:
        return False
    # Money that moved and cannot be found is one of the provider's hiccups, and no answer to what became of it.
    missing = attempt.captured_minor and evidence.finding == Finding.NOT_FOUND
    return not missing and evidence.finding != Finding.NO_ANSWER


def _plan_next_watch(attempt_id: UUID, *, claimed_at: datetime | None, is_answered: bool) -> None:
    with transaction.atomic():
        ((attempt,),) = _LOCKED.read([attempt_id])
        attempt.watch_claims = 0
        if attempt.watch_at != claimed_at:
            # Whatever happened meanwhile, here or elsewhere, knows better when to look again.
            attempt.save(update_fields=["watch_claims"])
            return
        attempt.watches += 1
        attempt.watch_at = _next_watch(attempt, is_answered=is_answered)
        attempt.save(update_fields=["watches", "watch_claims", "watch_at"])


def _next_watch(attempt: Attempt, *, is_answered: bool) -> datetime | None:
    """What is still live is asked about like any doubt, without an end; the rest within its window."""
    if attempt.status in {AttemptStatus.SUCCEEDED, AttemptStatus.LATE_SUCCESS}:
        return next_last_look(attempt) if is_answered else timing.next_watch(attempt.watches)
    if attempt.is_live:
        return timing.next_look_up(attempt.look_ups, attempt.doubt_since)
    now, until = clock.now(), attempt.watch_until
    if until is None or (is_answered and now >= until):
        return None
    # The last look is at the end of the window: money may come in its last hours, and its message may be lost. It has
    # to be answered. Where it is not, there is another one at the end of the bound; then a human is told of what
    # nobody is sure of, and the asking goes on.
    ends = [end for end in (until, until + timing.DOUBT_BOUND) if end > now]
    return min([timing.next_watch(attempt.watches), *ends]) if ends or attempt.status in CLOSED_UNSURE else None


def _ask(attempt: Attempt) -> Evidence:
    gateway = gateway_for(attempt.account)
    request = LookUpRequest(key=str(attempt.pk), subject=Subject.CHARGE, reference=attempt.provider_reference)
    leave_database()
    asked_at = clock.now()
    answer = look_up_patiently(lambda: gateway.look_up(request), until=timing.repeat_look_up_until())
    crashpoint(CrashPoint.LOOK_UP_AFTER_ANSWER)
    return from_look_up(answer, asked_at=asked_at)


_ATTEMPTS = """
    SELECT {a}, {c}, {p} FROM payments_payment p
      JOIN payments_attempt a ON a.payment_id = p.id JOIN payments_provideraccount c ON c.id = a.account_id"""
_READ = {"a": Attempt, "c": ProviderAccount, "p": Payment}
_BY_ID = Statement(f"{_ATTEMPTS} WHERE a.id = %s", **_READ)
_OF_PAYMENT = Statement(f"{_ATTEMPTS} WHERE p.id = %s ORDER BY a.id", **_READ)
_LOCKED = Statement("SELECT {a} FROM payments_attempt a WHERE a.id = %s FOR UPDATE", a=Attempt)


def _attempts(which: Statement, wanted: UUID) -> Iterator[Attempt]:
    for attempt, account, payment in which.read([wanted]):
        attempt.account, attempt.payment = account, payment
        yield attempt


def _live_attempt(payment_id: UUID) -> Attempt | None:
    return next((attempt for attempt in _attempts(_OF_PAYMENT, payment_id) if attempt.is_live), None)


def _sender_is_dead(attempt: Attempt) -> bool:
    """Its lease began with the send; whoever holds the payment's lease now is the one who asks."""
    return clock.now() >= attempt.sent_at + timing.lease()


def _time_is_over(settled: Settled) -> bool:
    """The guest chose another way, or took too long. Only then may an attempt that is still payable be let go."""
    withdrawn = settled.payment.next_action == NextAction.CANCEL
    return withdrawn or clock.now() >= settled.attempt.expires_at or settled.payment.status != PaymentStatus.PROCESSING


_NOT_PAID = Evidence(
    source=Source.LOOK_UP, finding=Finding.NOT_PAID, message="Time is over; a look-up says that it is not paid yet."
)
