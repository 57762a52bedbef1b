"""The monkey is as wild as it has to be, and the same for the same seed."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.chaos.hands import KILLS
from tests.chaos.monkey import PAUSE_SECONDS, Blow, draws
from tests.chaos.sheet import LEAST_KILLS_A_MINUTE

SEEDS = range(20)
LEASE_SECONDS = 30  # Production's own.


def test_the_same_seed_draws_the_same() -> None:
    assert draws(seed=7, seconds=900) == draws(seed=7, seconds=900)


def test_another_seed_draws_something_else() -> None:
    assert draws(seed=7, seconds=900) != draws(seed=8, seconds=900)


def test_a_longer_run_begins_like_a_shorter_one() -> None:
    short = draws(seed=7, seconds=60)

    assert draws(seed=7, seconds=900)[: len(short)] == short


@pytest.mark.parametrize("seed", SEEDS)
def test_there_are_kills_enough(seed: int) -> None:
    for minutes in (1, 5, 15):
        kills = sum(draw.blow in KILLS for draw in draws(seed=seed, seconds=60 * minutes))
        assert kills >= LEAST_KILLS_A_MINUTE * minutes


def test_everything_is_hit_within_a_long_run() -> None:
    assert Counter(draw.blow for draw in draws(seed=7, seconds=900)).keys() == set(Blow)


def test_every_blow_has_a_name_of_its_own() -> None:
    """An enum takes a second member of the same value for the first one, silently."""
    assert len(Blow) == len(Blow.__members__)


def test_a_pause_outlasts_a_lease() -> None:
    assert PAUSE_SECONDS[0] > LEASE_SECONDS


def test_which_of_several_is_always_one_of_them() -> None:
    """A share of exactly one would be one process too many, once in some thousand blows."""
    drawn = [draw for seed in SEEDS for draw in draws(seed=seed, seconds=6_000)]

    assert len(drawn) > 20_000
    assert all(0 <= draw.which < 1 for draw in drawn)
