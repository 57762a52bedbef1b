"""What the pages about people call their rows, and by which clock they tell the time."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Membership, Restaurant, Role, User
from tests.accounts.test_people_pages import GROUPS, PEOPLE, ROLES, boss_here, page_of, signed_in
from tests.factories import RestaurantFactory, UserFactory, staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def restaurant() -> Restaurant:
    return RestaurantFactory.create()


@pytest.fixture
def boss() -> User:
    return UserFactory.create(is_staff=True, is_superuser=True)


@pytest.fixture
def console(boss: User) -> Client:
    return signed_in(boss)


def test_times_of_a_person_are_those_of_the_restaurant_and_say_utc_on_asking(
    console: Client, boss: User, restaurant: Restaurant
) -> None:
    person = staff(restaurant, Role.FINANCE)
    User.objects.filter(pk=person.pk).update(date_joined=datetime(2026, 11, 26, 20, 27, tzinfo=UTC))

    page = console.get(page_of(person)).content.decode()

    assert 'title="2026-11-26 20:27:00 UTC">27\xa0Nov\xa02026, 01:57\xa0IST<' in page


def test_times_of_a_person_without_a_role_are_in_utc(console: Client, boss: User) -> None:
    assert "\xa0UTC<" in console.get(page_of(boss)).content.decode()


def test_what_is_added_and_deleted_is_called_as_on_the_menu(
    console: Client, boss: User, restaurant: Restaurant
) -> None:
    boss_here(boss, restaurant)
    role = Membership.objects.get(user=staff(restaurant, Role.WAITER))
    pages = {
        f"{PEOPLE}add/": "Add person",
        f"{ROLES}add/": "Add role",
        f"{GROUPS}add/": "Add permission group",
        reverse("admin:accounts_membership_delete", args=[role.pk]): "Delete role",
    }

    for address, title in pages.items():
        page = console.get(address).content.decode()
        assert f'<span class="console-title">{title}</span>' in page
    assert "the role" in page
    assert not re.search("(?i)membership", page[page.index("Are you sure") : page.index("</form>")])
    listed = console.get(ROLES).content.decode()
    assert "Delete selected roles" in listed
    assert 'title="Add role"' in listed
    assert 'title="Add person"' in console.get(page_of(boss)).content.decode()
