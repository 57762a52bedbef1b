"""A restaurant with one payment, for whatever befalls it; and three restaurants with a day behind them."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest
from django.test import Client

from accounts.models import Restaurant
from kernel import clock
from kernel.modes import Mode
from payments.models import Payment
from payments.services import providers
from tests.factories import RestaurantFactory, UserFactory, accepted, order_of, routed
from tests.failures.days import a_day_of, restaurant_with
from tests.scripted import ScriptedGateway, provider_of
from tests.time_machine import ShiftedClock


@pytest.fixture
def restaurant(db: None, monkeypatch: pytest.MonkeyPatch) -> Restaurant:
    monkeypatch.setitem(providers.PROVIDERS, "a", provider_of(ScriptedGateway()))
    routed(restaurant := RestaurantFactory.create(), "a")
    return restaurant


@pytest.fixture
def payment(restaurant: Restaurant) -> Payment:
    return accepted(order_of(restaurant))


@pytest.fixture
def _providers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        monkeypatch.setitem(providers.PROVIDERS, name, provider_of(ScriptedGateway()))


@pytest.fixture
def restaurants(db: None, _providers: None, time: ShiftedClock) -> list[Restaurant]:
    """On three sides of the world, at a moment at which their business days are not the same."""
    time.jump_to((clock.now() + timedelta(days=1)).replace(hour=21))
    made = [
        restaurant_with("INR", time_zone="Asia/Kolkata"),
        restaurant_with("USD", time_zone="America/New_York"),
        restaurant_with("INR", time_zone="Pacific/Auckland", day_starts_at="05:30"),
    ]
    for restaurant, mode in itertools.product(made, Mode):
        restaurant.refresh_from_db()
        a_day_of(restaurant, mode)
    return made


@pytest.fixture
def boss(restaurants: list[Restaurant]) -> Client:
    """Sees everything."""
    client = Client()
    client.force_login(UserFactory.create(is_staff=True, is_superuser=True))
    return client
