"""How far it is: a bar for whoever watches a terminal, a line every few seconds for whoever reads a log."""

from __future__ import annotations

from typing import Protocol

from kernel import clock

_WIDTH = 40
_A_TICK = 0.001
_SECONDS = 5.0  # Between two lines of a log.


class Screen(Protocol):
    def write(self, text: str) -> object: ...
    def flush(self) -> None: ...
    def isatty(self) -> bool: ...


class Progress:
    def __init__(self, screen: Screen, *, wanted: int) -> None:
        self._screen, self._wanted = screen, wanted
        self._started = self._said = clock.monotonic()

    @property
    def seconds(self) -> float:
        return clock.monotonic() - self._started

    def tell(self, done: int) -> None:
        if self._screen.isatty():
            self._screen.write(f"\r{self._bar(done)} {self._words(done)}")
            if done >= self._wanted:
                self._screen.write("\n")
            self._screen.flush()
        elif done >= self._wanted or clock.monotonic() - self._said >= _SECONDS:
            self._said = clock.monotonic()
            self._screen.write(f"{self._words(done)}\n")

    def _bar(self, done: int) -> str:
        full = _WIDTH * min(done, self._wanted) // max(self._wanted, 1)
        return f"[{'#' * full}{'.' * (_WIDTH - full)}]"

    def _words(self, done: int) -> str:
        rate = done / max(self.seconds, _A_TICK)
        left = int((self._wanted - done) / max(rate, 1))
        return f"{done:,} of {self._wanted:,} payments, {rate:,.0f} per second, {left} s left"
