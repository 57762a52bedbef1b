"""Who watches the database while the monkey is at work: how long after each kill the work went on.

A kill *hurts* every row that was due, or held by a lease, when it came. Recovery runs from the moment the killed
process was started again (a child's master replaces it at once: from the kill) to the next action on one of these
rows: a newly committed step or lease, seen from outside as a change of the row. Where the others had gone on before
the process was back, it is nothing. Where no row was hurt, it runs to the next action on any row.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg

from tests.chaos.journal import Journal

LOOK_SECONDS: Final = 0.25
CONNECT_SECONDS: Final = 2
# A sweep comes every other second: a row that is this late has been in trouble.
WORTH_A_LINE_SECONDS: Final = 10.0

# What is under way, with everything that an action on it changes, and how late it is (a lease counts as work).
_UNDER_WAY: Final = """
    SELECT id::text, status, next_action, next_action_at, lease_token, claims, {versions},
           COALESCE(lease_until > clock_timestamp(), FALSE) OR next_action_at <= clock_timestamp() AS hurt,
           EXTRACT(EPOCH FROM clock_timestamp() - GREATEST(next_action_at, lease_until))::float AS late
      FROM {table} WHERE status IN ('requested', 'pending', 'processing')"""
QUESTION: Final = " UNION ALL ".join(
    (
        _UNDER_WAY.format(table="payments_payment", versions="version"),
        _UNDER_WAY.format(table="payments_refund", versions="sends + look_ups"),
    )
)
Fingerprint = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Sighting:
    """The rows under way at one moment."""

    at: float
    rows: Mapping[str, Fingerprint] = field(default_factory=dict)
    hurt: frozenset[str] = frozenset()
    # How long ago the row that waits longest was due and free.
    latest_seconds: float = 0.0
    latest_row: str = ""


@dataclass
class Kill:
    """One kill, and when the rows that it hurt were acted on."""

    what: str
    at: float
    hurt: Mapping[str, Fingerprint]
    seen: Mapping[str, Fingerprint]
    restarted_at: float | None = None
    acted_at: dict[str, float] = field(default_factory=dict)
    began: float = field(default_factory=time.time)

    def started_again(self) -> None:
        self.restarted_at = time.monotonic()

    @property
    def is_over(self) -> bool:
        return self.restarted_at is not None and bool(self.acted_at) and self.hurt.keys() <= self.acted_at.keys()

    @property
    def recovery_seconds(self) -> float | None:
        """To the first action. None: the run ended before there was one."""
        return self._since_restart(min(self.acted_at.values(), default=None))

    @property
    def last_row_seconds(self) -> float | None:
        """Until each of the rows that it hurt had its next action."""
        if not self.hurt:
            return self.recovery_seconds
        return self._since_restart(max(self.acted_at.values())) if self.is_over else None

    @property
    def last_row(self) -> str:
        return max(self.acted_at, key=lambda row: self.acted_at[row], default="")

    def look(self, sighting: Sighting) -> None:
        """A row that changed, or is not under way any more, was acted on."""
        watched = self.hurt or self.seen
        for row, fingerprint in watched.items():
            if row not in self.acted_at and sighting.rows.get(row) != fingerprint:
                self.acted_at[row] = sighting.at
        if not self.hurt and sighting.rows.keys() - self.seen.keys():
            self.acted_at.setdefault("a new row", sighting.at)

    def _since_restart(self, at: float | None) -> float | None:
        if at is None or self.restarted_at is None:
            return None
        return max(0.0, at - self.restarted_at)


class Watch:
    """Looks several times a second, around the network that is being broken."""

    def __init__(self, database_url: str, *, log: Journal) -> None:
        self._url = database_url
        self._log = log
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._last = Sighting(at=time.monotonic())
        self._kills: list[Kill] = []
        self._last_late = ""
        self.latest_seconds = 0.0
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> list[Kill]:
        self._stopped.set()
        self._thread.join()
        for kill in self._kills:
            times = {"recovery_seconds": kill.recovery_seconds, "last_row_seconds": kill.last_row_seconds}
            rows = {"hurt": len(kill.hurt), "last_row": kill.last_row}
            self._log.append(what="recovery", kill=kill.what, killed_at=kill.began, **times, **rows)
        return self._kills

    def killed(self, what: str) -> Kill:
        """To be said just before: what was seen last is what the kill hurts."""
        with self._lock:
            rows = self._last.rows
            hurt = {row: rows[row] for row in self._last.hurt}
            kill = Kill(what=what, at=time.monotonic(), hurt=hurt, seen=rows)
            self._kills.append(kill)
            return kill

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                for sighting in self._sightings():
                    self._note(sighting)
            except psycopg.OperationalError:
                self._stopped.wait(LOOK_SECONDS)  # The database is down, which is one of the things that are watched.

    def _sightings(self) -> Iterator[Sighting]:
        with psycopg.connect(
            self._url, autocommit=True, connect_timeout=CONNECT_SECONDS, application_name="chaos"
        ) as connection:
            while not self._stopped.wait(LOOK_SECONDS):
                yield sighting_of(connection.execute(QUESTION).fetchall())

    def _note(self, sighting: Sighting) -> None:
        with self._lock:
            self._last = sighting
            self.latest_seconds = max(self.latest_seconds, sighting.latest_seconds)
            if sighting.latest_seconds > WORTH_A_LINE_SECONDS and sighting.latest_row != self._last_late:
                self._log.append(what="late", row=sighting.latest_row, seconds=round(sighting.latest_seconds, 1))
                self._last_late = sighting.latest_row
            for kill in self._kills:
                if not kill.is_over:
                    kill.look(sighting)


def sighting_of(rows: list[tuple[Any, ...]]) -> Sighting:
    late = max(((row[-1], row[0]) for row in rows if row[-1] is not None), default=(0.0, ""))
    return Sighting(
        at=time.monotonic(),
        rows={row[0]: tuple(row[1:-2]) for row in rows},
        hurt=frozenset(row[0] for row in rows if row[-2]),
        latest_seconds=late[0],
        latest_row=late[1],
    )
