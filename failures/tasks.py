"""What the clock does for cases: forgotten requests go back to those who asked, and bulk work goes on."""

from __future__ import annotations

from celery import shared_task

from failures import approvals
from failures.bulk import running


@shared_task
def expire_approvals() -> int:
    return approvals.expire_approvals()


@shared_task
def work_on_bulk() -> int:
    return running.work_on_bulk()
