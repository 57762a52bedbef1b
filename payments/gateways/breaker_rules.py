"""By which rules a circuit changes: pure values, and the same rules once in this process's memory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import ClassVar

import pybreaker

from kernel import clock

# Ten steps forget old calls smoothly enough and keep the window at twenty counters.
BUCKETS = 10
# A longer stop is an operator's decision with a name and a reason, not a breaker's.
MAX_COOL_DOWN_SECONDS = 24 * 3600.0
MILLISECONDS = 1000


class BreakerState(StrEnum):
    CLOSED = pybreaker.STATE_CLOSED
    OPEN = pybreaker.STATE_OPEN
    HALF_OPEN = pybreaker.STATE_HALF_OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerSettings:
    """When a circuit opens and for how long. The defaults suit a provider that is asked a few times a minute."""

    window_seconds: float = 120.0  # A quiet lunch still brings enough calls; an old outage is soon forgotten.
    failure_rate: float = 0.5  # A provider that loses every second guest is down, whatever its status page says.
    minimum_calls: int = 5  # Fewer are bad luck. Five time-outs are 50 s of guests who wait for nothing.
    cool_down_seconds: float = 30.0  # One guest in half a minute may find out whether it is over.
    probe_lease_seconds: float = 15.0  # A provider's total deadline (10 s) and room to write down its answer.

    def __post_init__(self) -> None:
        if not 0 < self.failure_rate <= 1 or self.minimum_calls < 1:
            raise ValueError("A failure rate is above 0 and at most 1, and at least one call is needed.")
        if self.window_seconds <= 0 or self.probe_lease_seconds <= 0:
            raise ValueError("A window and a probe's lease are longer than nothing.")
        if not 0 < self.cool_down_seconds <= MAX_COOL_DOWN_SECONDS:
            raise ValueError(f"A cool-down is above 0 and at most {MAX_COOL_DOWN_SECONDS:.0f} seconds.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """An answer to "may I call?". The token says which life of the circuit it belongs to."""

    allowed: bool
    probe: bool = False
    token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """Since when a circuit is open, and from when on somebody may find out whether it is over."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that is known of a circuit, in milliseconds since the epoch. No generation: nothing was ever stored."""

    generation: str = ""  # A new one with each trip and each close, so that late results are recognised.
    is_open: bool = False
    opened_at: int = 0
    cool_down: int = 0
    probe: str = ""
    probe_until: int = 0

    def state(self, now: int) -> BreakerState:
        if not self.is_open:
            return BreakerState.CLOSED
        return BreakerState.HALF_OPEN if now >= self.opened_at + self.cool_down else BreakerState.OPEN

    def rest(self) -> Rest | None:
        if not self.is_open:
            return None
        return Rest(since=_moment(self.opened_at), until=_moment(self.opened_at + self.cool_down))

    def is_probe_free(self, now: int) -> bool:
        return self.state(now) is BreakerState.HALF_OPEN and (not self.probe or now >= self.probe_until)

    def accepts(self, permit: Permit) -> bool:
        """A result counts only in the life of the circuit in which its call began."""
        if permit.probe:
            return self.is_open and self.probe == permit.token
        return permit.allowed and not self.is_open and self.generation == permit.token

    def settled(self, now: int, lease: int) -> Snapshot:
        """No time lies in the future: a process whose clock ran ahead would close a circuit for hours."""
        return replace(self, opened_at=min(self.opened_at, now), probe_until=min(self.probe_until, now + lease))


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / MILLISECONDS, tz=UTC)


class Verb(StrEnum):
    LOOK = "look"
    ACQUIRE = "acquire"
    RECORD = "record"
    TRIP = "trip"
    CLOSE = "close"
    REMIND = "remind"  # Put back what Redis forgot.


