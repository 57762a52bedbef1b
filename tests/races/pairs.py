"""Pairs: which trials belong to two kinds of actors, in every scene, in both roles, for every cut of the first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product

from tests.races.acts import ACTS, Kind, scenes_of
from tests.races.trials import AFTER, Outcome, Race, Races


@dataclass
class Tally:
    """What a number of trials came to."""

    trials: int = 0
    blocked_hand_overs: int = 0
    idle: dict[str, frozenset[int]] = field(default_factory=dict)  # By casting: who never did anything in any order.
    violations: list[str] = field(default_factory=list)

    def add(self, outcome: Outcome, *, casting: str) -> None:
        self.trials += 1
        self.blocked_hand_overs += outcome.times_blocked
        self.idle[casting] = self.idle.get(casting, outcome.idle) & outcome.idle
        if outcome.violations:
            self.violations.append(outcome.told())

    def never_acted(self) -> list[str]:
        return [f"{casting}: number {place}" for casting, places in self.idle.items() for place in sorted(places)]

    def figures(self) -> dict[str, object]:
        return {
            "trials": self.trials,
            "blocked_hand_overs": self.blocked_hand_overs,
            "violations": len(self.violations),
        }


def castings(first: Kind, second: Kind) -> Iterator[tuple[str, tuple[str, str]]]:
    """Scene and acts, the interrupted one first. With itself a kind has one role only."""
    for scene in scenes_of(first, second):
        ways = list(product(ACTS[scene][first], ACTS[scene][second]))
        if first is not second:
            ways += [(b, a) for a, b in ways]
        for one, other in dict.fromkeys(ways):
            yield scene, (one.__name__, other.__name__)


def at_every_cut(ring: Races, scene: str, acts: tuple[str, str]) -> Iterator[Outcome]:
    """The first is interrupted once a trial, at each of its cuts in turn, until it ends before the next one."""
    cuts = 0
    while True:
        cuts += 1
        outcome = ring.run(Race(scene, acts, AFTER, cuts))
        if not outcome.was_interrupted:
            return
        yield outcome


def at_some_cuts(ring: Races, scene: str, acts: tuple[str, str], cuts: Iterable[int]) -> Iterator[Outcome]:
    for cut in cuts:
        yield ring.run(Race(scene, acts, AFTER, cut))
