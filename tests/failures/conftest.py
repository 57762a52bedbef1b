"""A restaurant with one payment, for whatever befalls it; and three restaurants with a day behind them."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest
from django.test import Client

from accounts.models import Restaurant, Role, User
from failures.models import Case, CaseKind
from kernel import clock
from kernel.modes import Mode
from payments.models import Attempt, Payment
from payments.services import providers
from payments.services.facts import PaymentEvent
from payments.services.settling import PROLONGED_DOUBT
from tests.factories import RestaurantFactory, UserFactory, accepted, order_of, routed, staff
from tests.failures.days import a_day_of, restaurant_with
from tests.failures.presses import PRESSES
from tests.failures.scenes import Scene, crew_of, scene_of
from tests.failures.test_services import happened
from tests.failures.world import World, make_world
from tests.failures.worlds_of_cases import Crew
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


@pytest.fixture
def house(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setitem(providers.PROVIDERS, "a", provider_of(ScriptedGateway()))
    return make_world()


@pytest.fixture
def maker(house: World) -> User:
    return staff(house.restaurant, Role.FINANCE)


@pytest.fixture
def lead(house: World) -> User:
    return staff(house.restaurant, Role.FINANCE_LEAD)


@pytest.fixture
def doubt(house: World) -> Case:
    """As when nobody knew after a quarter of an hour, and nobody asks any more."""
    attempt = house.doubtful
    Attempt.objects.filter(pk=attempt.pk).update(told=[PROLONGED_DOUBT])
    Payment.objects.filter(pk=attempt.payment_id).update(lease_until=None)
    happened(PaymentEvent.DOUBT_PROLONGED, Payment.objects.get(pk=attempt.payment_id), attempt=str(attempt.pk))
    return Case.objects.get(kind=CaseKind.IN_DOUBT)


@pytest.fixture
def crew(db: None, monkeypatch: pytest.MonkeyPatch) -> Crew:
    gateway = ScriptedGateway()
    monkeypatch.setitem(providers.PROVIDERS, "a", provider_of(gateway))
    return crew_of(gateway)


@pytest.fixture
def scene(request: pytest.FixtureRequest, crew: Crew) -> Scene:
    return scene_of(PRESSES[request.param], crew)
