"""The production clock: the database's time, carried on by this machine's boot clock since it was read.

Leases are compared between machines, so they must not depend on any one machine's idea of the time.
The boot clock also counts while a process is stopped or the machine sleeps, which a lease must see.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from django.db import OperationalError, connection

from kernel.clock import SystemSource

# Boot clocks drift by some milliseconds a minute at worst; a read costs one statement.
REFRESH_AFTER_SECONDS = 60.0
# The database said its time somewhere between our question and its answer, so half of that is the most that we are
# wrong. A lease leaves seconds to whoever sends late (`send_before`), so this may be one and not a minute.
SLOWEST_READ_SECONDS = 1.0
# One pause or one lost packet is passed by. A database that is always this slow tells nobody the time.
READ_TRIES = 3
_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class DatabaseClock(SystemSource):
    """Reads the database only in `refresh`, never in `now`: a gateway asks for the time without a connection."""

    def __init__(self) -> None:
        self._anchor: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        anchor = self._anchor or self.refresh()
        return anchor[0] + timedelta(seconds=self.monotonic() - anchor[1])

    def near_now(self) -> datetime:
        """A model's default id is made even where there is no database: in a check, in a migration."""
        return self.now() if self._anchor else super().now()

    def monotonic(self) -> float:
        return time.clock_gettime(_BOOT_CLOCK)

    def keep_true(self) -> None:
        if self._anchor is None or self.monotonic() - self._anchor[1] > REFRESH_AFTER_SECONDS:
            self.refresh()

    def refresh(self) -> tuple[datetime, float]:
        for _ in range(READ_TRIES):
            moment, asked, answered = self._read()
            if answered - asked <= SLOWEST_READ_SECONDS:
                self._anchor = (moment, (asked + answered) / 2)
                return self._anchor
        raise OperationalError("The database takes too long to say what time it is.")

    def _read(self) -> tuple[datetime, float, float]:
        """The database's time, and ours before and after; to get a connection may take its time."""
        with connection.cursor() as cursor:
            asked = self.monotonic()
            cursor.execute("SELECT clock_timestamp()")
            row = cursor.fetchone()
            return row[0], asked, self.monotonic()
