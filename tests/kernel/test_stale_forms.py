"""Two people change one row: the second one is told what became of it, and nothing that was entered is lost."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from typing import Any

import pytest
from django import forms
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.admin import houses
from accounts.models import Membership, Restaurant, Role, User
from accounts.services.permission_groups import GroupRefused, delete_group, save_group
from accounts.services.roles import RoleRefused, save_role, take_role
from events.models import AuditEntry
from payments.models import Limited, RefundLimit
from tests.accounts.test_people_pages import GROUPS, PEOPLE, ROLES, boss, console, form_of, page_of, signed_in
from tests.factories import RestaurantFactory, UserFactory, staff
from tests.failures.test_desk import desk_of

__all__ = ["boss", "console"]
pytestmark = pytest.mark.django_db
_MARKS = re.compile(r'name="marks_shown" value="([^"]*)"')


def shown_by(client: Client, address: str) -> str:
    return marks_in(client.get(address))


def marks_in(page: Any) -> str:
    (marks,) = _MARKS.findall(page.content.decode())
    return unescape(marks)


def sent_by(page: Any) -> dict[str, Any]:
    """What a browser sends of the form that it shows, if nobody touches it."""
    form = page.context["adminform"].form
    fields = {bound.html_name: _sent_of(bound) for bound in form if not bound.field.disabled}
    return {**{name: values for name, values in fields.items() if values}, "marks_shown": [marks_in(page)]}


def _sent_of(bound: Any) -> list[str]:
    shown = bound.value()
    if isinstance(bound.field, forms.BooleanField):
        return ["on"] if shown else []
    many = shown if isinstance(shown, list) else [shown]
    return ["" if each is None else str(each) for each in map(bound.field.prepare_value, many)]


@pytest.fixture
def other() -> Client:
    return signed_in(UserFactory.create(is_staff=True, is_superuser=True))


def test_whoever_was_shut_out_is_not_let_in_by_an_older_page(console: Client) -> None:
    asha, other = UserFactory.create(), UserFactory.create(is_staff=True, is_superuser=True)
    older = form_of(asha, email="new@example.com", marks_shown=shown_by(console, page_of(asha)))
    signed_in(other).post(page_of(asha), form_of(asha, is_active=""))

    refused = console.post(page_of(asha), older)

    asha.refresh_from_db()
    assert (refused.status_code, asha.is_active, asha.email) == (200, False, "")
    text = refused.content.decode()
    assert "Somebody changed this since you opened the page. By now it is Active: no." in text
    assert 'value="new@example.com"' in text


class TestToldAndSavedAgain:
    """By the button alone: what stands in the page that told them is sent."""

    def test_what_was_left_alone_is_as_the_colleague_left_it(self, console: Client, other: Client) -> None:
        keys, money = (Group.objects.create(name=name) for name in ("Keys", "Money"))
        asha = UserFactory.create(first_name="Asha", is_staff=True)
        asha.groups.add(keys)
        older = sent_by(console.get(page_of(asha))) | {"email": ["new@example.com"], "last_name": ["Rao"]}
        change = {"is_active": "", "first_name": "Usha", "last_name": "Roy", "groups": [money.pk]}
        other.post(page_of(asha), form_of(asha, **change))

        told = console.post(page_of(asha), older)
        answer = console.post(page_of(asha), sent_by(told))

        text = told.content.decode()
        for said in ("First name: Usha", "Last name: Roy", "Active: no", "Groups: Money"):
            assert said in text
        asha.refresh_from_db()
        assert (answer.status_code, asha.is_active, asha.first_name, asha.is_staff) == (302, False, "Usha", True)
        assert (asha.email, asha.last_name, [*asha.groups.all()]) == ("new@example.com", "Rao", [money])

    def test_each_of_several_boxes_is_left_alone_by_itself(self, console: Client, other: Client) -> None:
        """A right that was taken away does not come back because another one was given on an older page."""
        first, second, third, fourth = (Group.objects.create(name=name) for name in ("A", "B", "C", "D"))
        asha = UserFactory.create()
        asha.groups.set([first, second])
        older = sent_by(console.get(page_of(asha))) | {"groups": [str(first.pk), str(third.pk)]}
        other.post(page_of(asha), form_of(asha, groups=[second.pk, fourth.pk]))

        console.post(page_of(asha), sent_by(console.post(page_of(asha), older)))

        assert {*asha.groups.all()} == {third, fourth}

    def test_what_was_let_in_or_given_meanwhile_stays_so(self, console: Client, other: Client) -> None:
        asha = UserFactory.create(is_active=False, email="old@example.com")
        older = sent_by(console.get(page_of(asha))) | {"email": ["new@example.com"]}
        other.post(page_of(asha), form_of(asha, is_active="on"))

        console.post(page_of(asha), sent_by(console.post(page_of(asha), older)))

        asha.refresh_from_db()
        assert (asha.is_active, asha.email) == (True, "new@example.com")

    def test_whoever_is_overtaken_again_is_told_again(self, console: Client, other: Client) -> None:
        asha = UserFactory.create(first_name="Asha")
        older = sent_by(console.get(page_of(asha))) | {"first_name": ["Mine"]}
        other.post(page_of(asha), form_of(asha, first_name="First"))
        told = sent_by(console.post(page_of(asha), older))
        other.post(page_of(asha), form_of(asha, first_name="Second"))

        again = console.post(page_of(asha), told)

        assert "By now it is First name: Second." in again.content.decode()
        assert 'value="Mine"' in again.content.decode()
        asha.refresh_from_db()
        assert asha.first_name == "Second"

    def test_a_role_is_named_as_people_call_it(self, console: Client, other: Client) -> None:
        restaurant = RestaurantFactory.create()
        role = Membership.objects.get(user=staff(restaurant, Role.FINANCE))
        address = f"{ROLES}{role.pk}/change/"
        older = sent_by(console.get(address)) | {"role": ["admin"]}
        other.post(address, {"role": "finance_lead"})

        assert f"By now it is Role: {Role.FINANCE_LEAD.label}." in console.post(address, older).content.decode()
        assert Membership.objects.get().role == Role.FINANCE_LEAD


def test_a_page_that_nobody_overtook_is_saved(console: Client) -> None:
    asha = UserFactory.create()

    answer = console.post(
        page_of(asha), form_of(asha, email="new@example.com", marks_shown=shown_by(console, page_of(asha)))
    )

    assert answer.status_code == 302
    assert User.objects.get(pk=asha.pk).email == "new@example.com"


def test_a_second_press_is_no_news(console: Client) -> None:
    asha = UserFactory.create()
    said = form_of(asha, email="new@example.com", marks_shown=shown_by(console, page_of(asha)))

    answers = [console.post(page_of(asha), said).status_code for _ in range(2)]

    assert answers == [302, 302]
    assert AuditEntry.objects.filter(action="edit_person").count() == 1


@pytest.mark.parametrize("said", ["", "{", "[]", '{"email": 1, "nobody": "knows"}'])
def test_marks_that_cannot_be_read_break_nothing(console: Client, said: str) -> None:
    asha = UserFactory.create()

    answer = console.post(page_of(asha), form_of(asha, email="new@example.com", marks_shown=said))

    assert answer.status_code == 302
    assert User.objects.get(pk=asha.pk).email == "new@example.com"


def test_nobody_raises_a_limit_that_a_colleague_has_just_lowered() -> None:
    restaurant: Restaurant = RestaurantFactory.create()
    limit = RefundLimit.objects.create(restaurant=restaurant, who=Limited.FINANCE, currency="INR", most_minor=50_000)
    first = desk_of(staff(restaurant, Role.ADMIN))
    address = f"/admin/payments/refundlimit/{limit.pk}/change/"
    marks = shown_by(first, address)
    desk_of(staff(restaurant, Role.ADMIN)).post(address, {"most": "100"})

    refused = first.post(address, {"most": "600", "marks_shown": marks})

    limit.refresh_from_db()
    assert (refused.status_code, limit.most_minor) == (200, 10_000)
    assert "By now it is Most of one payment, in all: 100.00." in refused.content.decode()
    assert 'value="600"' in refused.content.decode()


def test_an_amount_is_the_same_however_it_is_written() -> None:
    restaurant: Restaurant = RestaurantFactory.create()
    limit = RefundLimit.objects.create(restaurant=restaurant, who=Limited.FINANCE, currency="INR", most_minor=50_000)
    desk = desk_of(staff(restaurant, Role.ADMIN))
    address = f"/admin/payments/refundlimit/{limit.pk}/change/"
    said = {"most": "600", "marks_shown": shown_by(desk, address)}

    answers = [desk.post(address, said).status_code for _ in range(2)]

    limit.refresh_from_db()
    assert (answers, limit.most_minor) == ([302, 302], 60_000)
    assert AuditEntry.objects.filter(action="set_refund_limit").count() == 1


def test_a_limit_that_somebody_changed_is_not_deleted_by_the_page_that_showed_another(desk_page: str) -> None:
    limit = RefundLimit.objects.get()
    desk = desk_of(staff(limit.restaurant, Role.ADMIN))
    asked = desk.get(f"{desk_page}delete/").content.decode()
    assert f"{limit.restaurant} has a limit for finance: ₹500.00 of one payment, in all." in asked
    assert 'name="seen" value="50000"' in asked
    desk.post(f"{desk_page}change/", {"most": "100"})

    refused = desk.post(f"{desk_page}delete/", {"post": "yes", "seen": "50000"}, follow=True)

    assert "This limit was set to ₹100.00 since you opened the page." in refused.content.decode()
    assert RefundLimit.objects.get().most_minor == 10_000
    assert desk.post(f"{desk_page}delete/", {"post": "yes", "seen": "10000"}).status_code == 302
    assert not RefundLimit.objects.exists()


@pytest.mark.parametrize("said", ["", "many", "-1", "9" * 5_000, "²"])
def test_whoever_saw_no_limit_deletes_none(desk_page: str, said: str) -> None:
    desk = desk_of(staff(RefundLimit.objects.get().restaurant, Role.ADMIN))

    told = desk.post(f"{desk_page}delete/", {"post": "yes", "seen": said}, follow=True)

    assert "Look at the limit first, and delete it on its own page." in told.content.decode()
    assert RefundLimit.objects.exists()


def test_what_is_no_amount_is_said_once(desk_page: str) -> None:
    desk = desk_of(staff(RefundLimit.objects.get().restaurant, Role.ADMIN))

    said = desk.post(f"{desk_page}change/", {"most": "much"}).content.decode()

    assert said.count("is not an amount") == 1


@pytest.fixture
def desk_page() -> str:
    restaurant = RestaurantFactory.create()
    limit = RefundLimit.objects.create(restaurant=restaurant, who=Limited.FINANCE, currency="INR", most_minor=50_000)
    return f"/admin/payments/refundlimit/{limit.pk}/"


# --- What is not there any more ---------------------------------------------------------------------------------------


def test_a_role_that_was_taken_away_does_not_come_back(boss: User) -> None:
    """By a list, whose action waits for no form."""
    restaurant, asha = RestaurantFactory.create(), UserFactory.create()
    save_role(membership=Membership(user=asha, restaurant=restaurant, role=Role.FINANCE), by=boss)
    older = Membership.objects.get()
    take_role(membership=Membership.objects.get(), by=boss)

    with pytest.raises(RoleRefused, match="was taken away since you opened the page"):
        save_role(membership=older, by=boss)

    assert not Membership.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_whoever_saves_what_was_just_taken_away_is_told(
    console: Client, boss: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = Membership.objects.get(user=staff(RestaurantFactory.create(), Role.FINANCE))

    def take_away() -> None:
        try:
            take_role(membership=Membership.objects.get(), by=boss)
        finally:
            connection.close()

    def taken_away_before(membership: Membership, by: User) -> None:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(take_away).result()
        save_role(membership=membership, by=by)

    monkeypatch.setattr(houses, "save_role", taken_away_before)

    told = console.post(f"{ROLES}{role.pk}/change/", {"role": "finance_lead"}, follow=True)

    assert told.redirect_chain == [(ROLES, 302)]
    assert "This role was taken away since you opened the page." in told.content.decode()


def test_a_group_that_was_deleted_does_not_come_back(boss: User) -> None:
    older = Group.objects.create(name="Keys")
    delete_group(group=Group.objects.get(), by=boss)

    with pytest.raises(GroupRefused, match="was deleted since you opened the page"):
        save_group(group=older, permissions=[], by=boss)

    assert not Group.objects.exists()


@pytest.mark.parametrize("key", ["_00", "nobody", "9" * 40, "%00", "_0A"])
def test_an_address_of_nobody_is_no_fault_of_ours(console: Client, key: str) -> None:
    for verb in ("change", "delete", "history", "password"):
        for page in (PEOPLE, ROLES, GROUPS):
            assert console.post(f"{page}{key}/{verb}/").status_code in {302, 403, 404, 405}


def test_of_one_row_there_is_one_lock_however_its_key_is_written(console: Client) -> None:
    asha = UserFactory.create()
    address = page_of(asha)
    plain = f"accounts.User {asha.pk}"

    for written in (address, address.replace(str(asha.pk), str(asha.pk).upper())):
        with CaptureQueriesContext(connection) as said:
            console.post(written, form_of(asha))
        locks = [each["sql"] for each in said if "pg_advisory_xact_lock" in each["sql"]]
        assert locks
        assert all(plain in lock for lock in locks)
