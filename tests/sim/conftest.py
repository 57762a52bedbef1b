"""What the simulation leaves behind in a test run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sim.database import close_readers


@pytest.fixture(scope="session", autouse=True)
def _no_reader_outlives_its_database(django_db_setup: None) -> Iterator[None]:
    yield
    close_readers()
