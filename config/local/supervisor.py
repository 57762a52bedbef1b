"""Keeping processes alive: who died, its last words, another try after a while, and at some point no more."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from config.local.processes import Child
from config.local.state import CannotStart

LOOK_SECONDS: Final = 0.2
# 1, 2, 4, 8 and 16 s: a passing fault is over by then, and a lasting one needs a person.
FIRST_PAUSE_SECONDS: Final = 1.0
MOST_RESTARTS: Final = 5
# Whoever lived this long had recovered; its next death is counted from the beginning.
RECOVERED_SECONDS: Final = 60.0


@dataclass
class Supervised:
    child: Child
    start_again: Callable[[], None]
    # Without it there is no Steward to look at, so the whole run ends.
    vital: bool = False
    began: float = field(default_factory=time.monotonic)
    restarts: int = 0
    next_start: float | None = None
    given_up: bool = False


@dataclass
class Supervisor:
    """`changed` is called after each start, so that files which name process ids stay true."""

    say: Callable[[str], None]
    changed: Callable[[], None]
    supervised: list[Supervised] = field(default_factory=list)

    def watch(self, child: Child, *, start_again: Callable[[], None] | None = None, vital: bool = False) -> None:
        self.supervised.append(Supervised(child, start_again or child.start, vital=vital))

    def watch_forever(self) -> None:
        """Until a stop is requested, or something vital cannot be kept alive."""
        while True:
            self.look()
            time.sleep(LOOK_SECONDS)

    def look(self) -> None:
        for one in self.supervised:
            if one.given_up or one.child.is_running():
                continue
            if one.next_start is None:
                self._note_death(one)
            elif time.monotonic() >= one.next_start:
                self._start_again(one)

    def _note_death(self, one: Supervised) -> None:
        name, code = one.child.name, one.child.exit_code
        self.say(f"{name} ended by itself (exit code {code}). The last lines of {one.child.log}:")
        self.say(one.child.last_lines() or "(nothing)")
        one.child.stop(patience_seconds=0)  # Its own children, if it left any.
        if time.monotonic() - one.began > RECOVERED_SECONDS:
            one.restarts = 0
        if one.restarts >= MOST_RESTARTS:
            self._give_up(one)
            return
        pause = FIRST_PAUSE_SECONDS * 2**one.restarts
        one.restarts += 1
        one.next_start = time.monotonic() + pause
        self.say(f"Starting {name} again in {pause:.0f} s (try {one.restarts} of {MOST_RESTARTS}).")

    def _give_up(self, one: Supervised) -> None:
        one.given_up = True
        if one.vital:
            raise CannotStart(f"{one.child.name} cannot be kept alive. Everything stops; see {one.child.log}.")
        self.say(f"{one.child.name} stays down. The rest goes on without it; start again when it is repaired.")

    def _start_again(self, one: Supervised) -> None:
        one.next_start = None
        one.began = time.monotonic()
        one.start_again()
        self.changed()
