"""The page of a chain: changed by an admin with or without a script, looked at by the others, and never half."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Restaurant, Role, User
from events.models import AuditEntry
from payments.gateways.guard import Operation
from payments.models import ProviderAccount, Route
from payments.services.providers import circuits_of
from tests.factories import RestaurantFactory, routed, staff
from tests.failures.test_desk import MOST_QUERIES, desk_of

LIST = "/admin/payments/route/"
WHY = "The second one is cheaper."


@pytest.fixture
def admin(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.ADMIN)


@pytest.fixture
def desk(admin: User) -> Client:
    return desk_of(admin)


@pytest.fixture
def page(restaurant: Restaurant) -> str:
    return f"{LIST}chain/{restaurant.pk}/test/"


def text_of(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def seen_on(answer: Any) -> str:
    (mark,) = set(re.findall(r'name="seen" value="([0-9a-f]{64})"', answer.content.decode()))
    return str(mark)


def as_it_is(desk: Client, page: str, **more: Any) -> dict[str, Any]:
    """What a browser would send of the page, with some of it typed anew."""
    routes = list(Route.objects.order_by("position"))
    said: dict[str, Any] = {
        "form-TOTAL_FORMS": str(len(routes) + 1),
        "form-INITIAL_FORMS": str(len(routes)),
        "seen": seen_on(desk.get(page)),
        "reason": WHY,
        f"form-{len(routes)}-place": str(len(routes) + 1),
        f"form-{len(routes)}-enabled": "on",
    }
    for index, route in enumerate(routes):
        said[f"form-{index}-place"] = str(route.position)
        said[f"form-{index}-account"] = str(route.account_id)
        said[f"form-{index}-enabled"] = "on"
    return {name: value for name, value in {**said, **more}.items() if value is not None}


def order() -> list[str]:
    return list(Route.objects.order_by("position").values_list("account__provider", flat=True))


def test_numbers_put_the_chain_into_another_order(desk: Client, page: str, admin: User) -> None:
    answer = desk.post(page, as_it_is(desk, page, **{"form-0-place": "9"}), follow=True)

    assert order() == ["b", "cash", "a"]
    assert "Saved. The next payment meets the chain as it is now." in text_of(answer)
    assert f"Changed by {admin.username}" in text_of(answer)
    assert AuditEntry.objects.get().reason == WHY


def test_what_a_route_is_for_is_typed_as_people_write_it(desk: Client, page: str) -> None:
    typed = {
        "form-0-methods": ["card", "upi"],
        "form-0-channels": ["dine_in"],
        "form-0-currencies": "inr, usd",
        "form-0-least": "500",
        "form-0-most": "1000.50",
        "form-1-enabled": None,
        "form-2-remove": "on",
    }

    desk.post(page, as_it_is(desk, page, **typed))

    first, second = Route.objects.order_by("position")
    assert (first.methods, first.channels, first.currencies) == (["card", "upi"], ["dine_in"], ["INR", "USD"])
    assert (first.min_minor, first.max_minor, second.enabled) == (50_000, 100_050, False)
    shown = text_of(desk.get(page))
    assert "Only card or UPI, dine in, in INR or USD, from ₹500.00, up to ₹1,000.50." in shown
    assert 'value="1000.50"' in shown


def test_a_route_is_added_at_the_end_or_wherever_its_number_says(desk: Client, page: str) -> None:
    another = str(ProviderAccount.objects.get(provider="b").pk)

    desk.post(page, as_it_is(desk, page, **{"form-3-account": another, "form-3-place": "1"}))

    assert order() == ["a", "b", "b", "cash"]  # Of two with one number the one that stands first comes first.


def test_each_route_says_what_routing_would_do_with_it_now(desk: Client, page: str) -> None:
    circuits_of(ProviderAccount.objects.get(provider="a"))[Operation.CHARGE].trip(cool_down_seconds=600)

    shown = text_of(desk.get(page))

    assert 'skipped: its circuit is open</span> <span class="prov-soft">until <time' in shown
    assert shown.count("the first choice") == 1
    assert shown.count("tried if those above cannot") == 1


def test_on_an_old_page_nothing_is_changed_and_nothing_typed_is_lost(
    desk: Client, page: str, restaurant: Restaurant
) -> None:
    old = as_it_is(desk, page, **{"form-0-least": "123.45"})
    other = staff(restaurant, Role.ADMIN)
    desk_of(other).post(page, as_it_is(desk, page, reason="The bank called.", **{"form-0-place": "9"}))
    assert order() == ["b", "cash", "a"]

    answer = desk.post(page, old)

    shown = text_of(answer)
    assert answer.status_code == 409
    assert order() == ["b", "cash", "a"]
    assert "Somebody changed this chain since you opened it." in shown
    assert f"Changed by {other.username}" in shown
    assert "The bank called." in shown
    assert "As the chain is now" in shown
    assert 'value="123.45"' in shown
    # Saved again it is about the chain as it is shown.
    assert desk.post(page, {**old, "seen": seen_on(answer)}).status_code == 302
    assert order() == ["a", "b", "cash"]


def test_a_second_press_changes_nothing_and_is_told(desk: Client, page: str) -> None:
    said = as_it_is(desk, page, **{"form-0-place": "9"})

    assert [desk.post(page, said).status_code for _ in range(2)] == [302, 409]

    assert order() == ["b", "cash", "a"]
    assert AuditEntry.objects.count() == 1


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"form-0-least": "five"}, "is not an amount"),
        ({"form-0-least": "1.234"}, "INR has 2 decimals"),
        ({"form-0-least": "10", "form-0-most": "5"}, "No amount is above the one bound and below the other."),
        ({"form-0-currencies": "RUPEE"}, "is not a currency code"),
        ({"form-0-methods": ["cheque"]}, "Select a valid choice"),
        ({"form-0-place": "first"}, "Enter a whole number."),
        ({"form-0-account": ""}, "Choose an account, or remove the route."),
        ({"reason": ""}, "This field is required."),
        ({"reason": "4111 1111 1111 1111"}, "This looks like a card number."),
        ({"form-TOTAL_FORMS": "5000"}, "Please submit at most"),
        ({"form-TOTAL_FORMS": None}, "ManagementForm data is missing"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_changed(
    desk: Client, page: str, typed: dict[str, Any], sentence: str
) -> None:
    answer = desk.post(page, as_it_is(desk, page, **typed))

    assert answer.status_code in {400, 409}
    assert sentence in text_of(answer)
    assert order() == ["a", "b", "cash"]
    assert not AuditEntry.objects.exists()


def test_a_till_is_closed_only_on_purpose(desk: Client, page: str) -> None:
    off = {f"form-{index}-enabled": None for index in range(3)}

    answer = desk.post(page, as_it_is(desk, page, **off))

    assert answer.status_code == 409
    assert "nobody can pay until one is" in text_of(answer)
    assert 'name="nobody_can_pay"' in text_of(answer)
    assert Route.objects.filter(enabled=True).count() == 3
    answer = desk.post(page, as_it_is(desk, page, nobody_can_pay="on", **off), follow=True)
    assert not Route.objects.filter(enabled=True).exists()
    assert "Nobody can pay here now" in text_of(answer)


def test_routes_for_foreign_money_alone_let_nobody_pay(desk: Client, page: str) -> None:
    Route.objects.update(currencies=["USD"])

    assert "Nobody can pay here now" in text_of(desk.get(page))
    Route.objects.filter(position=1).update(currencies=["USD", "INR"])
    assert "Nobody can pay here now" not in text_of(desk.get(page))


@pytest.mark.parametrize("role", [Role.FINANCE, Role.FINANCE_LEAD, Role.AUDITOR])
def test_others_of_the_office_look_and_their_forged_chain_is_refused(
    desk: Client, page: str, restaurant: Restaurant, role: Role
) -> None:
    looking = desk_of(staff(restaurant, role))

    shown = text_of(looking.get(page))
    assert "Only an admin of this restaurant changes its chain." in shown
    assert "Save the chain" not in shown
    assert "the first choice" in shown
    assert looking.post(page, as_it_is(desk, page, **{"form-0-place": "9"})).status_code == 403
    assert order() == ["a", "b", "cash"]
    assert not AuditEntry.objects.exists()


def test_a_waiter_and_an_admin_elsewhere_find_nothing(desk: Client, page: str, restaurant: Restaurant) -> None:
    said = as_it_is(desk, page, **{"form-0-place": "9"})
    stranger = desk_of(staff(RestaurantFactory.create(), Role.ADMIN))

    assert desk_of(staff(restaurant, Role.WAITER)).post(page, said).status_code == 403
    assert (stranger.get(page).status_code, stranger.post(page, said).status_code) == (404, 404)
    assert desk.get(page.replace("/test/", "/toy/")).status_code == 404
    assert order() == ["a", "b", "cash"]


def test_an_account_of_somebody_else_is_no_choice(desk: Client, page: str) -> None:
    (theirs,) = routed(RestaurantFactory.create(), "a")

    answer = desk.post(page, as_it_is(desk, page, **{"form-0-account": str(theirs.pk)}))

    assert answer.status_code == 400
    assert order()[:1] == ["a"]


def test_the_list_leads_to_the_chain(desk: Client, page: str, restaurant: Restaurant) -> None:
    shown = desk.get(LIST).content.decode()

    assert shown.count(f'href="{page}"') == 4  # Each route, and the way to the chain above them.
    route = Route.objects.first()
    assert route is not None
    assert desk.get(f"{LIST}{route.pk}/change/").headers["Location"] == page
    assert desk.get(f"{LIST}99999/change/").status_code == 404


@pytest.mark.parametrize("where", ["list", "chain"])
def test_a_page_asks_the_same_however_many_routes_there_are(
    desk: Client, page: str, restaurant: Restaurant, where: str
) -> None:
    address = LIST if where == "list" else page
    desk.get(address)
    account = ProviderAccount.objects.get(provider="b")
    for position in range(10, 30):
        Route.objects.create(restaurant=restaurant, mode="test", position=position, account=account)

    with CaptureQueriesContext(connection) as queries:
        desk.get(address)

    assert 0 < len(queries) <= MOST_QUERIES
