"""Letting a trial rest: a clock that jumps from one due row to the next, and one worker that works it off."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import connection

from payments.services import sweeps
from payments.services.leases import claim_notices, claim_payments, claim_refunds, claim_watched_attempts
from payments.services.notices import apply_notice, receive_notice
from tests.races.ground import Ground
from tests.sim.clock import SeedClock

# Nothing in these scenes happens by itself later than a minute after the race. The look-ups reach their hour,
# doubts their case (15 min) and watches their second look (1 h): after that it only repeats itself for days.
HORIZON = timedelta(hours=2)
MOST_ROUNDS = 100  # A dozen is usual; more is a row that is asked about without a schedule.

_DUE = """
    SELECT (SELECT MIN(GREATEST(next_action_at, lease_until)) FROM payments_payment WHERE next_action_at IS NOT NULL),
           (SELECT MIN(GREATEST(next_action_at, lease_until)) FROM payments_refund WHERE next_action_at IS NOT NULL),
           (SELECT MIN(watch_at) FROM payments_attempt),
           (SELECT MIN(next_action_at) FROM payments_inboundnotice)"""


def _one_row(claim: Callable[..., list[Any]], act: Callable[[Any], None]) -> None:
    """What it raises is raised: a sweep would log it and go on."""
    for row in claim(limit=1):
        act(row)


WORK = {
    "payments": partial(_one_row, claim_payments, sweeps.act_on_payment),
    "refunds": partial(_one_row, claim_refunds, sweeps.act_on_refund),
    "watches": partial(_one_row, claim_watched_attempts, sweeps.act_on_watch),
    "notices": partial(_one_row, claim_notices, sweeps.act_on_notice),
}


class NotAtRest(AssertionError):
    """Something is asked about again and again."""


def come_to_rest(clock: SeedClock) -> None:
    until = clock.now() + HORIZON
    for _ in range(MOST_ROUNDS):
        if not _work_off_what_is_next(clock, until):
            return
    raise NotAtRest(f"Not at rest after {MOST_ROUNDS} rounds; due: {_due()}")


def deliver(ground: Ground) -> None:
    """Every message that is still on its way, as a web process would receive it."""
    for provider, news in ground.take_mail():
        received = receive_notice(account=ground.accounts[provider], headers=news.headers, body=news.body)
        apply_notice(notice_id=received.notice_id)


def work_until(clock: SeedClock, is_reached: Callable[[], bool]) -> None:
    """For the building of a scene."""
    until = clock.now() + HORIZON
    while not is_reached():
        assert _work_off_what_is_next(clock, until), "This scene is never reached."


def _work_off_what_is_next(clock: SeedClock, until: datetime) -> bool:
    due = {kind: at for kind, at in _due().items() if at is not None and at <= until}
    if not due:
        return False
    kind = min(due, key=lambda each: due[each])
    clock.jump_to(due[kind])
    WORK[kind]()
    return True


def _due() -> dict[str, datetime | None]:
    with connection.cursor() as cursor:
        cursor.execute(_DUE)
        return dict(zip(WORK, cursor.fetchone(), strict=True))
