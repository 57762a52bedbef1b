"""The console shows money rows to staff of their restaurant and lets nobody edit them."""

from __future__ import annotations

import re

import pytest
from django.contrib import admin
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Restaurant, Role, User
from kernel.console import ReadOnlyAdmin
from payments.models import Payment
from tests.factories import RestaurantFactory, accepted, order_of, routed, staff

# Session, person, second factor, roles, the rows, their count, and whom and what filters name. More is a reason to look
# again.
MOST_QUERIES = 10
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


def test_the_first_stop_of_a_page_leads_past_the_menu(payment: Payment) -> None:
    desk = client_of(payment.restaurant, Role.FINANCE)
    for path in ("/admin/", "/admin/payments/payment/", f"/admin/payments/payment/{payment.pk}/change/"):
        page = desk.get(path).content.decode()

        first = re.search(r"<(a|button|input)\b[^>]*>", page[page.index("<body") :])
        assert first is not None
        assert first[0] == '<a class="console-skip" href="#content">'
        assert 'id="content"' in page


def test_the_filters_of_a_list_are_a_dialog_that_is_led_into(payment: Payment) -> None:
    page = client_of(payment.restaurant, Role.FINANCE).get("/admin/payments/payment/").content.decode()

    assert re.search(r'id="changelist-filter"[^>]* role="dialog" aria-label="Filters"', page)
    assert 'aria-label="Close the filters"' in page
    assert "kernel/filters.js" in page


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


def test_a_page_of_a_list_costs_the_same_for_one_row_and_for_many(payment: Payment) -> None:
    client = client_of(payment.restaurant, Role.FINANCE)
    client.get("/admin/")  # The first visit is written into the session.
    lists = [reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist") for model in READ_ONLY]
    few = [queries_of(client, page) for page in lists]
    for _ in range(4):
        accepted(order_of(payment.restaurant), method="cash")

    assert [queries_of(client, page) for page in lists] == few
    assert max(few) <= MOST_QUERIES


def queries_of(client: Client, page: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(page).status_code in {200, 403}
    assert not [query["sql"] for query in queries if re.match(r"SELECT COUNT\(\*\) (?!.*LIMIT)", query["sql"])]
    return len(queries)


def test_a_list_shows_amounts_states_and_the_restaurant_s_time(payment: Payment) -> None:
    page = client_of(payment.restaurant, Role.FINANCE).get(reverse("admin:payments_payment_changelist"))

    text = page.content.decode()
    assert re.search(r'<span class="amount">₹[\d,.]+</span>', text)
    assert re.search(r'<span class="state state-[a-z]+">\w+</span>', text)
    assert re.search(r'<time datetime="[^"]+\+00:00" title="[^"]+ UTC">[^<]+IST</time>', text)


@pytest.mark.parametrize(("query", "said"), [("", "No refunds yet."), ("?q=nothing", "No row here has “nothing”")])
def test_an_empty_list_says_something_useful(payment: Payment, query: str, said: str) -> None:
    page = reverse("admin:payments_refund_changelist")

    assert said in client_of(payment.restaurant, Role.FINANCE).get(page + query).content.decode()


def test_rows_with_one_history_show_no_second_one(payment: Payment) -> None:
    page = reverse("admin:payments_payment_change", args=[payment.pk])

    text = client_of(payment.restaurant, Role.FINANCE).get(page).content.decode()

    assert reverse("admin:payments_payment_history", args=[payment.pk]) not in text


def test_a_row_is_called_by_its_name_and_leads_back_to_its_list(payment: Payment) -> None:
    page = reverse("admin:payments_payment_change", args=[payment.pk])

    text = client_of(payment.restaurant, Role.FINANCE).get(page).content.decode()

    back = reverse("admin:payments_payment_changelist")
    assert re.search(
        rf'<h1><a href="{back}">Payments</a>.*<span class="console-title">{payment.reference}</span>', text
    )
