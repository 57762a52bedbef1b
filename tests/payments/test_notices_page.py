"""The page of notices: whose payment a message speaks of, and nothing where it speaks of nobody's."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Restaurant, Role
from events.actors import GUEST
from kernel import clock
from payments.models import Attempt, InboundNotice, Payment, ProviderAccount
from payments.services.refund_requests import request_refund
from tests.factories import order_of, paid, staff
from tests.failures.test_desk import desk_of

LIST = "/admin/payments/inboundnotice/"


@pytest.fixture
def payment(restaurant: Restaurant) -> Payment:
    return paid(order_of(restaurant))


@pytest.fixture
def desk(restaurant: Restaurant) -> Client:
    return desk_of(staff(restaurant, Role.FINANCE))


def notice_about(key: Any, account: ProviderAccount) -> InboundNotice:
    return InboundNotice.objects.create(
        restaurant_id=account.restaurant_id,
        mode=account.mode,
        account=account,
        event_id=f"evt_{clock.new_id()}",
        subject_id=str(key),
        content="{}",
        state="applied",
    )


def test_a_charge_and_a_refund_are_called_by_their_payment(desk: Client, payment: Payment) -> None:
    attempt = Attempt.objects.get()
    refund = request_refund(payment_id=payment.pk, reason="cold food", actor=GUEST)
    notices = [notice_about(each.pk, attempt.account) for each in (attempt, refund)]
    link = f'<a class="link" href="/admin/payments/payment/{payment.pk}/change/">{payment.reference}</a>'

    assert desk.get(LIST).content.decode().count(link) == 2
    for notice in notices:
        page = desk.get(reverse("admin:payments_inboundnotice_change", args=[notice.pk]))
        assert link in page.content.decode()


@pytest.mark.parametrize("key", ["", "a message about nothing", "01a219ac-6cc0-7e24-b34e-e6b97eb0cc86"])
def test_what_is_nobodys_key_is_nobodys_payment(desk: Client, payment: Payment, key: str) -> None:
    notice_about(key, Attempt.objects.get().account)

    answer = desk.get(LIST)

    assert answer.status_code == 200
    assert payment.reference not in answer.content.decode()


def test_an_account_names_no_payment_of_another(desk: Client, restaurant: Restaurant, payment: Payment) -> None:
    other = ProviderAccount.objects.get(restaurant=restaurant, provider="b")
    notice_about(Attempt.objects.get().pk, other)

    assert payment.reference not in desk.get(LIST).content.decode()
