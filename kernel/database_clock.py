"""The production clock: the database's time, carried on by this machine's boot clock since it was read.

Leases are compared between machines, so they must not depend on any one machine's idea of the time.
The boot clock also counts while a process is stopped or the machine sleeps, which a lease must see.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from kernel.clock import SystemSource

# Boot clocks drift by some milliseconds a minute at worst; a read costs one statement.
REFRESH_AFTER_SECONDS = 60.0
DRIFT = 0.001
# The database said its time somewhere between our question and its answer: half of that is the most that we are
# wrong. A lease leaves seconds to whoever sends late (`send_before`), so this may be half of one and not a minute.
USUAL_ERROR_SECONDS = 0.5
# One pause or one lost packet is passed by.
READ_TRIES = 3
_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """What the database's time was when our boot clock said `at`, give or take the error."""

    moment: datetime
    at: float
    error_seconds: float

    def error_at(self, at: float) -> float:
        return self.error_seconds + DRIFT * (at - self.at)


class DatabaseClock(SystemSource):
    """Reads the database only in `refresh`, never in `now`: a gateway asks for the time without a connection."""

    def __init__(self) -> None:
        self._anchor: Anchor | None = None
        self._refreshed_at = 0.0

    def now(self) -> datetime:
        anchor = self._anchor or self.refresh()
        return anchor.moment + timedelta(seconds=self.monotonic() - anchor.at)

    def near_now(self) -> datetime:
        """A model's default id is made even where there is no database: in a check, in a migration."""
        return self.now() if self._anchor else super().now()

    def monotonic(self) -> float:
        return time.clock_gettime(_BOOT_CLOCK)

    def keep_true(self) -> None:
        if self._anchor is None or self.monotonic() - self._refreshed_at > REFRESH_AFTER_SECONDS:
            self.refresh()

    def refresh(self) -> Anchor:
        """A slow reading is repeated. Where all are slow, what was known before may be the better clock."""
        known = [self._anchor] if self._anchor else []
        for _ in range(READ_TRIES):
            known.append(self._read())
            if known[-1].error_seconds <= USUAL_ERROR_SECONDS:
                known = known[-1:]
                break
        self._refreshed_at = now = self.monotonic()
        self._anchor = min(known, key=lambda each: each.error_at(now))
        return self._anchor

    def _read(self) -> Anchor:
        """To get a connection may take its time."""
        with connection.cursor() as cursor:
            asked = self.monotonic()
            cursor.execute("SELECT clock_timestamp()")
            (moment,) = cursor.fetchone()
            answered = self.monotonic()
        return Anchor(moment=moment, at=(asked + answered) / 2, error_seconds=(answered - asked) / 2)
