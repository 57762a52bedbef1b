"""The console's menu: every page of it, once, and for each person what may be opened."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils.html import escape

from accounts.models import Restaurant, Role, User
from config.menu import menu
from kernel.console import ConsoleAdmin
from tests.factories import RestaurantFactory, UserFactory, order_of, staff


@pytest.fixture
def restaurant(transactional_db: None) -> Restaurant:
    return RestaurantFactory.create()


def titles(person: User) -> dict[str, list[str]]:
    request = RequestFactory().get("/admin/")
    request.user = person
    return {group["title"]: [item["title"] for item in group["items"]] for group in menu(request)}


def finance(restaurant: Restaurant) -> User:
    person = staff(restaurant, Role.FINANCE)
    User.objects.filter(pk=person.pk).update(is_staff=True)
    return User.objects.get(pk=person.pk)


def test_an_administrator_finds_every_page(restaurant: Restaurant) -> None:
    shown = titles(UserFactory.create(is_staff=True, is_superuser=True))

    assert shown["Work"] == ["Today", "Failure queue", "Bulk work", "Approvals"]
    assert shown["Money"] == ["Payments", "Attempts", "Refunds", "Refund limits", "Orders"]
    assert shown["Providers"] == ["Accounts", "Routes", "Circuits", "Notices"]
    assert shown["People and keys"] == ["People", "Roles", "Restaurants", "Keys", "Permission groups"]
    assert shown["History"] == ["Audit", "Events", "Transitions"]
    assert sum(map(len, shown.values())) == len(admin.site._registry) + 1  # Today is no table's page.


def keys(person: User) -> dict[str, str]:
    request = RequestFactory().get("/admin/")
    request.user = person
    return {item["key"]: item["title"] for group in menu(request) for item in group["items"] if item["key"]}


def test_keys_lead_where_the_menu_does(restaurant: Restaurant) -> None:
    assert keys(finance(restaurant)) == {"g t": "Today", "g q": "Failure queue", "g a": "Approvals"}
    assert keys(staff(restaurant, Role.WAITER)) == {}


def test_finance_finds_money_and_no_people(restaurant: Restaurant) -> None:
    shown = titles(finance(restaurant))

    assert list(shown) == ["Work", "Money", "Providers", "History"]


def test_a_waiter_finds_nothing(restaurant: Restaurant) -> None:
    assert titles(staff(restaurant, Role.WAITER)) == {}


def test_the_menu_asks_once_what_a_person_may_see(restaurant: Restaurant) -> None:
    person = finance(restaurant)
    with CaptureQueriesContext(connection) as queries:
        titles(person)

    assert len([query for query in queries if "membership" in query["sql"]]) == 1


def test_every_page_is_on_the_console_s_base_and_says_what_it_is_for() -> None:
    for page in admin.site._registry.values():
        assert isinstance(page, ConsoleAdmin), page
        # The queue says it itself, where it is built.
        if page.opts.label != "failures.Case":
            assert page.called, page
            assert page.about.endswith("."), page


def test_the_pages_of_an_app_are_called_as_on_the_menu(restaurant: Restaurant) -> None:
    client = Client()
    client.force_login(UserFactory.create(is_staff=True, is_superuser=True))

    for app in ("accounts", "events", "failures", "orders", "payments"):
        main = client.get(f"/admin/{app}/").content.decode().partition('id="content-main"')[2]
        pages: list[Any] = [page for model, page in admin.site._registry.items() if model._meta.app_label == app]

        assert pages
        assert all(f">{page.list_title}</a><span>{escape(page.about)}</span>" in main for page in pages), app


def test_every_page_of_the_console_has_the_menu_and_the_mark(restaurant: Restaurant) -> None:
    order_of(restaurant)
    client = Client()
    client.force_login(finance(restaurant), backend="accounts.backends.PersonBackend")

    page = client.get("/admin/orders/order/").content.decode()

    assert page.count(">Failure queue<") == 1
    assert "/static/kernel/mark.svg" in page
    assert "<h1><span" in page.replace("\n", "")
