"""Two people save one form in the same instant: what both pages showed was right, and the second one is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from types import ModuleType
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.db.models import Model
from django.db.models.signals import post_save
from django.test import Client

from accounts.models import Membership, Restaurant, Role, User
from accounts.services import editing_people
from events.audit import audited
from events.models import AuditEntry
from payments.models import Limited, RefundLimit
from payments.services import accounts, limit_changes
from tests.accounts.test_people_pages import (
    GROUPS,
    HOUSES,
    PASSWORD,
    PEOPLE,
    ROLES,
    boss,
    console,
    form_of,
    page_of,
    signed_in,
)
from tests.factories import RestaurantFactory, UserFactory, routed, staff
from tests.failures.test_desk import desk_of
from tests.kernel.test_stale_forms import shown_by
from tests.lock_waits import wait_until_somebody_waits_for_us

__all__ = ["boss", "console"]
pytestmark = pytest.mark.django_db(transaction=True)
OVERTAKEN = "Somebody changed this since you opened the page."
LIMITS = "/admin/payments/refundlimit/"


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Callable[[ModuleType], None]:
    """In this service the first one does nothing before the second one waits for its lock."""

    def hold(service: ModuleType) -> None:
        waits = [wait_until_somebody_waits_for_us]

        def behind_the_lock(deed: Any) -> Any:
            while waits:
                waits.pop()()
            return audited(deed)

        monkeypatch.setattr(service, "audited", behind_the_lock)

    return hold


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


def test_of_two_who_change_one_person_the_second_one_is_told(
    console: Client, held: Callable[[ModuleType], None]
) -> None:
    held(editing_people)
    asha, other = UserFactory.create(email=""), signed_in(UserFactory.create(is_staff=True, is_superuser=True))
    change = [{"first_name": "Asha"}, {"first_name": "Usha"}]
    pages = zip((console, other), change, strict=True)

    saved, told = at_once(*(posting(client, page_of(asha), form_of(asha, **said)) for client, said in pages))

    assert (saved.status_code, told.status_code) == (302, 200)
    asha.refresh_from_db()
    assert f"{OVERTAKEN} By now it is First name: {asha.first_name}." in told.content.decode()


def test_of_two_who_change_one_limit_the_second_one_is_told(held: Callable[[ModuleType], None]) -> None:
    held(limit_changes)
    restaurant = RestaurantFactory.create()
    limit = RefundLimit.objects.create(restaurant=restaurant, who=Limited.FINANCE, currency="INR", most_minor=50_000)
    desks = [desk_of(staff(restaurant, Role.ADMIN)) for _ in range(2)]
    pages = zip(desks, ("100", "200"), strict=True)

    saved, told = at_once(*(posting(desk, f"{LIMITS}{limit.pk}/change/", {"most": most}) for desk, most in pages))

    assert (saved.status_code, told.status_code) == (302, 200)
    limit.refresh_from_db()
    assert limit.most_minor in {10_000, 20_000}
    assert f"By now it is Most of one payment, in all: {limit.most_minor // 100}.00." in told.content.decode()


def test_of_two_who_set_the_first_limit_the_second_one_is_told(held: Callable[[ModuleType], None]) -> None:
    held(limit_changes)
    restaurant = RestaurantFactory.create()
    desks = [desk_of(staff(restaurant, Role.ADMIN)) for _ in range(2)]
    said = {"restaurant": str(restaurant.pk), "who": "finance", "currency": "INR"}

    def page(desk: Client, most: str) -> Callable[[], Any]:
        return lambda: desk.post(f"{LIMITS}add/", {**said, "most": most})

    saved, told = at_once(page(desks[0], "100"), page(desks[1], "200"))

    assert (saved.status_code, told.status_code) == (302, 200)
    limit = RefundLimit.objects.get()
    assert limit.most_minor in {10_000, 20_000}
    assert f"This limit was set to ₹{limit.most_minor // 100}.00 since you opened the page." in told.content.decode()
    assert AuditEntry.objects.filter(action="set_refund_limit").count() == 1


def test_of_two_who_set_the_same_first_limit_both_have_it(held: Callable[[ModuleType], None]) -> None:
    """Whoever presses twice is not told of a colleague."""
    held(limit_changes)
    restaurant = RestaurantFactory.create()
    desk = desk_of(staff(restaurant, Role.ADMIN))
    said = {"restaurant": str(restaurant.pk), "who": "finance", "currency": "INR", "most": "100"}

    answers = at_once(*[lambda: desk.post(f"{LIMITS}add/", said)] * 2)

    assert [answer.status_code for answer in answers] == [302, 302]
    assert RefundLimit.objects.get().most_minor == 10_000
    assert AuditEntry.objects.filter(action="set_refund_limit").count() == 1


def test_of_two_who_change_one_fee_the_second_one_is_told(held: Callable[[ModuleType], None]) -> None:
    held(accounts)
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
    assert account.fee_bps in {190, 290}
    assert f"This fee was set to {account.fee_bps // 100}.{account.fee_bps % 100} percent" in text
    # The next press is about what it is by now.
    assert f'name="seen" value="{account.fee_bps}"' in text


def test_a_fee_that_is_sent_twice_is_set_once() -> None:
    restaurant = RestaurantFactory.create()
    (account,) = routed(restaurant, "a")
    desk = desk_of(staff(restaurant, Role.ADMIN))
    said = {"fee": "2.9", "reason": "A new contract.", "seen": account.fee_bps}

    answers = [desk.post(f"/admin/payments/provideraccount/{account.pk}/fee/", said, follow=True) for _ in range(2)]

    assert [answer.redirect_chain[0][1] for answer in answers] == [302, 302]
    first, second = (answer.content.decode() for answer in answers)
    assert "The fee is changed." in first
    assert "The fee is 2.90 percent already: nothing was changed." in second
    assert AuditEntry.objects.filter(action="set_fee").count() == 1


# --- Two who give one name to something new ---------------------------------------------------------------------------


@contextmanager
def written_and_held(model: type[Model]) -> Iterator[None]:
    """The first one's row is there and not committed until the second one waits to write its own."""

    def hold(**_: Any) -> None:
        wait_until_somebody_waits_for_us()

    post_save.connect(hold, sender=model, weak=False)
    try:
        yield
    finally:
        post_save.disconnect(hold, sender=model)


