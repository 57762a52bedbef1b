"""Time and randomness that belong to a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

# A fixed beginning: two runs of a seed have the same ids to the last bit.
BEGINNING = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
# Between two looks at the clock something was done: nothing happens at the same instant as something else.
TICK = timedelta(microseconds=50)


class SeedClock:
    def __init__(self, seed: int) -> None:
        self._now = BEGINNING
        self._random = dice("product", seed)

    def now(self) -> datetime:
        self._now += TICK
        return self._now

    def near_now(self) -> datetime:
        return self.now()

    def keep_true(self) -> None:
        """It is true."""

    def monotonic(self) -> float:
        return (self.now() - BEGINNING).total_seconds()

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def random(self) -> float:
        return self._random.random()

    def random_bits(self, count: int) -> int:
        return self._random.getrandbits(count)

    def reseed(self, draw: int) -> None:
        """From here on chance is that of one move: what other moves asked for changes nothing in it."""
        self._random = dice("product", draw)

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=max(0.0, seconds))

    def jump_to(self, moment: datetime) -> None:
        self._now = max(self._now, moment)

    @contextmanager
    def as_of(self, moment: datetime) -> Iterator[None]:
        """What happened meanwhile, and nobody was looking, happened then."""
        before, self._now = self._now, min(self._now, moment)
        try:
            yield
        finally:
            self._now = before


def dice(purpose: str, seed: int) -> random.Random:
    return random.Random(f"{purpose} {seed}")  # noqa: S311  It has to be guessable: that is what a seed is.
