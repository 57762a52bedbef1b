"""Whoever looks at an order finds its payments, its cases, its money and its guest."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse, reverse_lazy
from pytest_django import DjangoAssertNumQueries

from accounts.models import Restaurant, Role
from events.actors import GUEST
from failures.models import Case
from kernel.money import Money
from orders.models import Order
from payments.gateways.contract import RefundFact
from payments.models import Payment, Refund
from payments.services.attempts import begin_attempt
from payments.services.evidence import Evidence, Finding, Source
from payments.services.refund_requests import request_refund
from payments.services.refund_settlement import settle_refund
from payments.services.refunds import begin_refund
from payments.services.settlement import settle_attempt
from tests.factories import accepted, order_of, staff
from tests.failures.test_desk import desk_of, page_of
from tests.failures.world import attempted, paid_twice
from tests.failures.world import told as told_by_provider

pytestmark = pytest.mark.django_db
MOST_STATEMENTS = 15


@pytest.fixture
def order(restaurant: Restaurant) -> Order:
    return order_of(restaurant)


def shown(order: Order, role: Role = Role.FINANCE) -> str:
    page = desk_of(staff(order.restaurant, role)).get(reverse("admin:orders_order_change", args=[order.pk]))
    return page.content.decode()


def told(page: str) -> list[str]:
    """The sums, and what stands before them."""
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    return re.findall(r"(?:Paid|Given back|On its way back|Still due) (?:₹[\d,.]+|–)", text)


def give_back(payment: Payment, minor: int) -> None:
    refund = request_refund(payment_id=payment.pk, amount_minor=minor, reason="cold food", actor=GUEST)
    begin_refund(refund_id=refund.pk)
    evidence = Evidence(source=Source.CHARGE, finding=Finding.SUCCEEDED, money=Money(minor, "INR"))
    settle_refund(refund_id=refund.pk, evidence=evidence)


def paid_share(order: Order, minor: int) -> Payment:
    sending = begin_attempt(payment_id=accepted(order, amount_minor=minor).pk)
    assert sending is not None
    return told_by_provider(sending.attempt, Finding.SUCCEEDED, minor=minor).payment


def test_an_order_leads_to_its_payments_and_cases(order: Order) -> None:
    late = paid_twice(order)
    case = Case.objects.get(payment=late.payment)

    page = shown(order)

    for payment in Payment.objects.filter(order=order):
        assert f'href="/admin/payments/payment/{payment.pk}/change/">{payment.reference}</a>' in page
    assert f'href="{page_of(case)}">Money that is not due goes back</a>' in page
    assert "failed, what was not due is on its way back" in page


def test_what_is_paid_and_due_of_an_order_is_added_up(order: Order) -> None:
    assert told(shown(order)) == ["Paid ₹0.00", "Given back ₹0.00", "On its way back –", "Still due ₹840.00"]
    payment = attempted(order, Finding.SUCCEEDED, minor=84_000).payment
    assert told(shown(order)) == ["Paid ₹840.00", "Given back ₹0.00", "On its way back –", "Still due ₹0.00"]
    give_back(payment, 30_000)
    request_refund(payment_id=payment.pk, amount_minor=10_000, reason="cold food", actor=GUEST)

    page = shown(order)

    assert told(page) == ["Paid ₹840.00", "Given back ₹300.00", "On its way back ₹100.00", "Still due ₹0.00"]
    assert "All of it is paid. Of what was paid, ₹300.00 went back to the guest since. ₹100.00 is on its way" in page
    assert "paid, a part given back</span>" in page
    assert "completed, a part given back</span>" in page


def test_an_order_of_which_a_bank_took_everything_back_is_not_just_paid(order: Order) -> None:
    payment = attempted(order, Finding.SUCCEEDED, minor=84_000).payment
    fact = RefundFact(reference="cb_1", money=Money(84_000, "INR"), succeeded=True)
    evidence = Evidence(source=Source.LOOK_UP, finding=Finding.SUCCEEDED, money=Money(84_000, "INR"), refunds=(fact,))
    settle_attempt(attempt_id=payment.attempts.get().pk, evidence=evidence)
    assert Refund.objects.count() == 1

    page = shown(order)

    assert "Of what was paid, all went back to the guest since." in page
    assert "all of it given back</span>" in page
    assert f'href="{page_of(Case.objects.get())}"' in page


class TestTheList:
    LIST = reverse_lazy("admin:orders_order_changelist")

    def told(self, order: Order) -> str:
        page = desk_of(staff(order.restaurant, Role.FINANCE)).get(self.LIST).content.decode()
        (said,) = re.findall(r'field-stands[^>]*>.*?state-\w+">(.*?)</span>', page, re.S)
        return str(said)

    def test_says_what_went_back_of_what_was_paid(self, order: Order) -> None:
        assert self.told(order) == "unpaid"
        payment = attempted(order, Finding.SUCCEEDED, minor=84_000).payment
        assert self.told(order) == "paid"
        give_back(payment, 30_000)
        assert self.told(order) == "paid, a part given back"
        give_back(payment, 54_000)

        assert self.told(order) == "refunded"

    def test_adds_up_all_shares_of_the_bill(self, order: Order) -> None:
        for minor in (40_000, 44_000):
            share = paid_share(order, minor)
        give_back(share, 44_000)

        assert self.told(order) == "paid, a part given back"

    def test_asks_no_more_for_more_rows(self, order: Order) -> None:
        desk = desk_of(staff(order.restaurant, Role.FINANCE))
        desk.get(self.LIST)
        with CaptureQueriesContext(connection) as few:
            desk.get(self.LIST)
        for _ in range(3):
            give_back(attempted(order_of(order.restaurant), Finding.SUCCEEDED, minor=84_000).payment, 84_000)
        with CaptureQueriesContext(connection) as many:
            desk.get(self.LIST)

        assert len(many) == len(few)


@pytest.mark.parametrize("role", [Role.FINANCE, Role.AUDITOR])
def test_who_ordered_it_stands_on_the_page_and_in_no_list(order: Order, role: Role) -> None:
    Order.objects.update(customer_name="Asha Rao", customer_phone="+919800000001", customer_email="asha@example.com")
    desk = desk_of(staff(order.restaurant, role))

    page = desk.get(reverse("admin:orders_order_change", args=[order.pk])).content.decode()
    rows = desk.get(reverse("admin:orders_order_changelist")).content.decode()

    for words in ("Asha Rao", "+919800000001", "asha@example.com"):
        assert (words in page, words in rows) == (True, False)


def test_another_restaurant_sees_nothing_of_it(order: Order, restaurants: list[Restaurant]) -> None:
    stranger = desk_of(staff(restaurants[1], Role.FINANCE))

    assert stranger.get(reverse("admin:orders_order_change", args=[order.pk])).status_code != 200


def test_the_page_of_an_order_asks_little(order: Order, django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    paid_twice(order)
    desk = desk_of(staff(order.restaurant, Role.FINANCE))
    address = reverse("admin:orders_order_change", args=[order.pk])
    desk.get(address)

    with django_assert_max_num_queries(MOST_STATEMENTS):
        desk.get(address)
