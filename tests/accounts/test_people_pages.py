"""People, roles, restaurants and groups in the console: one sealed entry for each change, and no way around it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse

from accounts.models import Membership, Restaurant, Role, SecondFactor, User, UserToken
from accounts.services.people import issue_user_token
from events.audit import INSTALLATION, verdicts
from events.models import AuditEntry
from kernel.modes import Mode
from tests.factories import RestaurantFactory, UserFactory, staff
from tests.factors import with_factor

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
PEOPLE, ROLES, HOUSES = (f"/admin/accounts/{name}/" for name in ("user", "membership", "restaurant"))
GROUPS = "/admin/auth/group/"


@pytest.fixture
def restaurant() -> Restaurant:
    return RestaurantFactory.create()


@pytest.fixture
def boss() -> User:
    return UserFactory.create(is_staff=True, is_superuser=True)


@pytest.fixture
def console(boss: User) -> Client:
    return signed_in(boss)


def signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person, backend="accounts.backends.PersonBackend")
    return client


def clerk_of(restaurant: Restaurant, role: Role, *permissions: str) -> User:
    person = staff(restaurant, role)
    person.is_staff = True
    person.save()
    person.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return person


def boss_here(boss: User, restaurant: Restaurant) -> User:
    Membership.objects.create(user=boss, restaurant=restaurant, role=Role.ADMIN)
    return boss


def entries() -> list[tuple[str, str, Any]]:
    return [(each.action, each.actor_id, each.chain_id) for each in AuditEntry.objects.order_by("id")]


def form_of(person: User, **change: Any) -> dict[str, Any]:
    said = {
        "username": person.username,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "email": person.email,
        "is_active": "on" if person.is_active else "",
        "is_staff": "on" if person.is_staff else "",
        "is_superuser": "on" if person.is_superuser else "",
    }
    return {name: value for name, value in {**said, **change}.items() if value != ""}


def page_of(person: User) -> str:
    return reverse("admin:accounts_user_change", args=[person.pk])


class TestPeople:
    def test_a_new_account_and_its_role_are_never_silent(
        self, console: Client, boss: User, restaurant: Restaurant
    ) -> None:
        """The way round four eyes: make somebody, give them a role, and agree with oneself."""
        said = {"username": "second-me", "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
        assert console.post(f"{PEOPLE}add/", said).status_code == 302
        person = User.objects.get(username="second-me")
        role = {"user": str(person.pk), "restaurant": str(restaurant.pk), "role": "finance_lead"}
        assert console.post(f"{ROLES}add/", role).status_code == 302

        assert person.check_password(PASSWORD)
        assert entries() == [
            ("create_person", str(boss.pk), INSTALLATION),
            ("give_role", str(boss.pk), restaurant.pk),
        ]
        assert {each.subject_id for each in AuditEntry.objects.all()} == {str(person.pk)}
        assert not [sentence for verdict in verdicts() for sentence in verdict.wrong]

    def test_a_new_person_with_a_role_in_the_office_signs_in(self, console: Client, restaurant: Restaurant) -> None:
        said = {"username": "asha", "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
        console.post(f"{PEOPLE}add/", said)
        person = User.objects.get(username="asha")
        console.post(f"{ROLES}add/", {"user": str(person.pk), "restaurant": str(restaurant.pk), "role": "auditor"})

        Client().post("/admin/login/", {"username": "asha", "password": PASSWORD})

        person.refresh_from_db()
        assert person.last_login is not None

    def test_an_edit_is_one_entry_with_all_that_it_changed(self, console: Client, boss: User) -> None:
        asha, group = UserFactory.create(), Group.objects.create(name="Key keepers")
        permission = Permission.objects.get(codename="view_apikey")
        said = form_of(asha, last_name="Rao", is_staff="on", groups=[group.pk], user_permissions=[permission.pk])

        answer = console.post(page_of(asha), said)

        assert answer.status_code == 302
        asha.refresh_from_db()
        assert (asha.last_name, list(asha.groups.all()), list(asha.user_permissions.all())) == (
            "Rao",
            [group],
            [permission],
        )
        entry = AuditEntry.objects.get()
        assert (entry.action, entry.actor_id) == ("edit_person", str(boss.pk))
        assert entry.after == {
            "is_active": True,
            "is_staff": True,
            "is_superuser": False,
            "groups": ["Key keepers"],
            "permissions": ["view_apikey"],
            "changed": ["last name"],
        }
        assert not LogEntry.objects.exists()

    def test_saved_as_it_stands_it_is_no_entry(self, console: Client) -> None:
        asha = UserFactory.create()

        assert console.post(page_of(asha), form_of(asha)).status_code == 302
        assert not AuditEntry.objects.exists()

    def test_the_last_superuser_is_told_why_not_and_nothing_typed_is_lost(self, console: Client, boss: User) -> None:
        answer = console.post(page_of(boss), form_of(boss, is_active="", last_name="Typed"))

        page = answer.content.decode()
        assert answer.status_code == 200
        assert "This is the last superuser who may sign in." in page
        assert 'value="Typed"' in page
        boss.refresh_from_db()
        assert (boss.is_active, boss.last_name) == (True, "")
        assert not AuditEntry.objects.exists()

    def test_a_password_that_somebody_else_sets_is_an_entry(self, console: Client, boss: User) -> None:
        asha = UserFactory.create()
        said = {"usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}

        refused = console.post(f"{PEOPLE}{asha.pk}/password/", {**said, "password2": "another one"})
        assert (refused.status_code, entries()) == (200, [])
        assert console.post(f"{PEOPLE}{asha.pk}/password/", {**said, "set-password": "1"}).status_code == 302

        asha.refresh_from_db()
        assert asha.check_password(PASSWORD)
        assert entries() == [("set_password", str(boss.pk), INSTALLATION)]
        entry = AuditEntry.objects.get()
        assert (entry.subject_id, entry.after["changed"]) == (str(asha.pk), ["password"])
        assert not [secret for secret in (PASSWORD, asha.password) if secret in f"{entry.before}{entry.after}"]

    def test_ones_own_password_is_an_entry_too(self) -> None:
        asha = UserFactory.create(is_staff=True)
        asha.set_password("the old password")
        asha.save()
        said = {"old_password": "the old password", "new_password1": PASSWORD, "new_password2": PASSWORD}
        address = reverse("admin:password_change")

        assert signed_in(asha).post(address, {**said, "old_password": "wrong"}).status_code == 200
        assert not AuditEntry.objects.exists()
        assert signed_in(asha).post(address, said).status_code == 302

        asha.refresh_from_db()
        assert asha.check_password(PASSWORD)
        assert entries() == [("set_password", str(asha.pk), INSTALLATION)]

    def test_who_may_edit_people_makes_no_superuser_and_touches_none(self, restaurant: Restaurant, boss: User) -> None:
        clerk = clerk_of(restaurant, Role.ADMIN, "add_user", "change_user", "view_user")
        desk, asha, boss = signed_in(clerk), staff(restaurant, Role.WAITER), boss_here(boss, restaurant)
        forged = {"is_superuser": "on", "user_permissions": list(Permission.objects.values_list("pk", flat=True)[:5])}

        for person in (asha, clerk):
            desk.post(page_of(person), form_of(person, **forged))
        on_boss = desk.post(page_of(boss), form_of(boss, email="mine@example.com"))
        password = desk.post(
            f"{PEOPLE}{boss.pk}/password/", {"usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
        )

        assert (on_boss.status_code, password.status_code) == (403, 403)
        assert list(User.objects.filter(is_superuser=True)) == [boss]
        assert asha.user_permissions.count() == 0
        assert clerk.user_permissions.count() == 3
        boss.refresh_from_db()
        assert (boss.email, boss.check_password(PASSWORD)) == ("", False)

    @pytest.mark.parametrize("action", ["sign_out", "take_off_factor"])
    def test_nor_does_such_a_one_end_what_protects_a_superuser(
        self, restaurant: Restaurant, boss: User, action: str
    ) -> None:
        with_factor(boss)
        issue_user_token(person=boss_here(boss, restaurant), restaurant=restaurant, mode=Mode.TEST)
        desk = signed_in(clerk_of(restaurant, Role.ADMIN, "change_user", "view_user"))
        before = AuditEntry.objects.count()
        said = {"action": action, "_selected_action": [str(boss.pk)], "reason": "It is lost."}

        assert desk.post(PEOPLE, said).status_code == 403
        assert SecondFactor.objects.filter(user=boss, confirmed=True).exists()
        assert not UserToken.objects.exclude(revoked_at=None).exists()
        assert AuditEntry.objects.count() == before

    @pytest.mark.parametrize("role", list(Role))
    def test_whoever_has_no_permission_changes_nobody(self, restaurant: Restaurant, role: Role) -> None:
        person = clerk_of(restaurant, role)
        desk = signed_in(person)
        answers = [
            desk.post(page_of(person), form_of(person, is_superuser="on")),
            desk.post(f"{PEOPLE}add/", {"username": "me-too", "password1": PASSWORD, "password2": PASSWORD}),
            desk.post(f"{PEOPLE}{person.pk}/password/", {"password1": PASSWORD, "password2": PASSWORD}),
        ]

        assert {answer.status_code for answer in answers} == {403}
        assert not User.objects.filter(is_superuser=True).exists()
        assert User.objects.count() == 1
        assert not AuditEntry.objects.exists()

    def test_the_history_of_a_person_is_the_audits(self, console: Client) -> None:
        asha = UserFactory.create()
        console.post(page_of(asha), form_of(asha, is_staff="on"))

        page = console.get(f"{PEOPLE}{asha.pk}/history/", follow=True)

        assert page.content.decode().count("field-did") == 1


class TestRoles:
    def test_a_role_is_changed_and_taken_with_an_entry_each(
        self, console: Client, boss: User, restaurant: Restaurant
    ) -> None:
        held = Membership.objects.get(user=staff(restaurant, Role.FINANCE))
        page = reverse("admin:accounts_membership_change", args=[held.pk])

        assert console.post(page, {"role": "finance_lead"}).status_code == 302
        assert console.post(page.replace("change", "delete"), {"post": "yes"}).status_code == 302

        assert entries() == [
            ("change_role", str(boss.pk), restaurant.pk),
            ("take_role", str(boss.pk), restaurant.pk),
        ]
        assert not Membership.objects.exists()
        assert not LogEntry.objects.exists()

    def test_several_that_are_taken_at_once_have_an_entry_each(self, console: Client, restaurant: Restaurant) -> None:
        held = [Membership.objects.get(user=staff(restaurant, Role.WAITER)) for _ in range(2)]
        said = {"action": "delete_selected", "_selected_action": [str(each.pk) for each in held], "post": "yes"}

        console.post(ROLES, said)

        assert [action for action, *_ in entries()] == ["take_role", "take_role"]
        assert not Membership.objects.exists()

    def test_it_stays_with_its_person_and_its_restaurant(self, console: Client, restaurant: Restaurant) -> None:
        held = Membership.objects.get(user=staff(restaurant, Role.WAITER))
        forged = {"role": "waiter", "user": str(UserFactory.create().pk), "restaurant": str(restaurant.pk)}

        console.post(reverse("admin:accounts_membership_change", args=[held.pk]), forged)

        assert Membership.objects.get().user_id == held.user_id

    def test_an_admin_sees_and_gives_those_of_the_own_restaurant(self, restaurant: Restaurant) -> None:
        verbs = [f"{verb}_membership" for verb in ("view", "add", "change", "delete")]
        admin = clerk_of(restaurant, Role.ADMIN, *verbs, "view_user")
        elsewhere = staff(RestaurantFactory.create(), Role.WAITER)
        desk, asha = signed_in(admin), UserFactory.create()

        def give(restaurant: Restaurant, person: User) -> int:
            said = {"user": str(person.pk), "restaurant": str(restaurant.pk), "role": "finance"}
            return int(desk.post(f"{ROLES}add/", said).status_code)

        assert elsewhere.username not in desk.get(ROLES).content.decode()
        assert give(restaurant, asha) == 302
        assert give(RestaurantFactory.create(), asha) == 200  # It is none of the choices.
        own = Membership.objects.get(user=admin)
        page = reverse("admin:accounts_membership_change", args=[own.pk])
        assert desk.post(page, {"role": "finance_lead"}).status_code == 403
        assert entries() == [("give_role", str(admin.pk), restaurant.pk)]

    @pytest.mark.parametrize("role", list(Role))
    def test_whoever_has_no_permission_gives_none_to_oneself(self, restaurant: Restaurant, role: Role) -> None:
        person = clerk_of(restaurant, role)
        desk, held = signed_in(person), Membership.objects.get(user=person)
        said = {"user": str(person.pk), "restaurant": str(RestaurantFactory.create().pk), "role": "admin"}

        answers = [
            desk.post(f"{ROLES}add/", said),
            desk.post(reverse("admin:accounts_membership_change", args=[held.pk]), {"role": "admin"}),
            desk.post(reverse("admin:accounts_membership_delete", args=[held.pk]), {"post": "yes"}),
        ]

        assert {answer.status_code for answer in answers} == {403}
        assert Membership.objects.get().role == role
        assert not AuditEntry.objects.exists()

    def test_nobody_does_it_from_another_site(self, boss: User, restaurant: Restaurant) -> None:
        victim = Client(enforce_csrf_checks=True)
        victim.force_login(boss)
        said = {"user": str(boss.pk), "restaurant": str(restaurant.pk), "role": "admin"}

        assert victim.post(f"{ROLES}add/", said).status_code == 403
        assert not Membership.objects.exists()


class TestRestaurants:
    def test_one_is_added_and_edited_with_an_entry_each_in_its_own_chain(self, console: Client, boss: User) -> None:
        said = {"slug": "saffron", "name": "Saffron", "currency": "INR", "time_zone": "Asia/Kolkata"}
        assert console.post(f"{HOUSES}add/", {**said, "day_starts_at": "04:00"}).status_code == 302
        restaurant = Restaurant.objects.get()
        page = reverse("admin:accounts_restaurant_change", args=[restaurant.pk])
        assert console.post(page, {**said, "day_starts_at": "05:30"}).status_code == 302

        assert entries() == [
            ("create_restaurant", str(boss.pk), restaurant.pk),
            ("edit_restaurant", str(boss.pk), restaurant.pk),
        ]
        edited = AuditEntry.objects.latest("id")
        assert (edited.before["day_starts_at"], edited.after["day_starts_at"]) == ("04:00:00", "05:30:00")

    def test_none_is_deleted(self, console: Client, restaurant: Restaurant) -> None:
        deleting = reverse("admin:accounts_restaurant_delete", args=[restaurant.pk])

        assert console.post(deleting, {"post": "yes"}).status_code == 403
        assert Restaurant.objects.exists()

    def test_who_may_edit_restaurants_edits_those_where_admin(self, restaurant: Restaurant) -> None:
        other = RestaurantFactory.create()
        desk = signed_in(clerk_of(restaurant, Role.ADMIN, "view_restaurant", "change_restaurant", "add_restaurant"))
        said = {"slug": "new", "name": "New", "currency": "INR", "time_zone": "Asia/Kolkata", "day_starts_at": "04:00"}

        assert desk.post(reverse("admin:accounts_restaurant_change", args=[restaurant.pk]), said).status_code == 302
        assert desk.post(reverse("admin:accounts_restaurant_change", args=[other.pk]), said).status_code in {302, 403}
        assert desk.post(f"{HOUSES}add/", said).status_code == 403

        other.refresh_from_db()
        assert other.slug != "new"
        assert [action for action, *_ in entries()] == ["edit_restaurant"]


class TestPermissionGroups:
    def test_one_is_made_edited_and_deleted_with_an_entry_each(self, console: Client, boss: User) -> None:
        permission = Permission.objects.get(codename="view_apikey")
        assert console.post(f"{GROUPS}add/", {"name": "Keys", "permissions": [permission.pk]}).status_code == 302
        group = Group.objects.get()
        assert list(group.permissions.all()) == [permission]
        assert console.post(f"{GROUPS}{group.pk}/change/", {"name": "Keys", "permissions": []}).status_code == 302
        assert console.post(f"{GROUPS}{group.pk}/delete/", {"post": "yes"}).status_code == 302

        assert entries() == [
            (action, str(boss.pk), INSTALLATION) for action in ("create_group", "edit_group", "delete_group")
        ]
        assert AuditEntry.objects.order_by("id")[1].before["permissions"] == ["view_apikey"]
        assert not LogEntry.objects.exists()

    def test_only_superusers_decide_about_them(self, restaurant: Restaurant) -> None:
        group = Group.objects.create(name="Keys")
        verbs = [f"{verb}_group" for verb in ("view", "add", "change", "delete")]
        clerk = clerk_of(restaurant, Role.ADMIN, *verbs)
        clerk.groups.add(group)
        desk = signed_in(clerk)
        every = list(Permission.objects.values_list("pk", flat=True))

        answers = [
            desk.post(f"{GROUPS}{group.pk}/change/", {"name": "Keys", "permissions": every}),
            desk.post(f"{GROUPS}add/", {"name": "More", "permissions": every}),
            desk.post(f"{GROUPS}{group.pk}/delete/", {"post": "yes"}),
        ]

        assert {answer.status_code for answer in answers} == {403}
        assert group.permissions.count() == 0
        assert not AuditEntry.objects.exists()
