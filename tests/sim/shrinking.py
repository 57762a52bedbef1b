"""A story with a violation, cut down to the moves that it needs, and kept so that it is told again for ever."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.sim.moves import Move
from tests.sim.simulation import Outcome, simulate

REGRESSIONS = Path(__file__).parent / "regressions"
# Some hundred tellings are a minute; what is still long then is short enough to be read.
MOST_TELLINGS = 400

_INVARIANT = re.compile(r"I\d+\b")
_ERROR = re.compile(r": (\w+)\(")
_RULE = re.compile(r'constraint "(\w+)"|pgtrigger_(\w+)_[0-9a-f]+\(\)')


def kind_of(violation: str) -> str:
    """Which invariant, or which error, with the database's rule that raised it.

    A shorter story that breaks something else is another story.
    """
    if invariant := _INVARIANT.match(violation):
        return invariant[0]
    error, rule = _ERROR.search(violation), _RULE.search(violation)
    if error is None:
        return violation
    return f"{error[1]} {rule[1] or rule[2]}" if rule else error[1]


def shrunk(outcome: Outcome) -> Outcome:
    """Pieces are left out, halves first, single moves last, as long as the same thing still breaks."""
    wanted, best, tellings = kind_of(outcome.violations[0]), outcome, 0

    def breaks(moves: Sequence[Move]) -> bool:
        nonlocal best, tellings
        tellings += 1
        told = simulate(outcome.seed, profile=outcome.profile, moves=moves)
        if not any(kind_of(each) == wanted for each in told.violations):
            return False
        best = told
        return True

    size = len(outcome.moves) // 2
    while size and tellings < MOST_TELLINGS:
        size = size if _leave_out(size, lambda: best.moves, breaks) else size // 2
    return best


def _leave_out(size: int, moves: Callable[[], Sequence[Move]], breaks: Callable[[Sequence[Move]], bool]) -> bool:
    """From the end, because what came after the violation is needed least. Whether anything could be left out."""
    found, end = False, len(moves())
    while end > 0:
        start = max(0, end - size)
        if breaks([*moves()[:start], *moves()[end:]]):
            found = True
        end = start
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A story that was a violation once, and the sabotage that brings its fault back, if there is one yet."""

    found: str
    fault: str
    seed: int
    profile: str
    moves: Sequence[Move]

    def told(self) -> Outcome:
        return simulate(self.seed, profile=self.profile, moves=self.moves)


def keep(outcome: Outcome, name: str, *, found: str, fault: str = "") -> Path:
    """For ever: every test run tells it again."""
    path = REGRESSIONS / f"{name}.json"
    content = {
        "found": found,
        "fault": fault,
        "seed": outcome.seed,
        "profile": outcome.profile,
        "moves": [[each.kind, each.draw] for each in outcome.moves],
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path


def kept_in(path: Path) -> Kept:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return Kept(**{**content, "moves": [Move(kind, draw) for kind, draw in content["moves"]]})
