"""A story with a violation, cut down to the moves that it needs, and kept so that it is told again for ever."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.sim.moves import Move
from tests.sim.simulation import Outcome, simulate

REGRESSIONS = Path(__file__).parent / "regressions"
# Some hundred tellings are a minute; what is still long then is short enough to be read.
MOST_TELLINGS = 400


def kind_of(violation: str) -> str:
    """Which invariant, or which error: a shorter story that breaks something else is another story."""
    return violation.partition(":")[0]


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


def keep(outcome: Outcome, name: str, *, found: str) -> Path:
    """For ever: every test run tells it again."""
    path = REGRESSIONS / f"{name}.json"
    content = {
        "found": found,
        "seed": outcome.seed,
        "profile": outcome.profile,
        "moves": [[each.kind, each.draw] for each in outcome.moves],
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path


def told_again(path: Path) -> Outcome:
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    moves = [Move(kind, draw) for kind, draw in kept["moves"]]
    return simulate(kept["seed"], profile=kept["profile"], moves=moves)
