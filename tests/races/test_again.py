"""One race once more: the one in the variable RACE, or one that stands for all, to show that it is always the same."""

from __future__ import annotations

import os

from tests.races.trials import Race, Races

# Both wait for the same order, one of them in the middle of its transaction, and the provider is asked meanwhile.
USUAL = "doubt is_told+asks after 12"


def test_a_race_can_be_run_again(ring: Races) -> None:
    race = Race.read(os.environ.get("RACE", USUAL))

    first, second = ring.run(race), ring.run(race)

    assert first.violations == [], first.told()
    assert first.sequence == second.sequence
