"""The console leaves a restaurant its currency, once there are orders in it."""

from __future__ import annotations

import pytest
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse

from accounts.models import Restaurant
from tests.factories import RestaurantFactory, UserFactory, order_of


@pytest.fixture
def console(transactional_db: None) -> Client:
    client = Client()
    client.force_login(UserFactory.create(is_staff=True, is_superuser=True))
    return client


def changed(console: Client, restaurant: Restaurant) -> Restaurant:
    """Its name and its currency, as its form in the console sends them."""
    said = {
        "slug": restaurant.slug,
        "name": "New",
        "currency": "KWD",
        "time_zone": "Asia/Kuwait",
        "day_starts_at": "4:00",
    }
    answer = console.post(reverse("admin:accounts_restaurant_change", args=[restaurant.pk]), said)
    assert answer.status_code == 302, answer.content
    return Restaurant.objects.get(pk=restaurant.pk)


def test_a_restaurant_without_orders_changes_its_currency(console: Client) -> None:
    restaurant = changed(console, RestaurantFactory.create())

    assert (restaurant.name, restaurant.currency) == ("New", "KWD")


def test_a_restaurant_with_orders_keeps_its_currency(console: Client) -> None:
    restaurant = RestaurantFactory.create()
    order_of(restaurant)

    restaurant = changed(console, restaurant)

    assert (restaurant.name, restaurant.currency) == ("New", "INR")


def test_the_database_keeps_it_as_well(transactional_db: None) -> None:
    restaurant = RestaurantFactory.create()
    order_of(restaurant)

    with pytest.raises(IntegrityError, match="orders in another currency"):
        Restaurant.objects.filter(pk=restaurant.pk).update(currency="KWD")
