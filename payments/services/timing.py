"""The bounds of time on the money path, each with its reason. Operators set the first three."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from kernel import clock
from payments.gateways.waits import look_up_wait_seconds, watch_wait_seconds

# A share stays reserved this long while nobody pays; a guest who is still choosing extends it.
HOLD = timedelta(minutes=5)
# Automatic tries of one round end here: nobody waits at a table for longer.
RETRY_WINDOW = timedelta(minutes=10)
# Sends at one provider in one round. More would be hammering a provider that already failed twice.
MAX_SENDS = 3
# A doubt that is older needs a human, while the look-ups go on.
DOUBT_BOUND = timedelta(minutes=15)
# A key is not used in the last minutes of its life: the provider's clock is not ours.
KEY_MARGIN = timedelta(minutes=5)
# "Not found" is believed only when it was said twice, this far apart at least: a look-up's quick repeat and a
# message in the same second are one glance at the provider's books, not two.
NOT_FOUND_NEEDED = 2
NOT_FOUND_GAP = timedelta(seconds=2)
# A look-up that failed within this is asked once more at once; after that the next one's time is the answer.
QUICK_FAILURE_SECONDS = 2.0
# After this many claims that never came back the row is poison and a human looks at it.
MAX_CLAIMS = 5
# After the look-up schedule's days a doubt is still asked about: its case may be waiting for exactly that.
LAST_LOOK_UP_WAIT = timedelta(days=1)
# How long a notice whose subject we do not know waits before a human is told.
NOTICE_PARKING = timedelta(hours=1)
# A provider's Retry-After is honoured up to here; beyond it our own schedule decides.
MAX_RETRY_AFTER = timedelta(minutes=5)


def lease() -> timedelta:
    return timedelta(seconds=settings.STEWARD_LEASE_SECONDS)


def provider_deadline() -> timedelta:
    return timedelta(seconds=settings.STEWARD_PROVIDER_DEADLINE_SECONDS)


def request_budget() -> timedelta:
    return timedelta(seconds=settings.STEWARD_REQUEST_BUDGET_SECONDS)


def send_before(now: datetime) -> datetime:
    """Well inside the lease: whoever sends later than this could still be sending when the lease is lost."""
    return now + lease() - 2 * provider_deadline() + provider_deadline() / 2


def repeat_look_up_until() -> float:
    """Monotonic: together with its repeat, a look-up stays well inside its lease."""
    return clock.monotonic() + QUICK_FAILURE_SECONDS


def is_another_time(asked_at: datetime, *, counted_at: datetime | None) -> bool:
    return counted_at is None or asked_at >= counted_at + NOT_FOUND_GAP


def next_look_up(look_ups: int, doubt_since: datetime | None = None) -> datetime:
    """By the schedule, but never later than the moment at which a human has to be told."""
    now = clock.now()
    wait = look_up_wait_seconds(look_ups)
    at = now + (LAST_LOOK_UP_WAIT if wait is None else timedelta(seconds=wait))
    bound = doubt_since + DOUBT_BOUND if doubt_since else at
    return min(at, bound) if bound > now else at


def is_bound_over(since: datetime, next_at: datetime | None) -> bool:
    """A provider that asks to be left alone, or a backoff, postpones the next question and not the bound."""
    bound = since + DOUBT_BOUND
    return clock.now() >= bound or (next_at is not None and next_at > bound)


def next_watch(watches: int) -> datetime:
    return clock.now() + timedelta(seconds=watch_wait_seconds(watches))
