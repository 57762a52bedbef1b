"""After the last fault: wait, in real time and within a bound, until nothing is under way without a human's knowing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg.rows import class_row

from tests.chaos.cases import doubt_has_case, refund_has_case

# A doubt is asked about after 3, 10, 30 and 60 s, then after 5 min, give or take a tenth: this is the longest wait
# before a human is told (15 min), with what follows from its answer.
REST_SECONDS: Final = 400.0
# Of the schedule's waits only those of 5 min and more are longer, give or take a tenth.
SOON_SECONDS: Final = 70.0
LOOK_SECONDS: Final = 1.0

_RESTLESS: Final = f"""
    SELECT id::text, due::text AS mark, COALESCE(EXTRACT(EPOCH FROM due - clock_timestamp())::float, 0) AS in_seconds
      FROM (
        SELECT p.id, GREATEST(p.next_action_at, p.lease_until) AS due FROM payments_payment p
         WHERE p.status IN ('pending', 'processing') AND NOT {doubt_has_case("p.id")}
        UNION ALL
        SELECT r.id, GREATEST(r.next_action_at, r.lease_until) FROM payments_refund r
         WHERE r.status IN ('requested', 'processing') AND NOT {refund_has_case("r.id")}
        UNION ALL
        SELECT a.id, a.watch_at FROM payments_attempt a JOIN payments_payment p ON p.id = a.payment_id
         WHERE a.status IN ('sent', 'pending', 'unknown') AND p.status IN ('completed', 'failed')
           AND NOT {doubt_has_case("p.id")}
        UNION ALL
        SELECT n.id, n.next_action_at FROM payments_inboundnotice n WHERE n.state = 'stored'
    ) AS restless"""  # noqa: S608  Our own words.


@dataclass(frozen=True, kw_only=True)
class Restless:
    """A row that is under way, and no human knows."""

    id: str
    mark: str | None  # Changes with each action on it.
    in_seconds: float


class Patience:
    """Which rows are still worth waiting for.

    One that was asked about since the faults are over, and that the schedule leaves alone for minutes now, is in doubt
    for a reason of its own (the provider knows nothing of it): more waiting shows nothing, and its bound is checked.
    """

    def __init__(self) -> None:
        self._first_marks: dict[str, str | None] = {}

    def waits_for(self, rows: Sequence[Restless]) -> bool:
        return any(self._waits_for(row) for row in rows)

    def _waits_for(self, row: Restless) -> bool:
        first = self._first_marks.setdefault(row.id, row.mark)
        return row.mark == first or row.in_seconds < SOON_SECONDS


def rest(database_url: str, *, tend: Callable[[], None], seconds: float = REST_SECONDS) -> float:
    """How long it took."""
    began, patience = time.monotonic(), Patience()
    with psycopg.connect(database_url, autocommit=True, application_name="chaos") as connection:
        while time.monotonic() - began < seconds and patience.waits_for(_restless(connection)):
            tend()
            time.sleep(LOOK_SECONDS)
    return time.monotonic() - began


def _restless(connection: psycopg.Connection[Any]) -> list[Restless]:
    with connection.cursor(row_factory=class_row(Restless)) as cursor:
        return cursor.execute(_RESTLESS.encode()).fetchall()
