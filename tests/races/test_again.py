"""One race once more: the one in the variable RACE, or one that stands for all, to show that it is always the same."""

from __future__ import annotations

import os

from tests.races.refund_groups import groups
from tests.races.trials import Race, Races

# Both wait for the same order, one of them in the middle of its transaction, and the provider is asked meanwhile.
USUAL = "doubt is_told+asks after 12"


CHOSEN = os.environ.get("RACE", USUAL)
REFUNDS = "refunds "


def test_a_race_can_be_run_again(ring: Races) -> None:
    race = Race.read(USUAL if CHOSEN.startswith(REFUNDS) else CHOSEN)

    first, second = ring.run(race), ring.run(race)

    assert first.violations == [], first.told()
    assert first.sequence == second.sequence


def test_a_refund_group_asks_for_the_same_again(transactional_db: None) -> None:
    """Who comes first is up to the threads; who asks for what is up to the seed."""
    seed = int(CHOSEN.removeprefix(REFUNDS)) if CHOSEN.startswith(REFUNDS) else 0
    with groups() as storm:
        first, second = storm.run(seed), storm.run(seed)

    assert first.violations == [], first.told()
    assert (first.capture, first.size) == (second.capture, second.size)
