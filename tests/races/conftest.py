"""Fixtures of the races: the stage and the ground, for one test that runs many trials."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from api import limits
from tests.races.trials import Races, races


@pytest.fixture
def ring(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Races]:
    # As while Redis is away: thousands of trials have one caller, and ask about the same payment.
    monkeypatch.setattr(limits, "_counter", lambda: None)
    with races() as ring:
        yield ring
