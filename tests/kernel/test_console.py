"""The console shows money rows to staff of their restaurant and lets nobody edit them."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from accounts.models import Restaurant, Role, User
from kernel.console import ReadOnlyAdmin
from payments.models import Payment
from tests.factories import RestaurantFactory, accepted, order_of, routed, staff

READ_ONLY = [model for model, site in admin.site._registry.items() if isinstance(site, ReadOnlyAdmin)]


@pytest.fixture
def payment(transactional_db: None) -> Payment:
    restaurant = RestaurantFactory.create()
    routed(restaurant, "cash")
    return accepted(order_of(restaurant), method="cash")


def client_of(restaurant: Restaurant, role: Role) -> Client:
    user = staff(restaurant, role)
    User.objects.filter(pk=user.pk).update(is_staff=True)
    client = Client()
    client.force_login(User.objects.get(pk=user.pk))
    return client


def test_finance_sees_the_payments_of_its_own_restaurant_only(payment: Payment) -> None:
    page = reverse("admin:payments_payment_changelist")

    here = client_of(payment.restaurant, Role.FINANCE).get(page)
    elsewhere = client_of(RestaurantFactory.create(), Role.FINANCE).get(page)

    assert payment.reference in here.content.decode()
    assert payment.reference not in elsewhere.content.decode()


def test_another_restaurants_payment_cannot_be_opened(payment: Payment) -> None:
    page = reverse("admin:payments_payment_change", args=[payment.pk])

    assert client_of(payment.restaurant, Role.FINANCE).get(page).status_code == 200
    assert client_of(RestaurantFactory.create(), Role.FINANCE).get(page).status_code == 302


def test_a_waiter_sees_no_money_rows(payment: Payment) -> None:
    page = client_of(payment.restaurant, Role.WAITER).get(reverse("admin:payments_payment_changelist"))

    assert page.status_code == 403


@pytest.mark.parametrize("verb", ["change", "delete", "add"])
@pytest.mark.parametrize("model", READ_ONLY, ids=lambda model: model.__name__)
def test_nobody_edits_or_deletes(transactional_db: None, model: type[Model], verb: str) -> None:
    boss = User.objects.create(username="boss", is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(boss)
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_{verb}"
    address = reverse(name, args=[] if verb == "add" else ["01a1fc6a-c8db-7c25-b938-f5b6a1f94ae2"])

    assert client.post(address, {"status": "completed"}).status_code in {302, 403}
    assert len(READ_ONLY) >= 9
