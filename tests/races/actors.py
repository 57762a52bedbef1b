"""Actors: threads with a connection of their own that stop at every cut until they are handed the baton."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from queue import SimpleQueue
from typing import Any
from unittest import mock

from django.db import connection, connections

from kernel.errors import ServiceError

Work = Callable[[], object]
START, COMMIT = "start", "COMMIT"
JOIN_SECONDS = 5.0  # Whoever does not come home was reported already, and is a daemon.
_TABLE = re.compile(r'\b(?:FROM|INTO|UPDATE)\s+"?(\w+)"?')
_WRITES = ("INSERT", "UPDATE", "DELETE")
# After these nobody else can tell that something happened. What only one transaction ever reads or appends to is its
# own; rows that it updates are seen and free, or locked, only together with the rest: before it and at its COMMIT,
# which is always a cut.
_QUIET = re.compile(
    r"SAVEPOINT|RELEASE|INSERT events_|SELECT accounts_|SELECT payments_breakeroverride"
    r"|UPDATE (orders_order|payments_payment|payments_attempt|payments_refund)$"
)


class Where(StrEnum):
    PARKED = "parked"  # At a cut, without the baton.
    MOVING = "moving"
    BLOCKED = "blocked"  # In the database, behind a lock that somebody who is parked holds.
    DONE = "done"


class Abandoned(BaseException):
    """The stage gave up on this trial. No `except Exception` of the product may swallow it."""


@dataclass(eq=False)
class Actor:
    name: str
    work: Work
    changed: threading.Condition  # The stage's: it hears of every change of `where`.
    arrives: Callable[[Actor, str], None]  # Writes down each of its cuts.
    is_anybody_blocked: Callable[[], bool]
    where: Where = Where.PARKED
    at: str = START
    backend: int = 0
    has_committed: bool = False  # Some row that it wrote: what was rolled back is nobody's act.
    times_blocked: int = 0
    refused: str = ""
    failure: BaseException | None = None
    is_abandoned: bool = False
    _left: int = 0  # Cuts that it may run through before it stops.
    _is_news: bool = True  # Something happened since its last cut that others can tell.
    _has_waited: bool = False
    _has_written: bool = False  # In the transaction that is still open.
    _turn: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    @property
    def is_done(self) -> bool:
        return self.where is Where.DONE

    # --- By the stage, which holds `changed` ----------------------------------------------------------------------

    def hand_over(self, cuts: int) -> None:
        """For so many cuts."""
        self._left = cuts
        self.where = Where.MOVING
        self._turn.release()

    def is_seen_waiting(self) -> None:
        self.where = Where.BLOCKED
        self.times_blocked += not self._has_waited
        self._has_waited = True

    # --- By its own thread ----------------------------------------------------------------------------------------

    def cut(self, place: str) -> None:
        """Somebody else may go on here. Whoever waits for a lock may be free by now: then it stops in any case."""
        if connection.connection is None:
            self.backend = 0  # It went back to the pool: from now on it may be somebody else's.
        self._left -= self._is_news
        self.arrives(self, place if self._is_news else f"({place})")
        if (self._left <= 0 and self._is_news) or self.is_anybody_blocked():
            self._park(place)
        self._is_news = not (_QUIET.match(place) and connection.in_atomic_block)

    def before_and_after(self, place: str, act: Callable[[], Any]) -> Any:
        """One thing that the database does for it, behind a cut; whoever had to wait for it stops once more."""
        self._is_news = self._is_news or place == COMMIT
        self.cut(place)
        connections["default"].ensure_connection()
        self.backend = connections["default"].connection.info.backend_pid
        try:
            return act()
        finally:
            if self._has_waited:
                self._has_waited = False
                self.arrives(self, f"{place}, at last")
                self._park(place)

    def perform(self) -> None:
        """The whole of it, from its first turn."""
        self._turn.acquire()
        try:
            with ExitStack() as stack:
                self._cut_at_the_database(stack)
                if not self.is_abandoned:
                    self.work()
        except ServiceError as refused:
            self.refused = refused.code
        except (Exception, Abandoned) as error:  # noqa: BLE001  The trial reports it as what it is: a finding.
            self.failure = error
        finally:
            connection.close()
            self.arrives(self, f"its end {self.refused}".strip())
            self._is_now(Where.DONE, "its end")

    def _cut_at_the_database(self, stack: ExitStack) -> None:
        mine: Any = connections["default"]  # The stubs do not know `_commit`.
        commit, roll_back = mine._commit, mine._rollback

        def commit_at_a_cut() -> None:
            self.before_and_after(COMMIT, commit)
            self._keep_what_was_written()
            self._let_go()

        def roll_back_and_let_go() -> None:
            roll_back()
            self._has_written = False
            self._let_go()

        stack.enter_context(connection.execute_wrapper(self._statement))
        # Django sends COMMIT past its cursors. Between a last statement and its commit others read what was before.
        stack.enter_context(mock.patch.object(mine, "_commit", commit_at_a_cut))
        stack.enter_context(mock.patch.object(mine, "_rollback", roll_back_and_let_go))

    def _statement(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        place = in_short(str(sql))
        answer = self.before_and_after(place, lambda: execute(sql, params, many, context))
        if place.startswith(_WRITES) and context["cursor"].rowcount:
            self._has_written = True
            if not connection.in_atomic_block:
                self._keep_what_was_written()
        return answer

    def _keep_what_was_written(self) -> None:
        self.has_committed, self._has_written = self.has_committed or self._has_written, False

    def _let_go(self) -> None:
        """Whoever waited for these locks has them now, and comes to its own stop before anybody goes on."""
        if self.is_anybody_blocked():
            self._park("its locks are free")

    def _park(self, place: str) -> None:
        self._is_now(Where.PARKED, place)
        self._turn.acquire()
        if self.is_abandoned:
            raise Abandoned

    def _is_now(self, where: Where, place: str) -> None:
        with self.changed:
            self.where, self.at = where, place
            self.changed.notify_all()


def in_short(sql: str) -> str:
    """Verb, table, and whether it takes locks."""
    verb = sql.lstrip("(").split(None, 1)[0].upper()
    table = _TABLE.search(sql)
    locks = " FOR UPDATE" if " FOR UPDATE" in sql else ""
    skips = " SKIP LOCKED" if "SKIP LOCKED" in sql else ""
    return f"{verb} {table[1] if table else ''}{locks}{skips}".strip()


class Troupe:
    """Threads that live from trial to trial: starting one costs more than many a race."""

    def __init__(self, size: int) -> None:
        self._parts: list[SimpleQueue[Work | None]] = [SimpleQueue() for _ in range(size)]
        self._threads = [threading.Thread(target=_play, args=(part,), daemon=True) for part in self._parts]
        for thread in self._threads:
            thread.start()

    def give(self, number: int, part: Work) -> None:
        self._parts[number].put(part)

    def dismiss(self) -> None:
        for part in self._parts:
            part.put(None)
        for thread in self._threads:
            thread.join(JOIN_SECONDS)


def _play(parts: SimpleQueue[Work | None]) -> None:
    while (part := parts.get()) is not None:
        part()
    connection.close()
