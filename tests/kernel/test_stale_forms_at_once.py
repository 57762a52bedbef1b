"""Two people save one form in the same instant: what both pages showed was right, and the second one is told."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from accounts.models import Role
from events.models import AuditEntry
from payments.models import Limited, ProviderAccount, RefundLimit
from tests.accounts.test_people_pages import boss, console, form_of, page_of, signed_in
from tests.factories import RestaurantFactory, UserFactory, routed, staff
from tests.failures.test_desk import desk_of
from tests.kernel.test_stale_forms import shown_by

__all__ = ["boss", "console"]
pytestmark = pytest.mark.django_db(transaction=True)
OVERTAKEN = "Somebody changed this since you opened the page."
LIMITS = "/admin/payments/refundlimit/"


def at_once(*presses: Callable[[], Any]) -> list[Any]:
    """Their answers: those that saved come first."""
    together = Barrier(len(presses))

    def press(each: Callable[[], Any]) -> Any:
        try:
            together.wait()
            return each()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(presses)) as pool:
        return sorted(pool.map(press, presses), key=lambda answer: answer.status_code != 302)


def posting(client: Client, address: str, said: dict[str, Any]) -> Callable[[], Any]:
    said = {**said, "marks_shown": shown_by(client, address)}
    return lambda: client.post(address, said)


def test_of_two_who_change_one_person_the_second_one_is_told(console: Client) -> None:
    asha, other = UserFactory.create(email=""), signed_in(UserFactory.create(is_staff=True, is_superuser=True))
    change = [{"first_name": "Asha"}, {"first_name": "Usha"}]
    pages = zip((console, other), change, strict=True)

    saved, told = at_once(*(posting(client, page_of(asha), form_of(asha, **said)) for client, said in pages))

    assert (saved.status_code, told.status_code) == (302, 200)
    asha.refresh_from_db()
    assert f"{OVERTAKEN} By now it is First name: {asha.first_name}." in told.content.decode()


def test_of_two_who_change_one_limit_the_second_one_is_told() -> None:
    restaurant = RestaurantFactory.create()
    limit = RefundLimit.objects.create(restaurant=restaurant, who=Limited.FINANCE, currency="INR", most_minor=50_000)
    desks = [desk_of(staff(restaurant, Role.ADMIN)) for _ in range(2)]
    pages = zip(desks, ("100", "200"), strict=True)

    saved, told = at_once(*(posting(desk, f"{LIMITS}{limit.pk}/change/", {"most": most}) for desk, most in pages))

    assert (saved.status_code, told.status_code) == (302, 200)
    limit.refresh_from_db()
    assert limit.most_minor in {10_000, 20_000}
    assert f"By now it is Most of one payment, in all: {limit.most_minor // 100}.00." in told.content.decode()


def test_of_two_who_set_the_first_limit_the_second_one_is_told() -> None:
    restaurant = RestaurantFactory.create()
    desks = [desk_of(staff(restaurant, Role.ADMIN)) for _ in range(2)]
    said = {"restaurant": str(restaurant.pk), "who": "finance", "currency": "INR"}

    def page(desk: Client, most: str) -> Callable[[], Any]:
        return lambda: desk.post(f"{LIMITS}add/", {**said, "most": most})

    saved, told = at_once(page(desks[0], "100"), page(desks[1], "200"))

    assert (saved.status_code, told.status_code) == (302, 200)
    assert RefundLimit.objects.get().most_minor in {10_000, 20_000}


def test_of_two_who_change_one_fee_the_second_one_is_told() -> None:
    restaurant = RestaurantFactory.create()
    (account,) = routed(restaurant, "a")
    desks = [desk_of(staff(restaurant, Role.ADMIN)) for _ in range(2)]
    address = f"/admin/payments/provideraccount/{account.pk}/fee/"
    before = account.fee_bps

    def page(desk: Client, fee: str) -> Callable[[], Any]:
        return lambda: desk.post(address, {"fee": fee, "reason": "A new contract.", "seen": before})

    saved, told = at_once(page(desks[0], "1.9"), page(desks[1], "2.9"))

    assert (saved.status_code, told.status_code) == (302, 409)
    account.refresh_from_db()
    text = told.content.decode()
    assert f"A colleague set this fee to {account.fee_bps // 100}.{account.fee_bps % 100} percent" in text
    # The next press is about what it is by now.
    assert f'name="seen" value="{account.fee_bps}"' in text
    assert ProviderAccount.objects.get(pk=account.pk).fee_bps in {190, 290}


def test_a_fee_that_is_sent_twice_is_set_once() -> None:
    restaurant = RestaurantFactory.create()
    (account,) = routed(restaurant, "a")
    desk = desk_of(staff(restaurant, Role.ADMIN))
    said = {"fee": "2.9", "reason": "A new contract.", "seen": account.fee_bps}

    answers = [desk.post(f"/admin/payments/provideraccount/{account.pk}/fee/", said).status_code for _ in range(2)]

    assert answers == [302, 302]
    assert AuditEntry.objects.filter(action="set_fee").count() == 1
