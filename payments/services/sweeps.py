"""Sweeps: what is due is claimed and done. Celery and `manage.py sweep` are two clocks for the same functions."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from uuid import UUID

from django.db import connection, transaction

from events.actors import SYSTEM
from events.services import Journal
from kernel import clock
from payments.models import NextAction, Refund
from payments.services import timing
from payments.services.attempts import drive, resend_attempt, run_payment
from payments.services.bill import lock_bill_of_payment
from payments.services.facts import PaymentEvent, RefundEvent
from payments.services.leases import (
    WIDTH,
    Claim,
    claim_notices,
    claim_payments,
    claim_refunds,
    claim_watched_attempts,
)
from payments.services.lookups import close_payment, look_up_payment, watch_attempt
from payments.services.notices import apply_notice
from payments.services.payments import expire_payment
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
    return _sweep(claim_watched_attempts, _watch, width)


def sweep_notices(*, width: int = WIDTH) -> int:
    return _sweep(claim_notices, _apply, width)


SWEEPS = (sweep_payments, sweep_refunds, sweep_watches, sweep_notices)


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
        look_up_payment(payment_id=claim.id)
    elif claim.action == NextAction.CANCEL:
        close_payment(payment_id=claim.id, lease_token=claim.token)
    elif claim.action == NextAction.EXPIRE:
        expire_payment(payment_id=claim.id)


def act_on_refund(claim: Claim) -> None:
    if claim.claims > timing.MAX_CLAIMS:
        quarantine_refund(refund_id=claim.id)
    elif claim.action == NextAction.LOOK_UP:
        look_up_refund(refund_id=claim.id)
    else:
        send_refund(refund_id=claim.id, lease_token=claim.token)


def quarantine_payment(*, payment_id: UUID, lease_token: UUID | None = None) -> None:
    """It killed or broke its workers again and again. A human looks; the others go on."""
    with transaction.atomic():
        payment = lock_bill_of_payment(payment_id).payment(payment_id)
        if not payment.may_be_taken_by(lease_token):
            return
        payment.plan(NextAction.NONE)
        journal = Journal(SYSTEM)
        journal.happened(PaymentEvent.QUARANTINED, payment, claims=payment.claims)
        payment.save()
        journal.write()


def quarantine_refund(*, refund_id: UUID) -> None:
    payment_id = Refund.objects.values_list("payment_id", flat=True).get(pk=refund_id)
    with transaction.atomic():
        payment = lock_bill_of_payment(payment_id).payment(payment_id)
        refund = Refund.objects.select_for_update().get(pk=refund_id)
        refund.plan(NextAction.NONE)
        journal = Journal(SYSTEM)
        journal.happened(RefundEvent.QUARANTINED, payment, refund=str(refund_id), claims=refund.claims)
        refund.save()
        payment.save(update_fields=["version"])
        journal.write()


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


def _watch(attempt_id: UUID) -> None:
    watch_attempt(attempt_id=attempt_id)


def _apply(notice_id: UUID) -> None:
    apply_notice(notice_id=notice_id)
