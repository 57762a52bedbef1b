"""A refund that waits for a second person is set aside and not sent: no page says that it is on its way."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Restaurant, Role, User
from events.actors import Actor
from failures.models import Case, CaseKind
from failures.showing.certainty import certainty_of, in_words
from kernel.modes import Mode
from kernel.money import Money
from payments.models import Attempt, Limited, Payment, Refund
from payments.services.evidence import Finding
from payments.services.limit_changes import set_refund_limit
from payments.services.refund_requests import request_refund
from tests.factories import accepted, order_of, staff
from tests.failures.days import figures_of, order_in, page_of, total_of, tried
from tests.failures.test_desk import QUEUE, desk_of
from tests.failures.test_desk import page_of as page_of_case
from tests.failures.world import attempted

pytestmark = pytest.mark.django_db


def limited(restaurant: Restaurant, *, to_minor: int) -> None:
    set_refund_limit(
        restaurant=restaurant,
        who=Limited.FINANCE,
        currency=restaurant.currency,
        most_minor=to_minor,
        person=staff(restaurant, Role.ADMIN),
    )


def asked_back(payment: Payment, minor: int, person: User) -> Refund:
    actor = Actor.user(person)
    return request_refund(payment_id=payment.pk, amount_minor=minor, reason="The soup was cold.", actor=actor)


class TestOfOnePayment:
    @pytest.fixture
    def finance(self, restaurant: Restaurant) -> User:
        return staff(restaurant, Role.FINANCE)

    @pytest.fixture
    def desk(self, finance: User) -> Client:
        return desk_of(finance)

    @pytest.fixture
    def payment(self, restaurant: Restaurant, finance: User) -> Payment:
        """₹40.00 is on its way, ₹90.00 waits."""
        payment = attempted(order_of(restaurant), Finding.SUCCEEDED, minor=84_000).payment
        asked_back(payment, 4_000, finance)
        limited(restaurant, to_minor=5_000)
        asked_back(payment, 9_000, finance)
        return payment

    def test_both_are_told_apart(self, payment: Payment) -> None:
        seen = certainty_of(Attempt.objects.all(), Refund.objects.all())

        assert (seen.going_back, seen.waiting) == ((Money(4_000, "INR"),), (Money(9_000, "INR"),))
        assert in_words(seen) == ["came in ₹840.00", "on its way back ₹40.00", "waits for approval ₹90.00"]

    def test_on_the_page_of_its_case(self, desk: Client, payment: Payment) -> None:
        text = desk.get(page_of_case(Case.objects.get(kind=CaseKind.REFUND_APPROVAL))).content.decode()

        assert '<span>On its way back</span><b class="amount">₹40.00</b>' in text
        assert '<span>Waits for approval</span><b class="amount">₹90.00</b>' in text

    def test_in_the_queue_and_in_its_file(self, desk: Client, payment: Payment) -> None:
        text = desk.get(QUEUE).content.decode()
        file = b"".join(desk.post(f"{QUEUE}export/").streaming_content).decode()  # type: ignore[attr-defined]  # It is streamed.

        assert '<span class="desk-is">waits for approval ₹90.00</span>' in text
        assert "on its way back INR 40.00, waits for approval INR 90.00" in file

    def test_on_the_page_of_its_order(self, desk: Client, payment: Payment) -> None:
        page = desk.get(reverse("admin:orders_order_change", args=[payment.order_id])).content.decode()
        text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))

        assert "On its way back ₹40.00" in text
        assert "Waits for approval ₹90.00" in text
        assert "₹40.00 is on its way back to the guest. ₹90.00 waits for approval before it goes back." in text


def test_today_counts_it_apart_and_leads_to_exactly_those(restaurants: list[Restaurant]) -> None:
    house = restaurants[0]
    finance = staff(house, Role.FINANCE)
    limited(house, to_minor=1_000)
    for _ in range(2):
        payment = tried(accepted(order_in(house, Mode.LIVE)), Finding.SUCCEEDED).payment
        asked_back(payment, 2_500, finance)
    desk = desk_of(finance)

    page = page_of(desk, mode="live")

    assert "<dt>Waits for approval</dt>" in page
    said = {unquote(address): figure for address, figure in figures_of(page) if "/refund/" in address}
    assert {address.rpartition("statuses=")[2]: figure.count for address, figure in said.items()} == {
        "completed": "2",
        "requested,processing": "1",
        "waiting_approval": "2",
        "/admin/payments/refund/?mode__exact=live&in_doubt__exact=1": "1",
    }
    for address, figure in said.items():
        assert total_of(desk, address) == figure, address
