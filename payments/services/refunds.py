"""Refunds are sent and asked about here. Always the same key, and only within its lifetime (I5)."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from django.db import transaction

from events.actors import SYSTEM, Actor
from events.services import Journal
from kernel import clock
from kernel.crashpoints import CrashPoint, crashpoint
from kernel.money import Money
from payments.gateways.contract import LookUpRequest, RefundRequest, Subject
from payments.gateways.waits import look_up_patiently
from payments.models import NextAction, Refund, RefundStatus
from payments.services import timing
from payments.services.contracts import as_it_is_now
from payments.services.evidence import SENDER_DIED, Evidence, Finding, Source, from_look_up, from_result
from payments.services.outside import leave_database
from payments.services.provider_refunds import made_by_hand
from payments.services.providers import facts_of, gateway_for
from payments.services.refund_settlement import settle_refund

_SENDS = (NextAction.BEGIN, NextAction.RESEND)


def send_refund(*, refund_id: UUID, lease_token: UUID | None = None) -> None:
    """Phase one commits the send, phase two calls, phase three settles."""
    if _is_held_back(refund_id, lease_token):
        return
    refund = begin_refund(refund_id=refund_id, lease_token=lease_token)
    if refund is None or refund.lease_token is None or refund.lease_until is None:
        return
    gateway = gateway_for(refund.account)
    request = RefundRequest(
        key=str(refund.pk),
        money=Money(refund.total_minor, refund.currency),
        charge_key=str(refund.attempt_id),
        charge_reference=refund.attempt.provider_reference,
        # From the lease that was committed, not from now: whoever was paused in between sends nothing.
        send_before=timing.send_before(refund.lease_until - timing.lease()),
    )
    leave_database()
    result = gateway.refund(request)
    crashpoint(CrashPoint.REFUND_AFTER_ANSWER)
    evidence = from_result(result, source=Source.CHARGE, lease_token=refund.lease_token, latency_ms=0)
    settle_refund(refund_id=refund_id, evidence=evidence)


def look_up_refund(*, refund_id: UUID, lease_token: UUID | None = None) -> Evidence | None:
    """What was said; None where nobody was to be asked."""
    refund = Refund.objects.select_related("account", "attempt").get(pk=refund_id)
    if refund.next_action != NextAction.LOOK_UP or not refund.may_be_taken_by(lease_token):
        return None
    if refund.is_awaited:
        # Whoever asks holds the lease by now: the sender's is over.
        if settle_refund(refund_id=refund_id, evidence=replace(SENDER_DIED, lease_token=lease_token)).is_awaited:
            return None  # It was sent again meanwhile, and that sender lives.
        lease_token = None  # What was planned with that ended the lease: from here on anybody may ask.
    gateway = gateway_for(refund.account)
    request = LookUpRequest(
        key=str(refund.pk),
        subject=Subject.REFUND,
        reference=refund.provider_reference,
        charge_reference=refund.attempt.provider_reference,
    )
    leave_database()
    asked_at = clock.now()
    answer = look_up_patiently(lambda: gateway.look_up(request), until=timing.repeat_look_up_until())
    crashpoint(CrashPoint.LOOK_UP_AFTER_ANSWER)
    evidence = replace(from_look_up(answer, asked_at=asked_at), lease_token=lease_token)
    settle_refund(refund_id=refund_id, evidence=evidence)
    return evidence


def complete_cash_refund(*, refund_id: UUID, actor: Actor) -> Refund:
    refund = Refund.objects.get(pk=refund_id)
    money = Money(refund.total_minor, refund.currency)
    evidence = Evidence(source=Source.WAITER, finding=Finding.SUCCEEDED, money=money)
    return settle_refund(refund_id=refund_id, evidence=evidence, actor=actor)


def _is_held_back(refund_id: UUID, lease_token: UUID | None) -> bool:
    """People do by hand what the API does not do today: sent all the same, the money would go back twice."""
    refund = Refund.objects.get(pk=refund_id)
    theirs = made_by_hand(refund) if _may_send(refund, lease_token) else None
    if theirs is not None:
        sentence = f"The provider's own books brought refund {theirs.provider_reference} of this amount meanwhile."
        evidence = Evidence(source=Source.BOOKS, finding=Finding.CONTRADICTED, message=sentence)
        settle_refund(refund_id=refund_id, evidence=replace(evidence, lease_token=lease_token))
    return theirs is not None


def begin_refund(*, refund_id: UUID, lease_token: UUID | None = None) -> Refund | None:
    """Commits the send. Only the refund's own row is locked: its reservation stands since it was asked for."""
    with transaction.atomic():
        refund = Refund.objects.select_for_update(of=("self",)).select_related("account", "attempt").get(pk=refund_id)
        if not _may_send(refund, lease_token):
            return None
        refund.account = as_it_is_now(refund.account)
        journal = Journal(SYSTEM)
        if _key_is_spent(refund):
            refund.plan(NextAction.LOOK_UP, clock.now())
        else:
            _commit_send(refund, journal)
        refund.save()
        journal.write()
        crashpoint(CrashPoint.REFUND_BEFORE_COMMIT)
    crashpoint(CrashPoint.REFUND_AFTER_COMMIT)
    return refund


def _may_send(refund: Refund, lease_token: UUID | None) -> bool:
    if refund.status not in {RefundStatus.REQUESTED, RefundStatus.PROCESSING} or refund.next_action not in _SENDS:
        return False
    return refund.may_be_taken_by(lease_token)


def _key_is_spent(refund: Refund) -> bool:
    """After its lifetime the provider may take our key for a new refund: nothing is sent any more."""
    expires = refund.key_expires_at
    return refund.may_have_arrived and expires is not None and clock.now() >= expires - timing.KEY_MARGIN


def _commit_send(refund: Refund, journal: Journal) -> None:
    now, facts = clock.now(), facts_of(refund.account)
    if refund.status == RefundStatus.REQUESTED:
        journal.move(refund, refund.process, reason="The first send.")
    else:
        journal.note(refund, step="send_again", reason=f"Send {refund.sends + 1} with the same key.")
    if not refund.may_have_arrived:
        refund.key_expires_at = now + facts.key_lifetime
    refund.sends += 1
    refund.is_awaited = True
    refund.not_found_count = 0
    refund.invisible_until = now + timing.lease() + timing.provider_deadline() + facts.visibility_delay
    refund.lease(now + timing.lease())
