"""Sweeps: what is due is claimed and done. Celery and `manage.py sweep` are two clocks for the same functions."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connection

from kernel import clock
from payments.models import NextAction
from payments.services import timing
from payments.services.attempts import drive, resend_attempt, run_payment
from payments.services.leases import (
    WIDTH,
    Claim,
    Turn,
    claim_notices,
    claim_payments,
    claim_refunds,
    claim_watched_attempts,
)
from payments.services.lookups import close_payment, look_up_payment, watch_attempt
from payments.services.notices import apply_notice
from payments.services.payments import expire_payment
from payments.services.quarantine import quarantine_notice, quarantine_payment, quarantine_refund, quarantine_watch
from payments.services.refunds import look_up_refund, send_refund

logger = logging.getLogger(__name__)
Row = TypeVar("Row")

# A sweep stops taking more after this: the next tick goes on, and no tick outlives its task's time limit.
SWEEP_SECONDS = 20.0


def sweep_payments(*, width: int = WIDTH) -> int:
    return _sweep(claim_payments, act_on_payment, width)


def sweep_refunds(*, width: int = WIDTH) -> int:
    return _sweep(claim_refunds, act_on_refund, width)


def sweep_watches(*, width: int = WIDTH) -> int:
    return _sweep(claim_watched_attempts, act_on_watch, width)


def sweep_notices(*, width: int = WIDTH) -> int:
    return _sweep(claim_notices, act_on_notice, width)


SWEEPS = (sweep_payments, sweep_refunds, sweep_watches, sweep_notices)
# What apps above this one want done at each tick too.
ALSO: list[Callable[[], int]] = []


def act_on_payment(claim: Claim) -> None:
    if claim.claims > timing.MAX_CLAIMS:
        quarantine_payment(payment_id=claim.id, lease_token=claim.token)
    elif claim.action == NextAction.BEGIN:
        run_payment(payment_id=claim.id, lease_token=claim.token)
    elif claim.action == NextAction.RESEND:
        sending = resend_attempt(payment_id=claim.id, lease_token=claim.token)
        if sending is not None:
            drive(sending)
    elif claim.action == NextAction.LOOK_UP:
        look_up_payment(payment_id=claim.id, lease_token=claim.token)
    elif claim.action == NextAction.CANCEL:
        close_payment(payment_id=claim.id, lease_token=claim.token)
    elif claim.action == NextAction.EXPIRE:
        expire_payment(payment_id=claim.id)


def act_on_refund(claim: Claim) -> None:
    if claim.claims > timing.MAX_CLAIMS:
        quarantine_refund(refund_id=claim.id, lease_token=claim.token)
    elif claim.action == NextAction.LOOK_UP:
        look_up_refund(refund_id=claim.id, lease_token=claim.token)
    else:
        send_refund(refund_id=claim.id, lease_token=claim.token)


def act_on_watch(turn: Turn) -> None:
    if turn.claims > timing.MAX_CLAIMS:
        quarantine_watch(attempt_id=turn.id)
    else:
        watch_attempt(attempt_id=turn.id)


def act_on_notice(turn: Turn) -> None:
    if turn.claims > timing.MAX_CLAIMS:
        quarantine_notice(notice_id=turn.id)
    else:
        apply_notice(notice_id=turn.id)


def _sweep(claim: Callable[..., Sequence[Row]], act: Callable[[Row], None], width: int) -> int:
    """Claims no more than it can start at once, so that no lease runs out while its row waits in a line."""
    clock.keep_true()
    done, until = 0, clock.monotonic() + SWEEP_SECONDS
    while clock.monotonic() < until:
        rows = claim(limit=width)
        if not rows:
            break
        _do_all(rows, act, width)
        done += len(rows)
    return done


def _do_all(rows: Sequence[Row], act: Callable[[Row], None], width: int) -> None:
    if width == 1:
        for row in rows:
            _do(row, act)
        return
    with ThreadPoolExecutor(max_workers=width) as pool:
        list(pool.map(lambda row: _do_and_hang_up(row, act), rows))


def _do(row: Row, act: Callable[[Row], None]) -> None:
    """A row that raises is logged and left: its lease runs out, its claims are counted, the others go on."""
    try:
        act(row)
    except Exception:
        logger.exception("sweep_failed", extra={"row": str(row)})


def _do_and_hang_up(row: Row, act: Callable[[Row], None]) -> None:
    try:
        _do(row, act)
    finally:
        connection.close()
