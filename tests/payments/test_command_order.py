"""`manage.py order`: something to pay, and the command that pays it."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from accounts.models import Restaurant
from kernel.modes import Mode
from orders.models import Order
from tests.factories import RestaurantFactory


def order(amount: str, **options: object) -> str:
    answer = StringIO()
    call_command("order", amount, stdout=answer, **options)
    return answer.getvalue()


def test_an_order_of_one_line_and_the_next_command(restaurant: Restaurant) -> None:
    said = order("280.00", table="7")

    placed = Order.objects.get()
    assert (placed.restaurant, placed.mode, placed.total_minor, placed.table) == (restaurant, Mode.TEST, 28_000, "7")
    assert placed.lines.count() == 1
    first, second = said.splitlines()
    assert first == f"Order {placed.reference} of ₹280.00: placed."
    assert second.endswith(f" pay {placed.reference} --token sim_ok")


def test_of_several_restaurants_one_is_named(restaurant: Restaurant) -> None:
    other = RestaurantFactory.create()

    with pytest.raises(CommandError, match=f"with --restaurant. There are: {restaurant.slug}, {other.slug}"):
        order("1")

    order("1", restaurant=other.slug)
    assert Order.objects.get().restaurant == other


@pytest.mark.parametrize(
    ("amount", "restaurant_slug", "sentence"),
    [
        ("0", "", "The total must be above zero"),
        ("1.234", "", "INR has 2 decimals"),
        ("much", "", "is not an amount"),
        ("1", "nope", "There is no restaurant nope."),
    ],
)
def test_a_refusal_says_why(restaurant: Restaurant, amount: str, restaurant_slug: str, sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        order(amount, restaurant=restaurant_slug)

    assert not Order.objects.exists()
