"""People are edited by the service: who may, who has to be left, and what the audit keeps of it."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection, transaction
from django.urls import reverse
from unfold import forms as unfold_forms

from accounts.admin import people
from accounts.models import Membership, Role, User
from accounts.services.editing_people import PersonRefused, save_person, setting_password, sign_out_everywhere
from events.audit import INSTALLATION, verdicts
from events.models import AuditEntry
from tests.accounts.test_people_pages import form_of, page_of, signed_in
from tests.factories import RestaurantFactory, UserFactory, staff
from tests.lock_waits import wait_until_somebody_waits_for_us


@pytest.fixture
def boss(db: None) -> User:
    return UserFactory.create(is_superuser=True, is_staff=True)


@pytest.fixture
def asha(db: None) -> User:
    return UserFactory.create(username="asha", first_name="Asha", last_name="Rao", email="asha@example.com")


def changed(person: User, **change: Any) -> User:
    """As a form leaves it: another object, not yet stored."""
    edited = User.objects.get(pk=person.pk)
    for name, value in change.items():
        setattr(edited, name, value)
    return edited


def entry() -> AuditEntry:
    return AuditEntry.objects.get()


def test_somebody_new_is_written_down_by_whoever_did_it(boss: User) -> None:
    person = User(username="meera")

    save_person(person=person, by=boss)

    assert User.objects.filter(username="meera").exists()
    assert (entry().action, entry().actor_id, entry().subject_id) == ("create_person", str(boss.pk), str(person.pk))
    assert (entry().chain_id, entry().before) == (INSTALLATION, {})
    assert entry().after["is_active"] is True
    assert not [sentence for verdict in verdicts() for sentence in verdict.wrong]


@pytest.mark.parametrize(
    ("change", "action"),
    [
        ({"is_active": False}, "shut_person_out"),
        ({"is_staff": True}, "edit_person"),
        ({"is_superuser": True}, "edit_person"),
    ],
)
def test_a_state_stands_there_before_and_after(boss: User, asha: User, change: dict[str, bool], action: str) -> None:
    save_person(person=changed(asha, **change), by=boss)

    ((name, value),) = change.items()
    assert entry().action == action
    assert (entry().before[name], entry().after[name]) == (not value, value)


def test_somebody_is_let_in_again(boss: User, asha: User) -> None:
    save_person(person=changed(asha, is_active=False), by=boss)
    save_person(person=changed(asha, is_active=True), by=boss)

    assert [each.action for each in AuditEntry.objects.order_by("id")] == ["shut_person_out", "let_person_in"]


def test_of_a_persons_data_it_only_says_that_it_changed(boss: User, asha: User) -> None:
    personal = {"username": "asha.r", "first_name": "Aasha", "last_name": "Raao", "email": "a@example.org"}

    save_person(person=changed(asha, **personal), by=boss)

    assert entry().after["changed"] == ["user name", "first name", "last name", "e-mail"]
    kept = str([entry().before, entry().after, entry().reason])
    assert not [word for word in (*personal.values(), "asha", "Asha", "Rao") if word in kept]


def test_what_a_form_did_not_change_stays_as_it_is_by_now(boss: User, asha: User) -> None:
    """A role that was given meanwhile lets its holder into the console; the last superuser is looked for as well."""
    as_it_was = changed(asha, first_name="Aasha")
    User.objects.filter(pk=asha.pk).update(is_staff=True, is_active=False)

    save_person(person=as_it_was, by=boss, changed=["first_name"])

    asha.refresh_from_db()
    assert (asha.first_name, asha.is_staff, asha.is_active) == ("Aasha", True, False)
    assert (entry().action, entry().after["changed"]) == ("edit_person", ["first name"])


def test_groups_and_permissions_are_part_of_the_one_deed(boss: User, asha: User) -> None:
    group = Group.objects.create(name="Key keepers")
    permissions = Permission.objects.filter(codename="view_apikey")

    save_person(person=changed(asha, is_staff=True), groups=[group], permissions=permissions, by=boss)

    assert (entry().before["groups"], entry().after["groups"]) == ([], ["Key keepers"])
    assert (entry().before["permissions"], entry().after["permissions"]) == ([], ["view_apikey"])


def test_what_was_saved_as_it_stood_is_no_deed(boss: User, asha: User) -> None:
    save_person(person=changed(asha), groups=[], permissions=[], by=boss)

    assert not AuditEntry.objects.exists()


def test_a_password_is_written_down_without_anything_of_it(boss: User, asha: User) -> None:
    with setting_password(person_id=asha.pk, by=boss):
        asha.set_password("correct horse battery")
        asha.save()

    assert (entry().action, entry().after["changed"]) == ("set_password", ["password"])
    assert asha.password not in str([entry().before, entry().after])


def test_where_no_password_was_set_nothing_was_done(boss: User, asha: User) -> None:
    with setting_password(person_id=asha.pk, by=boss):
        pass

    assert not AuditEntry.objects.exists()


class TestWhoIsNoSuperuser:
    @pytest.fixture
    def clerk(self, asha: User) -> User:
        """An admin of the restaurant where Asha works."""
        restaurant = RestaurantFactory.create()
        Membership.objects.create(user=asha, restaurant=restaurant, role=Role.WAITER)
        clerk = staff(restaurant, Role.ADMIN)
        clerk.is_staff = True
        clerk.save()
        clerk.user_permissions.set(Permission.objects.filter(codename__in=["add_user", "change_user"]))
        return clerk

    def test_edits_what_is_no_right(self, clerk: User, asha: User) -> None:
        save_person(person=changed(asha, last_name="Roy"), by=clerk)

        assert entry().after["changed"] == ["last name"]

    @pytest.mark.parametrize(
        "said",
        [
            {"is_superuser": True},
            {"groups": []},
            {"permissions": []},
        ],
    )
    def test_gives_no_rights(self, clerk: User, asha: User, said: dict[str, Any]) -> None:
        for person in (asha, clerk):
            edited = changed(person, **{key: value for key, value in said.items() if key == "is_superuser"})
            rest = {key: value for key, value in said.items() if key != "is_superuser"}
            with pytest.raises(PersonRefused, match="Only a superuser"):
                save_person(person=edited, by=clerk, **rest)

        assert not User.objects.filter(is_superuser=True).exists()
        assert not AuditEntry.objects.exists()

    def test_does_not_touch_a_superuser(self, clerk: User, boss: User) -> None:
        with pytest.raises(PersonRefused, match="Only a superuser"):
            save_person(person=changed(boss, is_superuser=False), by=clerk)
        with pytest.raises(PersonRefused, match="Only a superuser"):
            save_person(person=changed(boss, email="mine@example.com"), by=clerk)

        assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("change", [{"is_active": False}, {"is_superuser": False}])
def test_the_last_superuser_stays(boss: User, change: dict[str, bool]) -> None:
    UserFactory.create(is_superuser=True, is_active=False)  # Who may not sign in does not count.

    with pytest.raises(PersonRefused, match="the last superuser who may sign in") as refused:
        save_person(person=changed(boss, **change), by=boss)
    assert refused.value.code == "last_superuser"

    UserFactory.create(is_superuser=True)
    save_person(person=changed(boss, **change), by=boss)
    assert entry().subject_id == str(boss.pk)


@pytest.mark.django_db(transaction=True)
def test_of_two_superusers_who_leave_at_once_one_stays() -> None:
    people = [UserFactory.create(is_superuser=True) for _ in range(2)]

    def leave(person: User) -> bool:
        try:
            save_person(person=changed(person, is_superuser=False), by=person)
        except PersonRefused:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(2) as pool:
        left = list(pool.map(leave, people))

    assert sorted(left) == [False, True]
    assert User.objects.filter(is_superuser=True).count() == 1


def test_an_edit_that_had_begun_takes_back_neither_a_new_password_nor_a_sign_out(boss: User, asha: User) -> None:
    begun = changed(asha, email="new@example.com")
    meanwhile = User.objects.get(pk=asha.pk)
    with setting_password(person_id=asha.pk, by=boss):
        meanwhile.set_password("correct horse battery")
        meanwhile.save()
    sign_out_everywhere(person=meanwhile, by=boss)

    save_person(person=begun, by=boss, changed=["email"])

    asha.refresh_from_db()
    assert (asha.check_password("correct horse battery"), asha.email) == (True, "new@example.com")
    assert asha.signed_out_at == meanwhile.signed_out_at


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("form", ["AdminPasswordChangeForm", "AdminOwnPasswordChangeForm"])
def test_nobody_is_shut_out_while_a_password_is_set(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """Django saves a person whole, as it read them: whoever was shut out in between would be let in again."""
    boss, asha = (UserFactory.create(is_superuser=is_boss, is_staff=True) for is_boss in (True, False))
    asha.set_password("the old password")
    asha.save()
    save = getattr(unfold_forms, form).save

    shutting_out: list[Future[int]] = []
    colleague = signed_in(UserFactory.create(is_superuser=True, is_staff=True))

    def shut_out() -> int:
        try:
            return colleague.post(page_of(asha), form_of(asha, is_active="")).status_code
        finally:
            connection.close()

    def once_somebody_waits(self: Any, *args: Any, **kwargs: Any) -> Any:
        shutting_out.append(pool.submit(shut_out))
        wait_until_somebody_waits_for_us()
        return save(self, *args, **kwargs)

    monkeypatch.setattr(getattr(unfold_forms, form), "save", once_somebody_waits)
    is_own = "Own" in form
    other = reverse("admin:auth_user_password_change", args=[asha.pk])
    client, address = (signed_in(asha), reverse("admin:password_change")) if is_own else (signed_in(boss), other)
    new = dict.fromkeys(("password1", "password2", "new_password1", "new_password2"), "correct horse battery")

    with ThreadPoolExecutor(1) as pool:
        said = {"old_password": "the old password", "usable_password": "true", "set-password": "1", **new}
        assert client.post(address, said).status_code == 302
        assert shutting_out[0].result() == 302

    asha.refresh_from_db()
    assert (asha.check_password("correct horse battery"), asha.is_active) == (True, False)


@pytest.mark.django_db(transaction=True)
def test_whoever_sets_none_is_not_written_down_for_what_a_colleague_did(boss: User, asha: User) -> None:
    """Who waited for the colleague has a picture of before that is older than the colleague's deed."""

    browser, address = signed_in(boss), reverse("admin:auth_user_password_change", args=[asha.pk])

    def set_none() -> None:
        try:
            assert browser.post(address, {"password1": "one"}).status_code == 200
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            save_person(person=changed(asha, is_active=False), by=boss)
            setting = pool.submit(set_none)
            wait_until_somebody_waits_for_us()
        setting.result()

    assert [each.action for each in AuditEntry.objects.order_by("id")] == ["shut_person_out"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("page", ["admin:password_change", "admin:auth_user_password_change"])
def test_a_session_that_is_ended_in_that_moment_does_not_live_on(asha: User, page: str) -> None:
    """Whoever has got hold of it sets no password any more, on neither page."""
    asha.is_staff = asha.is_superuser = True
    asha.set_password("the old password")
    asha.save()
    browser = signed_in(asha)
    names = ("password1", "password2", "new_password1", "new_password2")
    said = {"old_password": "the old password", "usable_password": "true", "set-password": "1"}
    address = reverse(page, args=[asha.pk] if "user" in page else [])

    def set_own() -> None:
        try:
            browser.post(address, said | dict.fromkeys(names, "correct horse battery"))
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            sign_out_everywhere(person=asha, by=None)
            setting = pool.submit(set_own)
            wait_until_somebody_waits_for_us()
        setting.result()

    asha.refresh_from_db()
    assert asha.check_password("the old password")
    assert browser.get(reverse("admin:index")).status_code == 302


@pytest.mark.django_db(transaction=True)
def test_a_password_is_set_after_what_a_colleague_is_saving(
    boss: User, asha: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both take the locks of a person in one order, or one of them would be ended by the database."""
    new = {"usable_password": "true", "password1": "correct horse battery", "password2": "correct horse battery"}

    browser, page = signed_in(boss), reverse("admin:auth_user_password_change", args=[asha.pk])

    def set_password() -> int:
        try:
            return browser.post(page, {"set-password": "1", **new}).status_code
        finally:
            connection.close()

    def once_it_waits(**said: Any) -> None:
        setting.append(pool.submit(set_password))
        wait_until_somebody_waits_for_us()
        save_person(**said)

    monkeypatch.setattr(people, "save_person", once_it_waits)
    setting: list[Future[int]] = []

    with ThreadPoolExecutor(1) as pool:
        assert signed_in(boss).post(page_of(asha), form_of(asha, is_active="")).status_code == 302
        assert setting[0].result() == 302

    asha.refresh_from_db()
    assert (asha.check_password("correct horse battery"), asha.is_active) == (True, False)
