"""Every triple of the nine kinds, a few times each, in orders that are drawn from seeds."""

from __future__ import annotations

import pytest

from tests.proof.records import record
from tests.races.acts import TRIPLES, Kind, scenes_of
from tests.races.pairs import Tally
from tests.races.trials import Races
from tests.races.triples import drawn

FEW, MANY = range(1), range(4)

by_its_first = pytest.mark.parametrize("first", Kind)


@by_its_first
def test_each_triple_once(ring: Races, first: Kind) -> None:
    tally = _race(ring, first, FEW)

    assert tally.violations == [], "\n\n".join(tally.violations)


@pytest.mark.proof
@by_its_first
def test_each_triple_in_several_orders(ring: Races, first: Kind) -> None:
    tally = _race(ring, first, MANY)
    record("races", what="triples", first=first, triples=len(_triples(first)), **tally.figures())

    assert tally.violations == [], "\n\n".join(tally.violations)


def test_every_three_kinds_meet_somewhere() -> None:
    assert len(TRIPLES) == 165
    assert [triple for triple in TRIPLES if not scenes_of(*triple)] == []


def _race(ring: Races, first: Kind, seeds: range) -> Tally:
    tally = Tally()
    for triple in _triples(first):
        for outcome in drawn(ring, triple, seeds):
            tally.add(outcome)
    return tally


def _triples(first: Kind) -> list[tuple[Kind, Kind, Kind]]:
    return [triple for triple in TRIPLES if triple[0] is first]
