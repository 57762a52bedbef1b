"""Every pair of the nine kinds: one is interrupted once, at each of its cuts, and the other goes as far as it can."""

from __future__ import annotations

import random
from itertools import chain

import pytest

from events.actors import ActorKind
from events.models import Transition
from tests.proof.records import record
from tests.races.acts import ACTS, BY_NAME, PAIRS, Kind, is_told_no, scenes_of
from tests.races.pairs import Tally, at_every_cut, at_some_cuts, castings
from tests.races.scenes import SCENES
from tests.races.trials import AFTER, Race, Races

# Of the 45 pairs each has this many castings and cuts in a plain test run, and all of them in the proof.
CASTINGS, CUTS = 2, 1
LATEST_CUT = 12  # Most actors have not many more.

pairs = pytest.mark.parametrize("pair", PAIRS, ids="-".join)


@pairs
def test_each_pair_at_a_few_cuts(ring: Races, pair: tuple[Kind, Kind]) -> None:
    tally, rng = Tally(), random.Random(str(pair))  # noqa: S311  The same few in every run.
    all_of_it = list(castings(*pair))
    for scene, acts in rng.sample(all_of_it, min(CASTINGS, len(all_of_it))):
        for outcome in at_some_cuts(ring, scene, acts, rng.sample(range(2, LATEST_CUT), CUTS)):
            tally.add(outcome, casting=_casting(scene, acts))

    assert tally.violations == [], "\n\n".join(tally.violations)


@pytest.mark.proof
@pairs
def test_each_pair_at_every_cut(ring: Races, pair: tuple[Kind, Kind]) -> None:
    tally = Tally()
    for scene, acts in castings(*pair):
        for outcome in at_every_cut(ring, scene, acts):
            tally.add(outcome, casting=_casting(scene, acts))
    record("races", what="pair", pair="-".join(pair), **tally.figures())

    assert tally.violations == [], "\n\n".join(tally.violations)
    assert tally.never_acted() == []


def test_every_kind_meets_every_other() -> None:
    assert len(PAIRS) == 45
    assert [pair for pair in PAIRS if not scenes_of(*pair)] == []


def test_the_table_is_about_scenes_and_acts_that_exist() -> None:
    assert set(ACTS) == set(SCENES)
    assert len(BY_NAME) == len({act for kinds in ACTS.values() for acts in kinds.values() for act in acts})


def test_each_act_commits_something_in_its_scene_or_the_table_says_that_it_is_refused(ring: Races) -> None:
    for scene, kinds in ACTS.items():
        for act in chain.from_iterable(kinds.values()):
            outcome = ring.run(Race(scene, (act.__name__,), AFTER, 1))

            assert outcome.violations == [], outcome.told()
            assert outcome.idle == frozenset(), outcome.told()
            assert bool(outcome.committed) is not is_told_no(scene, act.__name__), outcome.told()


def test_an_operator_is_a_person_of_the_house(ring: Races) -> None:
    for scene, kinds in ACTS.items():
        for act in kinds.get(Kind.OPERATOR, ()):
            ring.run(Race(scene, (act.__name__,), AFTER, 1))

            by_finance = Transition.objects.filter(
                actor_kind=ActorKind.USER, actor_id=str(ring.ground.finance.pk)
            ).exists()
            assert by_finance is not is_told_no(scene, act.__name__), f"{scene}: {act.__name__}"


def _casting(scene: str, acts: tuple[str, str]) -> str:
    return f"{scene} {'+'.join(acts)}"
