"""A refund that was made may come back from the guest's bank days later, and its message may be lost."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Max

from kernel import clock
from payments.models import Attempt, Refund, RefundStatus
from payments.services.providers import facts_of


def plan_last_look(attempt: Attempt, refund: Refund) -> None:
    """At the end of the provider's window. A look that comes sooner plans this one itself."""
    window = facts_of(attempt.account).refund_return_window
    if window and refund.finished_at and attempt.watch_at is None:
        attempt.watch_at = refund.finished_at + window


def next_last_look(attempt: Attempt) -> datetime | None:
    """After a look at a settled charge: when the newest of its refunds can no longer come back."""
    made = Refund.objects.filter(attempt=attempt, status=RefundStatus.COMPLETED)
    last = made.aggregate(last=Max("finished_at"))["last"]
    stays_at = last + facts_of(attempt.account).refund_return_window if last else None
    return stays_at if stays_at and stays_at > clock.now() else None
