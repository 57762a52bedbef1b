"""What the clock does for cases: requests that nobody decided about in time go back to those who asked."""

from __future__ import annotations

from celery import shared_task

from failures import approvals


@shared_task
def expire_approvals() -> int:
    return approvals.expire_approvals()
