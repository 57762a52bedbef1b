"""People of one restaurant, and an admin of another one who may edit people: nothing is seen and nothing is done (I20).

The same presses at home work: what is refused is refused for whose people they are.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from accounts.models import Membership, Restaurant, Role, SecondFactor, User, UserToken
from accounts.services.editing_people import (
    PersonRefused,
    may_edit,
    save_person,
    setting_password,
    sign_out_everywhere,
)
from accounts.services.people import issue_user_token
from accounts.services.roles import RoleRefused, save_role, take_role
from accounts.services.second_factor import remove
from events.models import AuditEntry
from kernel.modes import Mode
from tests.accounts.test_people_pages import PASSWORD, PEOPLE, ROLES, clerk_of, form_of, page_of, signed_in
from tests.factories import RestaurantFactory, UserFactory, staff
from tests.factors import with_factor

pytestmark = pytest.mark.django_db
NEW_PASSWORD = {"usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
OFFICE_VERBS = [f"{verb}_{what}" for what in ("user", "membership") for verb in ("view", "add", "change")]
WHERE = ["elsewhere", "here and elsewhere", "here, and a guest elsewhere", "nowhere", "here once", "with a right"]


@pytest.fixture
def restaurant() -> Restaurant:
    return RestaurantFactory.create(name="Saffron")


@pytest.fixture
def other() -> Restaurant:
    return RestaurantFactory.create(name="Cardamom")


@pytest.fixture
def clerk(restaurant: Restaurant) -> User:
    return clerk_of(restaurant, Role.ADMIN, *OFFICE_VERBS)


@pytest.fixture
def desk(clerk: User) -> Client:
    return signed_in(clerk)


@pytest.fixture
def boss() -> User:
    return UserFactory.create(is_staff=True, is_superuser=True)


@pytest.fixture
def colleague(restaurant: Restaurant) -> User:
    return protected(staff(restaurant, Role.FINANCE), restaurant)


def protected(person: User, *restaurants: Restaurant) -> User:
    """With a second factor, and signed in to an app wherever there is a role."""
    with_factor(person)
    for restaurant in restaurants:
        issue_user_token(person=person, restaurant=restaurant, mode=Mode.TEST)
    return person


def working(where: str, restaurant: Restaurant, other: Restaurant, boss: User, clerk: User) -> User:
    """Somebody whom the clerk does not edit."""
    if where == "elsewhere":
        return protected(staff(other, Role.FINANCE_LEAD), other)
    if where == "here and elsewhere":
        person = staff(restaurant, Role.FINANCE)
        save_role(membership=Membership(user=person, restaurant=other, role=Role.FINANCE), by=boss)
        return protected(person, restaurant, other)
    if where == "here, and a guest elsewhere":
        person = staff(restaurant, Role.FINANCE)
        Membership.objects.create(user=person, restaurant=other, role=Role.CUSTOMER)
        return protected(person, restaurant, other)
    if where == "nowhere":
        person = User(username="new-elsewhere")
        save_person(person=person, by=boss)
        return protected(person)
    person = made_by(clerk)
    if where == "with a right":
        person.groups.add(Group.objects.create(name="Key keepers"))
    else:
        held = Membership(user=person, restaurant=other, role=Role.FINANCE)
        save_role(membership=held, by=boss)
        take_role(membership=held, by=boss)
    return protected(person)


def made_by(clerk: User) -> User:
    person = User(username="made-by-the-clerk")
    save_person(person=person, by=clerk)
    return person


@pytest.fixture(params=WHERE)
def stranger(
    request: pytest.FixtureRequest, restaurant: Restaurant, other: Restaurant, boss: User, clerk: User
) -> User:
    return working(request.param, restaurant, other, boss, clerk)


def standing(person: User) -> tuple[Any, ...]:
    """All that an edit, a password, a sign-out or a lost phone would change."""
    row = User.objects.filter(pk=person.pk).values("username", "email", "password", "is_active", "is_staff").get()
    tokens = UserToken.objects.filter(user=person, revoked_at=None).count()
    return (row, tokens, SecondFactor.objects.filter(user=person, confirmed=True).exists(), AuditEntry.objects.count())


def act(desk: Client, action: str, *people: User) -> int:
    said = {"action": action, "_selected_action": [str(each.pk) for each in people], "reason": "The phone is lost."}
    return int(desk.post(PEOPLE, said).status_code)


class TestOfAnotherRestaurant:
    def test_nobody_is_edited_shut_out_or_given_another_password(self, desk: Client, stranger: User) -> None:
        before = standing(stranger)

        for change in ({"email": "mine@example.com"}, {"is_active": ""}, {"is_staff": "on"}):
            assert desk.post(page_of(stranger), form_of(stranger, **change)).status_code in {403, 404}
        assert desk.get(f"{PEOPLE}{stranger.pk}/password/").status_code in {403, 404}
        assert desk.post(f"{PEOPLE}{stranger.pk}/password/", NEW_PASSWORD).status_code in {403, 404}
        assert standing(stranger) == before

    @pytest.mark.parametrize("action", ["sign_out", "take_off_factor"])
    def test_nobody_is_signed_out_or_loses_a_second_factor(
        self, desk: Client, stranger: User, colleague: User, action: str
    ) -> None:
        """Nor together with somebody of the own people."""
        before = standing(stranger)

        act(desk, action, stranger)

        assert standing(stranger) == before
        act(desk, "sign_out", stranger, colleague)
        assert standing(stranger)[:3] == before[:3]

    def test_the_services_refuse_it_too(self, clerk: User, stranger: User) -> None:
        before = standing(stranger)
        edited = User.objects.get(pk=stranger.pk)
        edited.is_active = False

        with pytest.raises(PersonRefused):
            save_person(person=edited, by=clerk)
        with pytest.raises(PersonRefused), setting_password(person_id=stranger.pk, by=clerk):
            pytest.fail("Nothing is set here.")
        with pytest.raises(PersonRefused):
            sign_out_everywhere(person=stranger, by=clerk)
        with pytest.raises(PersonRefused):
            remove(person=stranger, by=clerk, reason="The phone is lost.")
        assert not may_edit(stranger, by=clerk)
        assert standing(stranger) == before

    def test_a_superuser_does_all_of_it(self, boss: User, stranger: User) -> None:
        desk = signed_in(boss)

        assert stranger.username in desk.get(PEOPLE).content.decode()
        assert desk.post(page_of(stranger), form_of(stranger, email="new@example.com")).status_code == 302
        assert desk.post(f"{PEOPLE}{stranger.pk}/password/", {**NEW_PASSWORD, "set-password": "1"}).status_code == 302
        assert {act(desk, "sign_out", stranger), act(desk, "take_off_factor", stranger)} == {302}
        row, tokens, has_factor, _ = standing(stranger)
        assert (row["email"], tokens, has_factor) == ("new@example.com", 0, False)


class TestTheList:
    def test_has_the_own_people_and_no_others(
        self, desk: Client, other: Restaurant, clerk: User, colleague: User, boss: User
    ) -> None:
        theirs, nobodys, mine = staff(other, Role.FINANCE_LEAD), UserFactory.create(), made_by(clerk)

        page = desk.get(PEOPLE).content.decode()

        for person in (clerk, colleague, mine):
            assert page.count(page_of(person)) == 1
        for person in (theirs, nobodys, boss):
            assert person.username not in page
            assert desk.get(page_of(person)).status_code == 404
            assert page_of(person) not in desk.get(f"{PEOPLE}?q={person.username}").content.decode()

    def test_shows_whoever_works_elsewhere_as_well_by_the_role_here_alone(
        self, desk: Client, restaurant: Restaurant, other: Restaurant
    ) -> None:
        both = staff(restaurant, Role.WAITER)
        Membership.objects.create(user=both, restaurant=other, role=Role.AUDITOR)

        page, own = (desk.get(path).content.decode() for path in (PEOPLE, page_of(both)))

        for shown in (page, own):
            assert "waiter of Saffron" in shown
            assert other.name not in shown
        assert "Set another one" not in own
        assert page_of(both) in desk.get(f"{PEOPLE}?role=waiter").content.decode()
        assert page_of(both) not in desk.get(f"{PEOPLE}?role=auditor").content.decode()

    def test_of_who_administers_two_restaurants_has_the_people_of_both(
        self, desk: Client, clerk: User, colleague: User, other: Restaurant
    ) -> None:
        Membership.objects.create(user=clerk, restaurant=other, role=Role.ADMIN)
        Membership.objects.create(user=colleague, restaurant=other, role=Role.WAITER)

        assert page_of(staff(other, Role.WAITER)) in desk.get(PEOPLE).content.decode()
        assert desk.post(page_of(colleague), form_of(colleague, email="new@example.com")).status_code == 302

    @pytest.mark.parametrize("role", [role for role in Role if role != Role.ADMIN])
    def test_of_who_may_edit_people_and_is_no_admin_has_oneself_alone(
        self, restaurant: Restaurant, colleague: User, role: Role
    ) -> None:
        person = clerk_of(restaurant, role, *OFFICE_VERBS)
        desk = signed_in(person)

        page = desk.get(PEOPLE).content.decode()

        assert page_of(person) in page
        assert page_of(colleague) not in page
        assert desk.post(page_of(colleague), form_of(colleague, is_active="")).status_code == 404


class TestAtHome:
    def test_all_of_it_works(self, desk: Client, colleague: User) -> None:
        assert desk.post(page_of(colleague), form_of(colleague, email="new@example.com")).status_code == 302
        assert desk.post(f"{PEOPLE}{colleague.pk}/password/", {**NEW_PASSWORD, "set-password": "1"}).status_code == 302
        assert act(desk, "sign_out", colleague) == 302
        assert act(desk, "take_off_factor", colleague) == 302
        assert (
            desk.post(page_of(colleague), form_of(colleague, email="new@example.com", is_active="")).status_code == 302
        )

        colleague.refresh_from_db()
        assert (colleague.email, colleague.is_active) == ("new@example.com", False)
        assert colleague.check_password(PASSWORD)
        assert standing(colleague)[1:3] == (0, False)

    def test_somebody_new_is_made_corrected_and_given_a_role(self, desk: Client, restaurant: Restaurant) -> None:
        assert desk.post(f"{PEOPLE}add/", {"username": "meera", **NEW_PASSWORD}).status_code == 302
        meera = User.objects.get(username="meera")

        assert desk.post(page_of(meera), form_of(meera, is_staff="on")).status_code == 302
        role = {"user": str(meera.pk), "restaurant": str(restaurant.pk), "role": "waiter"}
        assert desk.post(f"{ROLES}add/", role).status_code == 302
        assert desk.post(page_of(meera), form_of(meera, is_staff="on", last_name="Rao")).status_code == 302

        meera.refresh_from_db()
        assert (meera.is_staff, meera.last_name) == (True, "Rao")

    def test_ones_own_password_is_set_wherever_else_one_works(self, clerk: User, other: Restaurant) -> None:
        Membership.objects.create(user=clerk, restaurant=other, role=Role.FINANCE)

        with setting_password(person_id=clerk.pk, by=clerk):
            clerk.set_password(PASSWORD)
            clerk.save()

        assert AuditEntry.objects.get().action == "set_password"


class TestARoleForSomebodyOfAnotherRestaurant:
    """With it the other restaurant's admin could not edit the own colleague any more."""

    @pytest.mark.parametrize("theirs", [Role.CUSTOMER, Role.FINANCE_LEAD])
    def test_is_given_by_a_superuser(self, clerk: User, boss: User, restaurant: Restaurant, theirs: Role) -> None:
        desk, person = signed_in(clerk), staff(RestaurantFactory.create(), theirs)
        said = {"user": str(person.pk), "restaurant": str(restaurant.pk), "role": "waiter"}

        assert person.username not in desk.get(f"{ROLES}add/").content.decode()
        assert desk.post(f"{ROLES}add/", said).status_code == 200
        with pytest.raises(RoleRefused, match="from a superuser"):
            save_role(membership=Membership(user=person, restaurant=restaurant, role=Role.WAITER), by=clerk)
        assert Membership.objects.filter(user=person).count() == 1
        assert signed_in(boss).post(f"{ROLES}add/", said).status_code == 302

    def test_is_changed_and_taken_by_the_admin_once_it_is_there(
        self, clerk: User, restaurant: Restaurant, other: Restaurant
    ) -> None:
        person = staff(other, Role.FINANCE)
        held = Membership.objects.create(user=person, restaurant=restaurant, role=Role.WAITER)

        held.role = Role.FINANCE
        save_role(membership=held, by=clerk)
        take_role(membership=held, by=clerk)

        assert [each.restaurant for each in Membership.objects.filter(user=person)] == [other]
