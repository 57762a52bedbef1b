"""Actors: work that is cut at its phase boundaries, where others go on or its process dies."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from django.db import connection

from kernel import crashpoints
from kernel.crashpoints import CrashPoint
from kernel.errors import ServiceError


class Killed(BaseException):
    """The actor's process died here. No `except Exception` of the product may swallow it."""


class _Thread:
    """Plays one actor after the other: making threads, and a database wrapper in each, takes longer than most parts."""

    def __init__(self) -> None:
        self._parts: SimpleQueue[Callable[[], None]] = SimpleQueue()
        threading.Thread(target=self._play, daemon=True).start()

    def run(self, part: Callable[[], None]) -> None:
        self._parts.put(part)

    def _play(self) -> None:
        while True:
            self._parts.get()()
            _idle.append(self)


_idle: list[_Thread] = []


def _a_thread() -> _Thread:
    return _idle.pop() if _idle else _Thread()


class Actor:
    """Runs only while the stage lets it; between two cuts nobody else runs."""

    def __init__(self, stage: Stage, name: str, work: Callable[[], object]) -> None:
        self.name = name
        self.at = "start"
        self.is_done = False
        self.refused = ""
        self.failure: Exception | None = None
        self._stage, self._work = stage, work
        self._turn = threading.Semaphore(0)
        self._is_killed = False
        _a_thread().run(self._run)

    def go_on(self) -> None:
        """To its next cut, or to its end."""
        self._stage.current = self
        self._turn.release()
        self._stage.back.acquire()
        self._stage.current = None

    def kill(self) -> None:
        """What it had in memory is gone."""
        self._is_killed = True
        self.go_on()

    def cut(self, place: str) -> None:
        self.at = place
        self._stage.back.release()
        self._turn.acquire()
        if self._is_killed:
            raise Killed

    def _run(self) -> None:
        self._turn.acquire()
        try:
            if not self._is_killed:
                with connection.execute_wrapper(self._stage.watch):
                    self._work()
        except Killed:
            self.at = "killed"
        except ServiceError as refused:
            self.refused = refused.code
        except Exception as error:  # noqa: BLE001  The stage reports it as what it is: a finding.
            self.failure = error
        finally:
            connection.close()
            self.is_done = True
            self._stage.back.release()


class Stage:
    """Holds the baton: one actor at a time, in the order that the seed says."""

    def __init__(self, *, dies_before_commit: Callable[[], bool], watch: Callable[..., Any]) -> None:
        self.back = threading.Semaphore(0)
        self.current: Actor | None = None
        self.actors: list[Actor] = []
        self.sleepers: list[Actor] = []  # Stopped as a process is by a debugger, a full disk or a frozen machine.
        self.failures: list[str] = []  # Of those who have left, however they ended.
        self.watch = watch
        self._dies_before_commit = dies_before_commit

    def enter(self, name: str, work: Callable[[], object]) -> None:
        self.actors.append(Actor(self, name, work))

    def cut(self, place: str) -> None:
        """Called from wherever work can be interrupted; outside any actor it means nothing."""
        if self.current is None:
            return
        if not connection.in_atomic_block:
            self.current.cut(place)
        elif self._dies_before_commit():
            raise Killed  # In the middle of a transaction nobody else can go on, but its process can die.

    def leave(self, actor: Actor) -> None:
        self.actors.remove(actor)
        if actor.failure is not None:
            self.failures.append(f"{actor.name} broke: {actor.failure!r}")

    def pause(self, actor: Actor) -> None:
        """It goes on where it is, and believes what it knew, whenever somebody wakes it."""
        self.actors.remove(actor)
        self.sleepers.append(actor)

    def wake(self) -> None:
        self.actors += self.sleepers
        self.sleepers.clear()

    def clear(self) -> None:
        """Every process ends here, wherever it was."""
        self.wake()
        for actor in list(self.actors):
            actor.kill()
            self.leave(actor)

    def install(self) -> Callable[[CrashPoint], None] | None:
        return crashpoints.install(self.cut)
