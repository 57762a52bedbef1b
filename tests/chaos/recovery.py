"""Who watches the database while the monkey is at work: how long after each kill the work went on.

A kill *leaves behind* the rows whose lease was held when it came, and over before anybody acted on them: nobody who
lives held them. (Whose they were cannot be seen from outside: the dead process's, another's that died or stood still,
or one's that was cut off.) Recovery runs from the moment at which the killed process is up again (a child's master
replaces it at once: from the kill) to the next action on such a row: another lease, or its end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import psycopg

from tests.chaos.journal import Journal

LOOK_SECONDS: Final = 0.25
CONNECT_SECONDS: Final = 2
# A sweep comes every other second: a row that is this late has been in trouble.
WORTH_A_LINE_SECONDS: Final = 10.0

# What is under way, under which lease, how long that still lasts, and how late the row is (a lease counts as work).
_UNDER_WAY: Final = """
    SELECT id::text, lease_token::text, EXTRACT(EPOCH FROM lease_until - clock_timestamp())::float,
           EXTRACT(EPOCH FROM clock_timestamp() - GREATEST(next_action_at, lease_until))::float
      FROM {table} WHERE status IN ('requested', 'pending', 'processing')"""
QUESTION: Final = " UNION ALL ".join(_UNDER_WAY.format(table=each) for each in ("payments_payment", "payments_refund"))
Answer = tuple[str, str | None, float | None, float | None]


@dataclass(frozen=True, slots=True)
class Lease:
    token: str
    until: float


@dataclass(frozen=True, slots=True)
class Sighting:
    """The rows under way at one moment."""

    at: float
    leases: Mapping[str, Lease] = field(default_factory=dict)
    # How long ago the row that waits longest was due and free.
    latest_seconds: float = 0.0
    latest_row: str = ""


@dataclass
class Kill:
    """One kill, and when the rows that it left behind were acted on."""

    what: str
    restarted_at: float | None = None
    began: float = field(default_factory=time.time)
    acted_at: dict[str, float] = field(default_factory=dict)
    # Leases that the first look after it saw, of the dead and of the living.
    leases: int = 0
    # Which leases are still in place of those that were there at the first look after it. None: nobody looked yet.
    _held: dict[str, Lease] | None = field(default=None, init=False, repr=False)

    def started_again(self) -> None:
        self.restarted_at = time.monotonic()

    @property
    def recovery_seconds(self) -> float | None:
        """Until each row that it left behind was acted on. None: it left none."""
        if not self.acted_at or self.restarted_at is None:
            return None
        return max(0.0, self.acted_at[self.last_row] - self.restarted_at)

    @property
    def last_row(self) -> str:
        return max(self.acted_at, key=lambda row: self.acted_at[row], default="")

    def look(self, sighting: Sighting) -> None:
        """A lease that is gone before its time was its holder's to end; one that outlasted it was left behind."""
        if self._held is None:
            self._held = dict(sighting.leases)
            self.leases = len(self._held)
        for row, lease in [*self._held.items()]:
            now = sighting.leases.get(row)
            if now is None or now.token != lease.token:
                self._goes_on(row, sighting.at)

    def ends(self, at: float) -> None:
        """Nobody looks any more: what nobody acted on has waited until now, at least."""
        for row in [*(self._held or ())]:
            self._goes_on(row, at)

    def _goes_on(self, row: str, at: float) -> None:
        if self._held is not None and at > self._held.pop(row).until:
            self.acted_at[row] = at


class Watch:
    """Looks several times a second, around the network that is being broken."""

    def __init__(self, database_url: str, *, log: Journal) -> None:
        self._url = database_url
        self._log = log
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._kills: list[Kill] = []
        self._last_late = ""
        self._error: Exception | None = None
        self.latest_seconds = 0.0
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> list[Kill]:
        self._stopped.set()
        self._thread.join()
        if self._error is not None:
            raise self._error
        for kill in self._kills:
            kill.ends(time.monotonic())
            rows = {"left_behind": len(kill.acted_at), "last_row": kill.last_row}
            seconds = kill.recovery_seconds
            self._log.append(what="recovery", kill=kill.what, killed_at=kill.began, recovery_seconds=seconds, **rows)
        return self._kills

    def killed(self, what: str) -> Kill:
        """To be said right after it: what is leased at the next look may have been the dead process's."""
        kill = Kill(what=what)
        with self._lock:
            self._kills.append(kill)
        return kill

    def _run(self) -> None:
        try:
            while not self._stopped.is_set():
                self._look_on()
        except Exception as error:  # noqa: BLE001  Whoever stops the watch has to hear that it saw nothing.
            self._error = error

    def _look_on(self) -> None:
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
        self.latest_seconds = max(self.latest_seconds, sighting.latest_seconds)
        if sighting.latest_seconds > WORTH_A_LINE_SECONDS and sighting.latest_row != self._last_late:
            self._log.append(what="late", row=sighting.latest_row, seconds=round(sighting.latest_seconds, 1))
            self._last_late = sighting.latest_row
        with self._lock:
            for kill in self._kills:
                kill.look(sighting)


def sighting_of(rows: list[Answer]) -> Sighting:
    at = time.monotonic()
    late = max(((late, row) for row, _, _, late in rows if late is not None), default=(0.0, ""))
    return Sighting(
        at=at,
        leases={row: Lease(token, at + left) for row, token, left, _ in rows if token and left is not None},
        latest_seconds=late[0],
        latest_row=late[1],
    )
