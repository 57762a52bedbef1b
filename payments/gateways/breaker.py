"""Circuit breakers: may this provider be asked now? One board per process; Redis makes all processes agree.

Built on pybreaker's breaker, states, storage and listeners, without its `call`: that one holds a lock during the
call and reports the call that trips it, which may have moved money, as if it had never been made.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Any, NoReturn

import pybreaker
from prometheus_client import Gauge

from payments.gateways.breaker_rules import (
    ANYONE,
    MAX_COOL_DOWN_SECONDS,
    BreakerSettings,
    BreakerState,
    Command,
    Permit,
    Rest,
    Verb,
)
from payments.gateways.breaker_storage import CircuitStorage, RedisLink

__all__ = ["Breaker", "BreakerBoard", "BreakerSettings", "BreakerState", "Permit", "Rest"]

logger = logging.getLogger(__name__)

# The order of trouble, so that `max` over processes and an alert on "> 0" both mean what they say.
_GAUGE_VALUES = {BreakerState.CLOSED: 0, BreakerState.HALF_OPEN: 1, BreakerState.OPEN: 2}
STATE_GAUGE = Gauge(
    "steward_breaker_state",
    "0 closed, 1 half-open, 2 open.",
    ["breaker"],
    multiprocess_mode="livemostrecent",  # Each worker sees the same circuit; the latest look is the truest.
)


class LogListener(pybreaker.CircuitBreakerListener):
    def state_change(
        self,
        cb: pybreaker.CircuitBreaker,
        old_state: pybreaker.CircuitBreakerState | None,
        new_state: pybreaker.CircuitBreakerState,
    ) -> None:
        level = logging.WARNING if new_state.name == BreakerState.OPEN else logging.INFO
        logger.log(level, "Circuit %s: %s -> %s", cb.name, old_state.name if old_state else "", new_state.name)


class GaugeListener(pybreaker.CircuitBreakerListener):
    def state_change(
        self,
        cb: pybreaker.CircuitBreaker,
        old_state: pybreaker.CircuitBreakerState | None,
        new_state: pybreaker.CircuitBreakerState,
    ) -> None:
        STATE_GAUGE.labels(breaker=cb.name).set(_GAUGE_VALUES[BreakerState(new_state.name)])


class Breaker(pybreaker.CircuitBreaker):
    """Ask with `acquire`, call without any lock, tell with `record`. Nothing here raises or waits for long."""

    def __init__(
        self,
        *,
        key: str,
        settings: BreakerSettings,
        link: RedisLink | None = None,
        listeners: Sequence[pybreaker.CircuitBreakerListener] = (),
    ) -> None:
        self.settings = settings
        self._circuit = CircuitStorage(key=key, link=link)
        super().__init__(
            fail_max=settings.minimum_calls,
            reset_timeout=settings.cool_down_seconds,
            listeners=list(listeners),
            state_storage=self._circuit,
            name=key,
            throw_new_error_on_trip=False,
        )

    def peek(self) -> BreakerState:
        """For routing and display, at most a moment old. HALF_OPEN: one caller may find out."""
        command = Command(verb=Verb.LOOK, settings=self.settings)
        return self._told(self._circuit.look(command).state(command.now))

    def known(self) -> BreakerState | None:
        """For people: None while Redis is away, because this process alone does not know what the others saw."""
        state = self.peek()
        return None if self._circuit.is_alone else state

    def rest(self) -> Rest | None:
        """For people: None while it is closed."""
        return self._circuit.look(Command(verb=Verb.LOOK, settings=self.settings)).rest()

    def would_allow(self) -> bool:
        """Would `acquire` say yes? It takes nothing, so another caller may still be quicker."""
        command = Command(verb=Verb.LOOK, settings=self.settings)
        snapshot = self._circuit.look(command)
        return not snapshot.is_open or snapshot.is_probe_free(command.now)

    def acquire(self) -> Permit:
        """May I call? Past the cool-down exactly one caller over all processes gets the probe."""
        return self._run(Command(verb=Verb.ACQUIRE, settings=self.settings))

    def acquire_cheaply(self) -> Permit:
        """`acquire` for a circuit that opens by `trip` alone: closed a moment ago is closed enough."""
        if self.peek() is BreakerState.CLOSED:
            return Permit(allowed=True, token=self._circuit.snapshot.generation)
        return self.acquire()

    def record(self, permit: Permit, *, success: bool | None) -> None:
        """Tell what came of a permitted call, once. None says nothing about the provider and gives a probe back."""
        if permit.allowed and (permit.probe or success is not None):
            self._run(Command(verb=Verb.RECORD, settings=self.settings, permit=permit, success=success))

    def trip(self, *, cool_down_seconds: float | None = None, permit: Permit = ANYONE) -> None:
        """Open at once. With a permit only if its call began in the circuit's present life."""
        seconds = min(cool_down_seconds or self.settings.cool_down_seconds, MAX_COOL_DOWN_SECONDS)
        self._run(Command(verb=Verb.TRIP, settings=self.settings, permit=permit, cool_down_seconds=seconds))

    def close(self) -> None:
        """Close at once, for instance after credentials were replaced. Calls under way count no more."""
        self._run(Command(verb=Verb.CLOSE, settings=self.settings))

    def open(self) -> bool:
        self.trip()
        return False

    def half_open(self) -> NoReturn:
        raise TypeError("A circuit is half-open when its cool-down is over, never by order.")

    def call(self, func: Any, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("pybreaker's call() holds a lock during I/O; use acquire() and record().")

    def call_async(self, func: Any, *args: Any, **kwargs: Any) -> NoReturn:
        self.call(func)

    def _run(self, command: Command) -> Permit:
        reply = self._circuit.run(command)
        self._told(reply.snapshot.state(command.now))
        return reply.permit

    def _told(self, state: BreakerState) -> BreakerState:
        """Tell the listeners once per change, outside the lock, and survive a listener that fails."""
        with self._lock:
            if state == self._state.name:
                return state
            before, self._state = self._state, self._create_new_state(state)
            after = self._state
        for listener in self.listeners:
            try:
                listener.state_change(self, before, after)
            except Exception:  # A broken listener is no reason to lose a payment.
                logger.warning("A listener of circuit %s failed.", self.name, exc_info=True)
        return state


class BreakerBoard:
    """All circuits of this process. What one remembers must outlive the payment, so there is one board."""

    def __init__(self, *, redis_url: str = "", namespace: str = "steward") -> None:
        self._link = RedisLink(url=redis_url, namespace=namespace) if redis_url else None
        self._lock = threading.Lock()
        self._breakers: dict[str, Breaker] = {}

    def breaker(self, key: str, *, settings: BreakerSettings | None = None, is_measured: bool = True) -> Breaker:
        """The circuit of this key; new settings take effect at once. Only a bounded set of keys is measured."""
        settings = settings or BreakerSettings()
        with self._lock:
            breaker = self._breakers.get(key)
            if breaker is None:
                breaker = self._breakers[key] = self._new(key, settings, is_measured=is_measured)
        breaker.settings = settings
        return breaker

    def _new(self, key: str, settings: BreakerSettings, *, is_measured: bool) -> Breaker:
        listeners: list[pybreaker.CircuitBreakerListener] = [LogListener()]
        if is_measured:
            listeners.append(GaugeListener())
            STATE_GAUGE.labels(breaker=key)  # Shown from the start; a set value would outshout other workers.
        return Breaker(key=key, settings=settings, link=self._link, listeners=listeners)
