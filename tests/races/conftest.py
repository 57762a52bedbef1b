"""Fixtures of the races: the stage and the ground, for one test that runs many trials."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from tests.races.trials import Races, races


@pytest.fixture
def ring(transactional_db: None, settings: Settings) -> Iterator[Races]:
    settings.STEWARD_REQUESTS_PER_MINUTE = 10**9  # Thousands of trials have one caller.
    with races() as ring:
        yield ring
