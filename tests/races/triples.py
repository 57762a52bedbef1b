"""Triples: three actors in one scene, in an order that a seed draws."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.races.acts import ACTS, Kind, scenes_of
from tests.races.trials import SEED, Outcome, Race, Races


def drawn(ring: Races, triple: tuple[Kind, Kind, Kind], seeds: range) -> Iterator[Outcome]:
    scenes = scenes_of(*triple)
    for seed in seeds:
        rng = random.Random(f"{'-'.join(triple)} {seed}")  # noqa: S311  The same in every run.
        scene = rng.choice(scenes)
        acts = tuple(rng.choice(ACTS[scene][kind]).__name__ for kind in triple)
        yield ring.run(Race(scene, acts, SEED, seed))
