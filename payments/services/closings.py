"""Attempts that ended without money, and what follows from it for their payment."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from payments.gateways.waits import backoff_seconds
from payments.models import Attempt, AttemptStatus, NextAction, PaymentStatus
from payments.services import timing
from payments.services.decisions import Decision, decide
from payments.services.evidence import Finding, Source
from payments.services.facts import FailureCode, PaymentEvent
from payments.services.failing import fail_payment
from payments.services.settling import PROLONGED_DOUBT, Settling


def close(s: Settling, step: Callable[[], Any], *, reason: str) -> None:
    """Every way out of "live" without money. What the provider may still do about it is watched."""
    s.attempt.error_code = s.evidence.code.value
    s.attempt.error_message = s.evidence.short_message
    s.attempt.settled_at = s.now
    if s.evidence.retry_after_seconds:
        asked = timedelta(seconds=s.evidence.retry_after_seconds)
        s.attempt.not_before = s.now + min(asked, timing.MAX_RETRY_AFTER)
    s.move(step, reason=reason)
    s.watch()
    if s.payment.status == PaymentStatus.PROCESSING:
        _follow(s)


def _follow(s: Settling) -> None:
    if not s.bill.is_payable or s.payment.close_wanted:
        _fail(s, FailureCode.CANCELLED)
        return
    decision = decide(s.evidence.finding, s.evidence.code)
    if s.evidence.source == Source.OPERATOR:
        decision = Decision.STOP
    if decision == Decision.NEXT_PROVIDER:
        s.payment.plan(NextAction.BEGIN, s.now)
    elif decision == Decision.SAME_PROVIDER and s.may_send_again:
        s.payment.plan(NextAction.RESEND, s.now + timedelta(seconds=backoff_seconds(s.attempt.sends)))
    elif decision == Decision.SAME_PROVIDER:
        s.payment.plan(NextAction.BEGIN, s.now)
    else:
        _fail(s, _failure_code(s))


def _fail(s: Settling, code: str) -> None:
    reason = f"Every attempt ended without a charge: {code}."
    fail_payment(payment=s.payment, code=code, reason=reason, journal=s.journal, attempt=str(s.attempt.pk))


def _failure_code(s: Settling) -> str:
    if s.attempt.status == AttemptStatus.EXPIRED:
        return FailureCode.EXPIRED
    if s.evidence.finding == Finding.CANCELLED:
        return FailureCode.EXPIRED if s.now >= s.attempt.expires_at else FailureCode.CANCELLED
    if s.evidence.finding == Finding.NOT_CHARGED:
        return FailureCode.CANCELLED
    return s.evidence.code.value or FailureCode.DECLINED


def open_since(attempt: Attempt) -> datetime | None:
    """A guest's time that is over counts as a doubt, where the provider neither closes nor answers."""
    return attempt.expires_at if attempt.status == AttemptStatus.PENDING else attempt.doubt_since


def tell_prolonged_doubt(s: Settling) -> None:
    """Once per doubt, when its bound is over or will be before anybody asks again. The asking goes on."""
    since, next_at = open_since(s.attempt), s.payment.next_action_at if s.owns_the_clock else None
    if since is None or not timing.is_bound_over(since, next_at) or not s.attempt.tell_once(PROLONGED_DOUBT):
        return
    s.journal.happened(PaymentEvent.DOUBT_PROLONGED, s.payment, attempt=str(s.attempt.pk), since=since.isoformat())
