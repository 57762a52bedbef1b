"""A restaurant with two scripted providers and cash."""

from __future__ import annotations

import pytest

from accounts.models import Restaurant
from payments.services import providers
from tests.factories import RestaurantFactory, routed
from tests.scripted import ScriptedGateway, provider_of


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
def restaurant(transactional_db: None, provider_a: ScriptedGateway, provider_b: ScriptedGateway) -> Restaurant:
    restaurant = RestaurantFactory.create()
    routed(restaurant, "a", "b", "cash")
    return restaurant