def test_of_two_who_give_one_person_a_role_the_second_one_is_told(console: Client, boss: User) -> None:
    asha, restaurant, other = UserFactory.create(), RestaurantFactory.create(), signed_in(boss)
    said = {"user": str(asha.pk), "restaurant": str(restaurant.pk)}
    first = lambda: console.post(f"{ROLES}add/", {**said, "role": "finance"})  # noqa: E731
    second = lambda: other.post(f"{ROLES}add/", {**said, "role": "finance_lead"})  # noqa: E731

    with written_and_held(Membership):
        saved, told = at_once(first, second)

    assert (saved.status_code, told.status_code) == (302, 200)
    assert "This person has a role here by now. Open it on the list to change it." in told.content.decode()
    assert AuditEntry.objects.filter(action="give_role").count() == Membership.objects.count() == 1


@pytest.mark.parametrize(
    ("model", "address", "said", "sentence"),
    [
        (
            User,
            PEOPLE,
            {"username": "asha", "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD},
            "There is somebody called asha already. Choose another name.",
        ),
        (
            Restaurant,
            HOUSES,
            {"name": "Saffron", "slug": "saffron", "currency": "INR", "time_zone": "UTC", "day_starts_at": "05:00"},
            "There is a restaurant saffron already. Choose another name.",
        ),
        (Group, GROUPS, {"name": "Keys"}, "There is a group Keys already."),
    ],
    ids=["person", "restaurant", "group"],
)
def test_of_two_who_give_one_name_the_second_one_is_told(
    console: Client, model: type[Model], address: str, said: dict[str, str], sentence: str
) -> None:
    other = signed_in(UserFactory.create(is_staff=True, is_superuser=True))

    with written_and_held(model):
        saved, told = at_once(*[lambda at=at: at.post(f"{address}add/", said) for at in (console, other)])

    assert (saved.status_code, told.status_code) == (302, 200)
    assert sentence in told.content.decode()
    assert AuditEntry.objects.count() == 1
