"""`manage.py pay`: every end of a payment has a sentence, and every refusal says what to do."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from accounts.models import Restaurant
from kernel import clock
from kernel.money import Money
from orders.models import Order
from payments.gateways.contract import ErrorCode, Outcome
from payments.gateways.guard import Operation
from payments.models import NextAction, Payment, ProviderAccount
from payments.services.providers import circuits_of
from tests.factories import RestaurantFactory, accepted, order_of
from tests.scripted import ScriptedGateway, outcome, succeeded


@pytest.fixture
def order(restaurant: Restaurant) -> Order:
    return order_of(restaurant, 28_000)


def pay(reference: str, **options: object) -> str:
    answer = StringIO()
    call_command("pay", reference, stdout=answer, **options)
    return answer.getvalue().strip()


def refused(reference: str, **options: object) -> str:
    with pytest.raises(CommandError) as error:
        pay(reference, **options)
    return str(error.value)


def end_of(said: str) -> str:
    """Without the reference and the amount."""
    return said.partition(": ")[2]


def test_a_payment_that_goes_well(order: Order) -> None:
    said = pay(order.reference.lower())

    assert said == f"Payment {Payment.objects.get().reference} of ₹280.00: completed."


@pytest.mark.parametrize(("captured", "shown"), [(Money(28_100, "INR"), "₹281.00"), (Money(28_000, "USD"), "$280.00")])
def test_another_amount_waits_for_a_human(
    order: Order, provider_a: ScriptedGateway, captured: Money, shown: str
) -> None:
    provider_a.charges.append(succeeded(captured))

    assert end_of(pay(order.reference)) == (
        f"processing; in doubt; another amount than asked was captured, {shown}; "
        "nothing more happens by itself, a case is open."
    )


def test_a_doubt_says_when_the_provider_is_asked(order: Order, provider_a: ScriptedGateway) -> None:
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))

    said = pay(order.reference)

    at = Payment.objects.get().next_action_at
    assert end_of(said) == f"processing; in doubt; the provider is asked again at {at:%H:%M:%S} UTC."


def test_a_payment_that_nobody_could_be_asked_for_says_who_rests_and_until_when(order: Order) -> None:
    for account in ProviderAccount.objects.filter(provider__in=["a", "b"]):
        circuits_of(account)[Operation.CHARGE].trip(cool_down_seconds=600)

    said = pay(order.reference)

    at = Payment.objects.get().next_action_at
    assert end_of(said) == f"pending; a and b rest at the moment; it is tried again at {at:%H:%M:%S} UTC."


def test_what_did_not_leave_says_when_it_is_sent_again(
    order: Order, provider_a: ScriptedGateway, provider_b: ScriptedGateway
) -> None:
    for gateway in (provider_a, provider_b):
        gateway.charges.append(outcome(Outcome.NOT_SENT, ErrorCode.UNREACHABLE))

    said = pay(order.reference)

    payment = Payment.objects.get()
    assert payment.next_action == NextAction.RESEND
    at = f"{payment.next_action_at:%H:%M:%S} UTC"
    assert end_of(said) == f"processing; it is sent again with the same key at {at}."


def test_cash_waits_for_a_waiter(order: Order) -> None:
    said = pay(order.reference, method="cash")

    assert end_of(said) == "processing; a waiter confirms it when the cash is on the table."


def test_a_refused_amount_is_said_in_money(order: Order) -> None:
    said = refused(order.reference, amount=9_999_999)

    assert said == "₹99,999.99 is more than the ₹280.00 that is left to pay. (more_than_due)"


def test_a_refused_tip_is_said_in_money(order: Order) -> None:
    said = refused(order.reference, tip=9_999_999)

    assert said == "A tip of ₹99,999.99 for an order of ₹280.00 must be a slip of the finger. (tip_too_high)"


def test_a_restaurant_that_does_not_exist_is_said_as_that(order: Order, restaurant: Restaurant) -> None:
    said = refused(order.reference, restaurant="nope")

    assert said == f"There is no restaurant nope. There are: {restaurant.slug}"


def test_two_restaurants_with_one_reference_are_told_apart(
    restaurant: Restaurant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "new_reference", lambda prefix: f"{prefix}-SAME")
    twin = RestaurantFactory.create()
    for each in (restaurant, twin):
        order_of(each, 28_000)

    assert f"--restaurant with one of: {restaurant.slug}, {twin.slug}" in refused("O-SAME")
    assert end_of(pay("O-SAME", restaurant=restaurant.slug)) == "completed."


def test_only_orders_that_can_be_paid_are_suggested(order: Order, restaurant: Restaurant) -> None:
    being_paid = order_of(restaurant)
    accepted(being_paid)
    in_part = order_of(restaurant, 50_000)
    pay(in_part.reference, amount=20_000)

    said = refused("O-NOWHERE")

    assert said == (
        f"There is no order O-NOWHERE. Unpaid ones: {in_part.reference} (₹300.00), {order.reference} (₹280.00)"
    )