ANYONE = Permit(allowed=False)  # Behind a verb that no call asked for; also the plain refusal.


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One step of a circuit with everything it depends on, so that memory and Redis compute the same."""

    verb: Verb
    settings: BreakerSettings
    permit: Permit = ANYONE
    success: bool | None = None
    cool_down_seconds: float = 0.0
    seen: str = ""  # REMIND: the generation that this replaces.
    memory: Snapshot = Snapshot()  # REMIND: what is put back.
    now: int = field(default_factory=lambda: int(clock.now().timestamp() * MILLISECONDS))
    fresh: str = field(default_factory=lambda: clock.new_id().hex)  # The name of a new generation or probe.

    @property
    def cool_down(self) -> int:
        return int((self.cool_down_seconds or self.settings.cool_down_seconds) * MILLISECONDS)

    @property
    def lease(self) -> int:
        return int(self.settings.probe_lease_seconds * MILLISECONDS)

    @property
    def bucket_width(self) -> int:
        return max(1, int(self.settings.window_seconds * MILLISECONDS / BUCKETS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    snapshot: Snapshot
    permit: Permit = ANYONE


class LocalCircuit:
    """The rules in this process's memory: the stand-in for Redis, and the memory of what Redis last said."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # Held for arithmetic only.
        self._calls: dict[tuple[int, bool], int] = {}
        self._adopted = ""  # The generation that Redis last told us.
        self.snapshot = Snapshot()

    def run(self, command: Command) -> Reply:
        with self._lock:
            self.snapshot = self.snapshot.settled(command.now, command.lease)
            permit = self._VERBS[command.verb](self, command)
            return Reply(snapshot=self.snapshot, permit=permit)

    def adopt(self, shared: Snapshot) -> None:
        with self._lock:
            if shared.generation != self.snapshot.generation:
                self._calls.clear()
            self.snapshot = shared
            self._adopted = shared.generation

    def knows_better(self, shared: Snapshot, now: int) -> bool:
        """Redis was flushed while the circuit was open, or did not hear that it opened while Redis was away."""
        with self._lock:
            mine = self.snapshot
            if not mine.is_open or shared.is_open:
                return False
            opened_alone = mine.generation != self._adopted and mine.state(now) is BreakerState.OPEN
            return not shared.generation or opened_alone

    def count(self, *, success: bool) -> int:
        with self._lock:
            return sum(number for (_, outcome), number in self._calls.items() if outcome is success)

    def _look(self, command: Command) -> Permit:
        return ANYONE

    def _acquire(self, command: Command) -> Permit:
        if not self.snapshot.is_open:
            return Permit(allowed=True, token=self.snapshot.generation)
        if not self.snapshot.is_probe_free(command.now):
            return ANYONE
        self.snapshot = replace(self.snapshot, probe=command.fresh, probe_until=command.now + command.lease)
        return Permit(allowed=True, probe=True, token=command.fresh)

    def _record(self, command: Command) -> Permit:
        if not self.snapshot.accepts(command.permit):
            return ANYONE
        if command.permit.probe:
            self._end_probe(command)
        elif command.success is not None:
            self._count(command, success=command.success)
            if not command.success and self._is_failing(command.settings):
                self._open(command)
        return ANYONE

    def _end_probe(self, command: Command) -> None:
        if command.success is None:
            self.snapshot = replace(self.snapshot, probe="", probe_until=0)
        elif command.success:
            self._close(command)
        else:
            self._open(command)

    def _count(self, command: Command, *, success: bool) -> None:
        bucket = command.now - command.now % command.bucket_width
        self._calls[bucket, success] = self._calls.get((bucket, success), 0) + 1
        oldest = command.now - command.bucket_width * BUCKETS
        self._calls = {place: calls for place, calls in self._calls.items() if oldest < place[0] <= command.now}

    def _is_failing(self, settings: BreakerSettings) -> bool:
        failures = sum(number for (_, success), number in self._calls.items() if not success)
        total = sum(self._calls.values())
        return total >= settings.minimum_calls and failures >= settings.failure_rate * total

    def _trip(self, command: Command) -> Permit:
        if not command.permit.allowed or self.snapshot.accepts(command.permit):
            self._open(command)
        return ANYONE

    def _open(self, command: Command) -> None:
        self._calls.clear()
        self.snapshot = Snapshot(
            generation=command.fresh, is_open=True, opened_at=command.now, cool_down=command.cool_down
        )

    def _close(self, command: Command) -> Permit:
        self._calls.clear()
        self.snapshot = Snapshot(generation=command.fresh)
        return ANYONE

    def _remind(self, command: Command) -> Permit:
        if self.snapshot.generation == command.seen:
            self._calls.clear()
            self.snapshot = command.memory
        return ANYONE

    _VERBS: ClassVar[dict[Verb, Callable[[LocalCircuit, Command], Permit]]] = {
        Verb.LOOK: _look,
        Verb.ACQUIRE: _acquire,
        Verb.RECORD: _record,
        Verb.TRIP: _trip,
        Verb.CLOSE: _close,
        Verb.REMIND: _remind,
    }
