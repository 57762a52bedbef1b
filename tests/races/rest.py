"""Letting a trial rest: a clock that jumps from one due row to the next, and one worker that works it off."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from payments.services import sweeps
from payments.services.leases import claim_notices, claim_payments, claim_refunds, claim_watched_attempts
from payments.services.notices import apply_notice, receive_notice
from tests.races.ground import Ground

# Nothing in these scenes happens by itself later than a minute after the race. The look-ups reach their hour,
# doubts their case (15 min) and watches their second look (1 h): after that it only repeats itself for days.
HORIZON = timedelta(hours=2)
MOST_ROUNDS = 100  # A dozen is usual; more is a row that is asked about without a schedule.


def _one_row(claim: Callable[..., list[Any]], act: Callable[[Any], None]) -> None:
    """What it raises is raised: a sweep would log it and go on."""
    for row in claim(limit=1):
        act(row)


# In the order in which what is due is told.
WORK = {
    "payments": partial(_one_row, claim_payments, sweeps.act_on_payment),
    "refunds": partial(_one_row, claim_refunds, sweeps.act_on_refund),
    "watches": partial(_one_row, claim_watched_attempts, sweeps.act_on_watch),
    "notices": partial(_one_row, claim_notices, sweeps.act_on_notice),
}


class NotAtRest(AssertionError):
    """Something is asked about again and again."""


def come_to_rest(ground: Ground) -> None:
    until = ground.clock.now() + HORIZON
    for _ in range(MOST_ROUNDS):
        if not _work_off_what_is_next(ground, until):
            return
    raise NotAtRest(f"Not at rest after {MOST_ROUNDS} rounds; due: {ground.reader.due()}")


def deliver(ground: Ground) -> None:
    """Every message that is still on its way, as a web process would receive it."""
    for provider, news in ground.take_mail():
        received = receive_notice(account=ground.accounts[provider], headers=news.headers, body=news.body)
        apply_notice(notice_id=received.notice_id)


def work_until(ground: Ground, is_reached: Callable[[], bool]) -> None:
    """For the building of a scene."""
    until = ground.clock.now() + HORIZON
    while not is_reached():
        assert _work_off_what_is_next(ground, until), "This scene is never reached."


def _work_off_what_is_next(ground: Ground, until: datetime) -> bool:
    due = {kind: at for kind, at in zip(WORK, ground.reader.due(), strict=True) if at is not None and at <= until}
    if not due:
        return False
    kind = min(due, key=lambda each: due[each])
    ground.clock.jump_to(due[kind])
    WORK[kind]()
    return True
