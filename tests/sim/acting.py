"""What all kinds of moves have in common: a move looks at the world, draws its chances, and lets somebody act."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from tests.sim.world import World

Act = Callable[[World], None]
ACTIONS: dict[str, Act] = {}
WEIGHTS: dict[str, int] = {}
Row = TypeVar("Row")
# An actor that is not chosen waits at its cut; more of them are only a slower story.
MOST_ACTORS = 6


def move(weight: int) -> Callable[[Act], Act]:
    """How often it happens, against the others."""

    def register(act: Act) -> Act:
        ACTIONS[act.__name__], WEIGHTS[act.__name__] = act, weight
        return act

    return register


def any_of(world: World, rows: Iterable[Row]) -> Row | None:
    """Any of them, as the move says."""
    found = list(rows)
    return world.rng.choice(found) if found else None


def any_row(world: World, question: str) -> tuple[Any, ...] | None:
    """Any row of an answer. The question gives them an order, or the move would not decide."""
    return any_of(world, world.reader.rows(question))


def enter(world: World, name: str, work: Callable[[], object]) -> None:
    world.say(name)
    world.stage.enter(name, work)
