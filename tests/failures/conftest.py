"""A restaurant with one payment, for whatever befalls it."""

from __future__ import annotations

import pytest

from accounts.models import Restaurant
from payments.models import Payment
from payments.services import providers
from tests.factories import RestaurantFactory, accepted, order_of, routed
from tests.scripted import ScriptedGateway, provider_of


@pytest.fixture
def restaurant(db: None, monkeypatch: pytest.MonkeyPatch) -> Restaurant:
    monkeypatch.setitem(providers.PROVIDERS, "a", provider_of(ScriptedGateway()))
    routed(restaurant := RestaurantFactory.create(), "a")
    return restaurant


@pytest.fixture
def payment(restaurant: Restaurant) -> Payment:
    return accepted(order_of(restaurant))
