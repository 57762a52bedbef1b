"""What somebody types into the search of the orders: each way to name one finds it, by index, and nobody else's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Restaurant, Role
from kernel.modes import Mode
from orders.models import Order
from orders.searching import orders_found
from payments.models import Payment
from payments.services import providers
from tests.factories import RestaurantFactory, accepted, order_of, routed, staff
from tests.failures.test_desk import desk_of
from tests.failures.test_searching import BIG, plan_of
from tests.scripted import ScriptedGateway, provider_of

pytestmark = pytest.mark.django_db
TERMS: dict[str, Callable[[Payment], str]] = {
    "reference": lambda payment: payment.order.reference,
    "in small letters": lambda payment: f" {payment.order.reference.lower()} ",
    "as it is read aloud": lambda payment: payment.order.reference.removeprefix("O-"),
    "its payment": lambda payment: payment.reference,
    "its payment as it is read aloud": lambda payment: payment.reference.removeprefix("P-").lower(),
    "the platform's number": lambda _: "web-1001",
    "table": lambda _: "t4",
    "table in words": lambda _: "Table T4",
}


@pytest.fixture
def restaurant(monkeypatch: pytest.MonkeyPatch) -> Restaurant:
    monkeypatch.setitem(providers.PROVIDERS, "a", provider_of(ScriptedGateway()))
    routed(restaurant := RestaurantFactory.create(), "a")
    return restaurant


@pytest.fixture
def payment(restaurant: Restaurant) -> Payment:
    accepted(order_of(restaurant, table="T5"))
    return accepted(order_of(restaurant, table="T4", client_reference="web-1001"))


@pytest.mark.parametrize("name", TERMS)
def test_each_way_to_name_it_finds_the_order_and_no_other(payment: Payment, name: str) -> None:
    found = orders_found(Order.objects.all(), TERMS[name](payment), restaurants=[payment.restaurant_id])

    assert list(found) == [payment.order]


@pytest.mark.parametrize("term", ["P-00000000", "web-100", "O-", "%", ""])
def test_what_is_nothing_or_half_of_it_finds_nothing(payment: Payment, term: str) -> None:
    assert not orders_found(Order.objects.exclude(table=""), term, restaurants=[payment.restaurant_id])


def test_whoever_works_elsewhere_is_not_told_that_it_exists(payment: Payment) -> None:
    elsewhere = desk_of(staff(RestaurantFactory.create(), Role.FINANCE))
    here = desk_of(staff(payment.restaurant, Role.FINANCE))
    asked = {"q": payment.reference}

    assert payment.order.reference in here.get("/admin/orders/order/", asked).content.decode()
    assert payment.order.reference not in elsewhere.get("/admin/orders/order/", asked).content.decode()


def test_each_part_is_a_look_up_in_an_index(payment: Payment) -> None:
    orders = Order.objects.filter(restaurant=payment.restaurant_id, mode=Mode.TEST)
    with CaptureQueriesContext(connection) as asked:
        list(orders_found(orders, payment.reference, restaurants=[payment.restaurant_id]))

    plans = [plan_of(query["sql"]) for query in asked.captured_queries]
    assert len(plans) == 2
    assert not [plan for plan in plans for table in BIG if f"Seq Scan on {table}" in plan], plans
