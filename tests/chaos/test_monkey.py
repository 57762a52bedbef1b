"""The monkey is as wild as it has to be, and the same for the same seed."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.chaos.hands import KILLS
from tests.chaos.monkey import HABITS, MODES, PAUSE_SECONDS, Blow, Habit, draws
from tests.chaos.proxy import Toxic
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


@pytest.mark.parametrize("seed", SEEDS)
def test_everything_is_hit_within_five_minutes(seed: int) -> None:
    kinds = {draw.kind for draw in draws(seed=seed, seconds=300)}

    assert {f"network, {toxic}" for toxic in Toxic} <= kinds
    assert {f"provider, {mode}" for mode in MODES} <= kinds
    assert set(Blow) - kinds == {Blow.NETWORK, Blow.MODE}  # They have their ways instead.


@pytest.mark.parametrize("habit", HABITS.values(), ids=HABITS.keys())
def test_each_round_has_all_of_its_habit(habit: Habit) -> None:
    blows = [draw.blow for draw in draws(seed=7, seconds=3_600) if draw.blow in habit.round]
    size = sum(habit.round.values())
    rounds = [blows[first : first + size] for first in range(0, len(blows) - size + 1, size)]

    assert len(rounds) > 10
    assert all(Counter(each) == Counter(habit.round) for each in rounds)


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
