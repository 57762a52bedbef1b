"""Celery is only the clock: each task is a sweep over rows that are due, safe to lose and safe to repeat."""

from __future__ import annotations

from celery import shared_task

from payments.services import sweeps


@shared_task
def sweep_payments() -> int:
    return sweeps.sweep_payments()


@shared_task
def sweep_refunds() -> int:
    return sweeps.sweep_refunds()


@shared_task
def sweep_watches() -> int:
    return sweeps.sweep_watches()


@shared_task
def sweep_notices() -> int:
    return sweeps.sweep_notices()
