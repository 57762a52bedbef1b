"""Fixtures of the races: the stage and the ground, for one test that runs many trials."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.races.trials import Races, races


@pytest.fixture
def ring(transactional_db: None) -> Iterator[Races]:
    with races() as ring:
        yield ring
