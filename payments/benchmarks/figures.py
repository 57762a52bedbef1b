"""Figures: what was measured, as percentiles, medians and tables. Nothing here measures."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kernel import clock

FRACTIONS = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
MILLISECONDS = 1000
TITLES = ("", "per second", *(f"{name} ms" for name in FRACTIONS), "statements", "commits")
COLUMN_GAP = 3  # Wide enough to tell "12 (11-13)" from its neighbour.

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """So many acts: how long each took, and how long all of them took, which is less where they overlapped."""

    seconds: Sequence[float]
    elapsed_seconds: float

    @classmethod
    def one_by_one(cls, seconds: Sequence[float]) -> Measured:
        return cls(seconds=seconds, elapsed_seconds=math.fsum(seconds))

    @property
    def per_second(self) -> float:
        return len(self.seconds) / self.elapsed_seconds

    def as_json(self) -> dict[str, float]:
        return {
            "per_second": self.per_second,
            **{f"{name}_ms": each for name, each in percentiles(self.seconds).items()},
        }


@dataclass(frozen=True, slots=True)
class Spread:
    """The same thing measured several times."""

    values: Sequence[float]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def as_text(self, digits: int = 1) -> str:
        middle, low, high = (f"{each:.{digits}f}" for each in (self.median, min(self.values), max(self.values)))
        return middle if len(self.values) == 1 else f"{middle} ({low}-{high})"

    def as_json(self) -> dict[str, Any]:
        return {"median": self.median, "low": min(self.values), "high": max(self.values), "each": list(self.values)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a table of TITLES: the same acts, in one run or in several."""

    name: str
    runs: Sequence[Measured]
    statements: int
    commits: int

    @property
    def per_second(self) -> Spread:
        return Spread([run.per_second for run in self.runs])

    def cells(self) -> list[str]:
        times = [spread.as_text() for spread in self._times().values()]
        return [self.name, self.per_second.as_text(0), *times, str(self.statements), str(self.commits)]

    def as_json(self) -> dict[str, Any]:
        times = {f"{name}_ms": spread.as_json() for name, spread in self._times().items()}
        counts = {"statements": self.statements, "commits": self.commits}
        return {"per_second": self.per_second.as_json(), **times, **counts}

    def _times(self) -> dict[str, Spread]:
        runs = [percentiles(run.seconds) for run in self.runs]
        return {name: Spread([run[name] for run in runs]) for name in FRACTIONS}


def table(*rows: Sequence[str]) -> str:
    widths = [COLUMN_GAP + max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """In milliseconds; each of them was really measured."""
    ordered = sorted(seconds)
    return {name: MILLISECONDS * ordered[int(share * (len(ordered) - 1))] for name, share in FRACTIONS.items()}


def spoken(seconds: Sequence[float]) -> str:
    return ", ".join(f"{name} {each:.1f} ms" for name, each in percentiles(seconds).items())


def seconds_of(act: Callable[[], Any]) -> float:
    started = clock.monotonic()
    act()
    return clock.monotonic() - started
