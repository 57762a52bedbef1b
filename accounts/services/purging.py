"""Rows that were promised for a time are let go after it, a bounded number at once."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from kernel import clock

PURGED_AT_ONCE = 1_000  # A transaction of some milliseconds, so that nobody waits for its locks.
PURGE_SECONDS = 20.0  # Then the next hour goes on.


def purge(old: QuerySet[Any]) -> int:
    purged, until = 0, clock.monotonic() + PURGE_SECONDS
    while clock.monotonic() < until:
        ids = list(old.values_list("pk", flat=True)[:PURGED_AT_ONCE])
        if not ids:
            break
        purged += old.model._default_manager.filter(pk__in=ids).delete()[0]
    return purged
