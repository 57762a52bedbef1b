"""The production clock: the database's time, carried on by this machine's boot clock since it was read.

Leases are compared between machines, so they must not depend on any one machine's idea of the time.
The boot clock also counts while a process is stopped or the machine sleeps, which a lease must see.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from django.db import connection

from kernel.clock import SystemSource

# Boot clocks drift by some milliseconds a minute at worst; a read costs one statement.
REFRESH_AFTER_SECONDS = 60.0
_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class DatabaseClock(SystemSource):
    """Reads the database only in `refresh`, never in `now`: a gateway asks for the time without a connection."""

    def __init__(self) -> None:
        self._anchor: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        anchor = self._anchor or self.refresh()
        return anchor[0] + timedelta(seconds=time.clock_gettime(_BOOT_CLOCK) - anchor[1])

    def near_now(self) -> datetime:
        """A model's default id is made even where there is no database: in a check, in a migration."""
        return self.now() if self._anchor else super().now()

    def monotonic(self) -> float:
        return time.clock_gettime(_BOOT_CLOCK)

    def keep_true(self) -> None:
        if self._anchor is None or self.monotonic() - self._anchor[1] > REFRESH_AFTER_SECONDS:
            self.refresh()

    def refresh(self) -> tuple[datetime, float]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            row = cursor.fetchone()
        self._anchor = (row[0], time.clock_gettime(_BOOT_CLOCK))
        return self._anchor
