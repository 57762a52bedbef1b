"""What the clock does for accounts: old idempotency keys and old tokens are let go."""

from __future__ import annotations

from celery import shared_task

from accounts.services import idempotency, people


@shared_task
def purge_old_calls() -> int:
    return idempotency.purge_old_calls()


@shared_task
def purge_old_tokens() -> int:
    return people.purge_old_tokens()
