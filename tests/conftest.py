"""Fixtures for every test: a clock that tests own, and circuits and providers that start clean."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kernel import clock
from payments.services import providers
from tests.time_machine import ShiftedClock


@pytest.fixture(autouse=True)
def time() -> Iterator[ShiftedClock]:
    """Real time with an offset that only the test moves, so that days pass in no time."""
    shifted = ShiftedClock()
    previous = clock.install(shifted)
    yield shifted
    clock.install(previous)


@pytest.fixture(autouse=True)
def _clean_circuits() -> Iterator[None]:
    providers.forget_circuits()
    yield
    providers.forget_circuits()
