"""A restaurant with two scripted providers and cash."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from accounts.models import Restaurant
from failures.invariants import offences
from kernel import clock
from payments.services import providers
from tests.factories import RestaurantFactory, routed
from tests.scripted import ScriptedGateway, provider_of
from tests.time_machine import ShiftedClock


@pytest.fixture
def provider_a(monkeypatch: pytest.MonkeyPatch) -> ScriptedGateway:
    gateway = ScriptedGateway()
    monkeypatch.setitem(providers.PROVIDERS, "a", provider_of(gateway))
    return gateway


@pytest.fixture
def provider_b(monkeypatch: pytest.MonkeyPatch) -> ScriptedGateway:
    gateway = ScriptedGateway()
    monkeypatch.setitem(providers.PROVIDERS, "b", provider_of(gateway))
    return gateway


@pytest.fixture
def _invariants_hold(transactional_db: None, time: ShiftedClock) -> Iterator[None]:
    """Whatever a test did, the database must not have become impossible. Overdue is not impossible: time was moved."""
    yield
    moved = bool(time.offset)
    assert list(offences(now=datetime.min.replace(tzinfo=UTC) if moved else clock.now())) == []


@pytest.fixture
def restaurant(_invariants_hold: None, provider_a: ScriptedGateway, provider_b: ScriptedGateway) -> Restaurant:
    restaurant = RestaurantFactory.create()
    routed(restaurant, "a", "b", "cash")
    return restaurant
