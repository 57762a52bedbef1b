"""The stage: one baton for two or three actors, and the knowledge of who waits for whom."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from tests.races.actors import Actor, Troupe, Where, Work
from tests.races.locks import Locks

MOST_ACTORS = 3
MOST_CUTS = 10_000  # Far beyond the longest actor: to its end.
# PostgreSQL looks for deadlocks after a second; what has not moved after many of them never will.
PATIENCE_SECONDS = 30.0
# How long an actor may be under way before PostgreSQL is asked whether it waits. Most statements take less.
FIRST_LOOK_SECONDS = 0.002
LAST_LOOK_SECONDS = 0.05  # The looks become rarer: a slow statement is not made quicker by being watched.


class Stuck(AssertionError):
    """Nobody can go on, and nobody waits for anybody: the harness does not understand what it sees."""


class Stage:
    def __init__(self, locks: Locks) -> None:
        self.actors: list[Actor] = []
        self.sequence: list[str] = []  # Of cuts: who went on to where.
        self._locks = locks
        self._changed = threading.Condition()
        self._here = threading.local()
        self._troupe = Troupe(MOST_ACTORS)

    def close(self) -> None:
        self._troupe.dismiss()

    def begin(self, parts: Sequence[tuple[str, Work]]) -> list[Actor]:
        """All are parked before their first step."""
        self.sequence = []
        self.actors = [
            Actor(name, work, self._changed, arrives=self._write_down, is_anybody_blocked=self._is_anybody_blocked)
            for name, work in parts
        ]
        for number, actor in enumerate(self.actors):
            self._troupe.give(number, lambda actor=actor: self._enter(actor))  # type: ignore[misc]  # Bound per round.
        return self.actors

    def cut(self, place: str) -> None:
        """Called from wherever work can be interrupted outside the database; off stage it means nothing."""
        actor: Actor | None = getattr(self._here, "actor", None)
        if actor is not None:
            actor.cut(place)

    @property
    def ready(self) -> list[Actor]:
        return [actor for actor in self.actors if actor.where is Where.PARKED]

    @property
    def is_over(self) -> bool:
        return all(actor.is_done for actor in self.actors)

    def go_on(self, actor: Actor, *, cuts: int) -> None:
        """Hand over the baton for so many cuts; it comes back earlier at an end, and at a lock that somebody holds."""
        with self._changed:
            actor.hand_over(cuts)
        self._settle()
        if actor.where is Where.BLOCKED:
            self._write_down(actor, "waits")

    def run(self, actor: Actor) -> None:
        """As far as it can: to its end, or until it is blocked."""
        while actor.where is Where.PARKED:
            self.go_on(actor, cuts=MOST_CUTS)

    def finish(self) -> None:
        """Everybody in their order, whoever can; and again, as long as somebody's end frees somebody else."""
        while not self.is_over:
            if not self.ready:
                raise Stuck(self.picture())
            for actor in self.actors:
                self.run(actor)

    def abandon_whoever_is_left(self) -> None:
        """They are told to stop: those who wait for the baton by handing it over, the others in the database."""
        left = [actor for actor in self.actors if not actor.is_done]
        if not left:
            return
        with self._changed:
            for actor in left:
                actor.is_abandoned = True
                actor.hand_over(MOST_CUTS)
        self._locks.end(actor.backend for actor in left if actor.backend)
        with self._changed:
            self._changed.wait_for(lambda: self.is_over, PATIENCE_SECONDS)

    def picture(self) -> str:
        return "; ".join(f"{actor.name} is {actor.where} at {actor.at}" for actor in self.actors)

    def _write_down(self, actor: Actor, place: str) -> None:
        self.sequence.append(f"{actor.name}: {place}")

    def _is_anybody_blocked(self) -> bool:
        return any(actor.where is Where.BLOCKED for actor in self.actors)

    def _enter(self, actor: Actor) -> None:
        self._here.actor = actor
        try:
            actor.perform()
        finally:
            self._here.actor = None

    # --- Who waits for whom ---------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Until everybody has arrived somewhere, or provably waits for somebody who has."""
        until, look = time.monotonic() + PATIENCE_SECONDS, FIRST_LOOK_SECONDS
        while time.monotonic() < until:
            with self._changed:
                arrived = self._changed.wait_for(lambda: not self._moving(), look)
            if arrived and not self._look_whether_freed():
                return
            if not arrived:
                self._look_who_waits()
                look = min(2 * look, LAST_LOOK_SECONDS)
        raise Stuck(self.picture())

    def _moving(self) -> list[Actor]:
        return [actor for actor in self.actors if actor.where is Where.MOVING]

    def _look_whether_freed(self) -> bool:
        """A commit, a rollback or an end may have let somebody go: that one is under way again."""
        blocked = [actor for actor in self.actors if actor.where is Where.BLOCKED]
        if not blocked:
            return False
        waiting = self._waiting()
        with self._changed:
            freed = [actor for actor in blocked if actor not in waiting and actor.where is Where.BLOCKED]
            for actor in freed:
                actor.where = Where.MOVING
        return bool(freed)

    def _look_who_waits(self) -> None:
        waiting = self._waiting()
        with self._changed:
            for actor in waiting:
                if actor.where is Where.MOVING:
                    actor.is_seen_waiting()

    def _waiting(self) -> list[Actor]:
        """Who waits for one that is parked, or for one that does. A circle is none: PostgreSQL breaks it."""
        at = {actor: actor.backend for actor in self.actors if actor.where in {Where.MOVING, Where.BLOCKED}}
        holders = self._locks.holders(at.values())
        settled = {actor.backend for actor in self.actors if actor.where is Where.PARKED}
        waiting: list[Actor] = []
        for _ in at:
            for actor, backend in at.items():
                if actor not in waiting and holders[backend] and holders[backend] <= settled:
                    waiting.append(actor)
                    settled.add(backend)
        return waiting
