"""Seeds that anybody can run again: the story of each is decided by its number alone."""

from __future__ import annotations

import pytest

from tests.sim.mutants import QUICK, sabotaged
from tests.sim.simulation import simulate

SEEDS = 24
# How many stories a sabotage may survive here.
MOST_SEEDS = 60


@pytest.mark.parametrize("seed", range(SEEDS))
def test_nothing_is_charged_twice_or_lost(transactional_db: None, seed: int) -> None:
    outcome = simulate(seed)

    assert outcome.violations == [], outcome.told()


def test_the_same_seed_is_the_same_story(transactional_db: None) -> None:
    first, second = simulate(7), simulate(7)

    assert first.story == second.story
    assert first.trace == second.trace


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_a_sabotage_is_noticed(transactional_db: None, name: str) -> None:
    """Or the simulation proves nothing."""
    with sabotaged(name):
        assert any(simulate(seed).violations for seed in range(MOST_SEEDS))
