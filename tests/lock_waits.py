"""Waiting until somebody waits: a race that is certain needs no luck and no long sleep."""

from __future__ import annotations

from django.db import connection

from kernel import clock

_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))"


def wait_until_somebody_waits_for_us() -> None:
    """For a lock that the caller's transaction holds."""
    for _ in range(500):
        with connection.cursor() as cursor:
            cursor.execute(_WAITING)
            if cursor.fetchone()[0]:
                return
        clock.sleep(0.01)
    raise AssertionError("Nobody waits for the lock that this transaction holds.")
