"""Every triple of the nine kinds, a few times each, in orders that are drawn from seeds."""

from __future__ import annotations

import pytest

from tests.proof.records import record
from tests.races.acts import TRIPLES, Kind, scenes_of
from tests.races.pairs import Tally
from tests.races.trials import Races
from tests.races.triples import drawn

FEW, MANY = 1, 4
MOST = 40  # For those of which somebody did nothing so far: most need no more than a dozen.

by_its_first = pytest.mark.parametrize("first", Kind)


@by_its_first
def test_each_triple_once(ring: Races, first: Kind) -> None:
    tally = _race(ring, first, at_least=FEW, at_most=FEW)

    assert tally.violations == [], "\n\n".join(tally.violations)


@pytest.mark.proof
@by_its_first
def test_each_triple_in_several_orders(ring: Races, first: Kind) -> None:
    tally = _race(ring, first, at_least=MANY, at_most=MOST)
    record("races", what="triples", first=first, triples=len(_triples(first)), **tally.figures())

    assert tally.violations == [], "\n\n".join(tally.violations)
    assert tally.never_acted() == []


def test_every_three_kinds_meet_somewhere() -> None:
    assert len(TRIPLES) == 165
    assert [triple for triple in TRIPLES if not scenes_of(*triple)] == []


def _race(ring: Races, first: Kind, *, at_least: int, at_most: int) -> Tally:
    """Each triple goes on until each of its three has done something."""
    tally = Tally()
    for triple in _triples(first):
        casting = "-".join(triple)
        for ran, outcome in enumerate(drawn(ring, triple, range(at_most)), start=1):
            tally.add(outcome, casting=casting)
            if ran >= at_least and not tally.idle[casting]:
                break
    return tally


def _triples(first: Kind) -> list[tuple[Kind, Kind, Kind]]:
    return [triple for triple in TRIPLES if triple[0] is first]
