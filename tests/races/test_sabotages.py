"""With what protects two actors taken away the races find it; with it they find nothing. Or they prove nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.races.pairs import at_every_cut
from tests.races.sabotages import SABOTAGES, sabotaged
from tests.races.trials import Outcome, Races


@pytest.mark.parametrize("name", SABOTAGES)
def test_a_sabotage_is_found_at_some_cut(ring: Races, name: str) -> None:
    """Bounded by the cuts that these two have."""
    with sabotaged(name):
        found = next((outcome for outcome in _all(ring, name) if outcome.violations), None)

    assert found is not None, "The races are blind for it."
    assert ring.run(found.race).violations == []


def _all(ring: Races, name: str) -> Iterator[Outcome]:
    _, scene, acts = SABOTAGES[name]
    for one in {acts: None, acts[::-1]: None}:
        yield from at_every_cut(ring, scene, one)
