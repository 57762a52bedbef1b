"""What happens in a seed, as a list that can be cut: a move is its kind, and a number that decides its chances."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.sim.clock import dice

# One of those who are under way goes on to its next cut, or dies there.
GO_ON = "go_on"
GOING_ON = 0.55
# No mixture of a seed leaves a kind of move out for good.
FLAVOURS = (0.2, 1.0, 1.0, 4.0)


@dataclass(frozen=True, slots=True)
class Move:
    kind: str
    draw: int

    @property
    def dice(self) -> random.Random:
        return dice("move", self.draw)


def moves_of(seed: int, *, steps: int, weights: Mapping[str, int]) -> Sequence[Move]:
    """Each seed likes some kinds more than others: an evening of refunds, a night of deployments."""
    rng = dice("moves", seed)
    flavoured = {kind: weight * rng.choice(FLAVOURS) for kind, weight in weights.items()}
    return [_move(rng, flavoured) for _ in range(steps)]


def _move(rng: random.Random, weights: Mapping[str, float]) -> Move:
    kind = rng.choices(list(weights), weights=list(weights.values()))[0]
    return Move(GO_ON if rng.random() < GOING_ON else kind, rng.getrandbits(63))
