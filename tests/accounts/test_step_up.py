"""A code once more where it matters: keys, roles and people, and taking somebody's second factor off."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from accounts.models import ApiKey, Membership, Role, SecondFactor, User
from accounts.selectors import factor_of
from accounts.services.keys import issue_api_key
from accounts.services.second_factor import begin_enrolment
from events.models import AuditEntry
from kernel.modes import Mode
from tests.accounts.signing_in import (
    CONFIRM,
    ISSUE,
    KEYS,
    OWN,
    PASSWORD,
    PEOPLE,
    signed_in,
    somebody,
    text_of,
    with_password,
)
from tests.factories import RestaurantFactory, staff
from tests.factors import Phone, with_factor
from tests.time_machine import ShiftedClock

ROLES, GROUPS = "/admin/accounts/membership/", "/admin/auth/group/"


@pytest.fixture
def person(transactional_db: None) -> User:
    return somebody("asha")


@pytest.fixture
def phone(person: User) -> Phone:
    return with_factor(person)


# Once more, where it matters.


def test_a_code_is_fresh_for_ten_minutes(person: User, phone: Phone, time: ShiftedClock) -> None:
    browser = signed_in(person, phone)

    time.advance(minutes=9, seconds=50)
    assert browser.get(ISSUE).status_code == 200
    time.advance(seconds=20)
    asked = browser.get(ISSUE)
    assert asked.headers["Location"] == f"{CONFIRM}?next=%2Fadmin%2Faccounts%2Fapikey%2Fissue%2F"
    page = browser.get(asked.headers["Location"])
    assert f'name="next" value="{ISSUE}"' in text_of(page)
    assert browser.post(CONFIRM, {"second_factor_code": phone.shows(), "next": ISSUE}).headers["Location"] == ISSUE
    assert browser.get(ISSUE).status_code == 200


def test_what_was_typed_comes_along_and_is_done_with_the_code(person: User, phone: Phone, time: ShiftedClock) -> None:
    restaurant = RestaurantFactory.create()
    browser = signed_in(person, phone)
    body = {
        "restaurant": str(restaurant.pk),
        "mode": "test",
        "name": 'Tom & "Jerry\'s"',
        "scopes": ["orders:read", "payments:read"],
    }
    time.advance(minutes=11)

    asked = browser.post(ISSUE, body)
    wrong = browser.post(ISSUE, {**body, "second_factor_code": phone.never_shows()})
    assert ApiKey.objects.count() == 0
    for page in map(text_of, (asked, wrong)):
        carried = re.findall(r'<input type="hidden" name="(restaurant|mode|name|scopes)" value="([^"]*)"', page)
        assert [name for name, _ in carried] == ["restaurant", "mode", "name", "scopes", "scopes"]
        assert 'value="Tom &amp; &quot;Jerry&#x27;s&quot;"' in page
    time.advance(seconds=2)
    browser.post(ISSUE, {**body, "second_factor_code": phone.shows()})

    assert ApiKey.objects.get().name == 'Tom & "Jerry\'s"'


@pytest.mark.parametrize("action", ["rotate", "revoke"])
def test_ending_a_key_needs_a_fresh_code(person: User, phone: Phone, time: ShiftedClock, action: str) -> None:
    issue_api_key(restaurant=RestaurantFactory.create(), mode=Mode.TEST, name="till", scopes=[])
    browser = signed_in(person, phone)
    time.advance(minutes=11)
    body = {"action": action, "_selected_action": [str(ApiKey.objects.get().pk)], "confirmed": "yes"}

    page = browser.post(KEYS, body)
    assert "Confirm that it is you" in text_of(page)
    assert ApiKey.objects.filter(revoked_at=None, replaced_at=None).count() == 1
    browser.post(KEYS, {**body, "second_factor_code": phone.shows()})

    assert ApiKey.objects.filter(pk=body["_selected_action"][0], revoked_at=None, replaced_at=None).count() == 0


def test_whoever_has_no_factor_is_not_asked_again(person: User, time: ShiftedClock) -> None:
    browser = with_password(person)
    assert browser.get(ISSUE).status_code == 200
    time.advance(minutes=11)

    assert browser.get(ISSUE).status_code == 200


def test_a_new_phone_needs_a_fresh_code_until_it_has_shown_one(person: User, phone: Phone, time: ShiftedClock) -> None:
    browser = signed_in(person, phone)
    second = Phone(begin_enrolment(person=person).offered_key)
    time.advance(minutes=11)

    assert browser.post(OWN, {"step": "confirm", "second_factor_code": second.shows()}).status_code == 302
    factor = factor_of(person)
    assert factor is not None
    assert factor.key != second.secret


def test_with_a_session_of_the_console_the_api_changes_nothing_without_a_fresh_code(
    person: User, phone: Phone, time: ShiftedClock
) -> None:
    Membership.objects.create(user=person, restaurant=RestaurantFactory.create(), role=Role.ADMIN)
    browser = signed_in(person, phone)
    token = {"X-CSRFToken": browser.cookies["csrftoken"].value}
    assert browser.post("/api/v1/orders", {}, headers=token, content_type="application/json").status_code != 403
    time.advance(minutes=11)

    refused = browser.post("/api/v1/orders", {}, headers=token, content_type="application/json")

    assert (refused.status_code, refused.json()["code"]) == (403, "second_factor_required")
    assert browser.get("/api/v1/orders").status_code == 200


# Taking somebody's off.


def take_off(browser: Client, *people: User, **more: str) -> Any:
    body = {"action": "take_off_factor", "_selected_action": [str(each.pk) for each in people], **more}
    return browser.post(PEOPLE, body, follow=True)


def test_an_administrator_takes_a_lost_one_off_with_a_reason(person: User, phone: Phone, time: ShiftedClock) -> None:
    admin = somebody("ravi")
    browser = signed_in(admin, with_factor(admin))
    assert text_of(browser.get(PEOPLE)).count('"state state-good">set up<') == 2

    asked = take_off(browser, person)
    empty = take_off(browser, person, reason=" ")
    assert "Take off the second factor of asha?" in text_of(asked)
    assert "Say in a few words why" in text_of(empty)
    assert SecondFactor.objects.count() == 2
    done = take_off(browser, person, reason="The phone is lost.")

    assert "asha signs in with the password alone now" in text_of(done)
    assert factor_of(person) is None
    entry = AuditEntry.objects.order_by("-id")[0]
    assert (entry.action, entry.actor_id, entry.reason) == (
        "take_off_second_factor",
        str(admin.pk),
        "The phone is lost.",
    )
    assert entry.request_id
    assert "asha has no second factor." in text_of(take_off(browser, person, reason="Once more."))


def test_taking_one_off_needs_a_fresh_code(person: User, phone: Phone, time: ShiftedClock) -> None:
    browser = signed_in(person, phone)
    time.advance(minutes=11)

    page = take_off(browser, person, reason="The phone is lost.")

    assert "Confirm that it is you" in text_of(page)
    assert SecondFactor.objects.count() == 1


def test_one_at_a_time(person: User, phone: Phone) -> None:
    other = somebody("ravi")

    page = take_off(signed_in(person, phone), person, other, reason="Both are lost.")

    assert "Take off one second factor at a time" in text_of(page)
    assert SecondFactor.objects.count() == 1


def test_whoever_may_not_change_people_takes_nothing_off(person: User, phone: Phone) -> None:
    helper = somebody("helper", is_superuser=False)

    take_off(with_password(helper), person, reason="For fun.")

    assert SecondFactor.objects.count() == 1


# What prepares that money moves: roles, people, their permissions and passwords.


@pytest.fixture
def browser(person: User, phone: Phone, time: ShiftedClock) -> Client:
    """Of a superuser whose last code is too old by a minute."""
    browser = signed_in(person, phone)
    time.advance(minutes=11)
    return browser


def asked_first(browser: Client, phone: Phone, path: str, body: dict[str, str]) -> dict[str, str]:
    """What was typed stands in the page that asks, and is sent again with the code, as that page does."""
    asked = browser.post(path, body)
    wrong = browser.post(path, {**body, "second_factor_code": phone.never_shows()})
    assert "not the code that your app shows" in text_of(wrong)
    for text in map(text_of, (asked, wrong)):
        assert "Confirm that it is you" in text
        for name, value in body.items():
            assert f'<input type="hidden" name="{name}" value="{value}">' in text
    return {**body, "second_factor_code": phone.shows()}


def test_a_role_is_given_changed_and_taken_with_a_fresh_code(phone: Phone, browser: Client, time: ShiftedClock) -> None:
    restaurant, ravi = RestaurantFactory.create(), somebody("ravi", is_superuser=False)
    said = {"user": str(ravi.pk), "restaurant": str(restaurant.pk), "role": "finance"}

    with_code = asked_first(browser, phone, f"{ROLES}add/", said)
    assert not Membership.objects.exists()
    time.advance(seconds=2)
    browser.post(f"{ROLES}add/", with_code)
    held = Membership.objects.get()

    for path, body, still in (
        (f"{ROLES}{held.pk}/change/", {"role": "admin"}, "finance"),
        (f"{ROLES}{held.pk}/delete/", {"post": "yes"}, "admin"),
    ):
        time.advance(minutes=11)
        with_code = asked_first(browser, phone, path, body)
        assert Membership.objects.get().role == still
        time.advance(seconds=2)
        assert browser.post(path, with_code).status_code == 302
    assert not Membership.objects.exists()


def test_several_roles_are_taken_with_a_fresh_code(phone: Phone, browser: Client, time: ShiftedClock) -> None:
    held = Membership.objects.get(user=staff(RestaurantFactory.create(), Role.FINANCE))
    body = {"action": "delete_selected", "_selected_action": str(held.pk), "post": "yes"}

    with_code = asked_first(browser, phone, ROLES, body)

    assert Membership.objects.exists()
    time.advance(seconds=2)
    browser.post(ROLES, with_code)
    assert not Membership.objects.exists()


def test_a_person_is_edited_with_a_fresh_code(phone: Phone, browser: Client, time: ShiftedClock) -> None:
    ravi = somebody("ravi", is_superuser=False)
    page = f"{PEOPLE}{ravi.pk}/change/"
    body = {"username": "ravi", "last_name": "Rao", "is_active": "on", "is_staff": "on", "is_superuser": "on"}
    assert "Confirm that it is you" not in text_of(browser.get(page))  # To look at somebody needs none.

    with_code = asked_first(browser, phone, page, body)

    ravi.refresh_from_db()
    assert (ravi.last_name, ravi.is_superuser) == ("", False)
    time.advance(seconds=2)
    browser.post(page, with_code)
    ravi.refresh_from_db()
    assert (ravi.last_name, ravi.is_superuser) == ("Rao", True)


def test_a_permission_group_is_written_with_a_fresh_code(phone: Phone, browser: Client, time: ShiftedClock) -> None:
    with_code = asked_first(browser, phone, f"{GROUPS}add/", {"name": "Keys"})
    assert not Group.objects.exists()
    time.advance(seconds=2)
    browser.post(f"{GROUPS}add/", with_code)
    assert Group.objects.get().name == "Keys"


@pytest.mark.parametrize("page", ["add/", "{ravi}/password/"])
def test_no_password_is_carried_through_the_page_that_asks(
    phone: Phone, browser: Client, time: ShiftedClock, page: str
) -> None:
    """The code is asked for before anything is typed; and where it grew old meanwhile, all is typed again."""
    ravi = somebody("ravi", is_superuser=False)
    path, new = f"{PEOPLE}{page.format(ravi=ravi.pk)}", "another horse battery"
    body = {"username": "meera", "usable_password": "true", "password1": new, "password2": new, "set-password": "1"}

    for sent in (body, {**body, "second_factor_code": phone.shows()}):
        answer = browser.post(path, sent)
        assert (answer.status_code, answer.headers["Location"]) == (302, path)
    confirm = browser.get(path)
    assert confirm.headers["Location"] == f"{CONFIRM}?{urlencode({'next': path})}"
    asked = text_of(browser.get(confirm.headers["Location"]))
    assert "type it again: no secret is kept meanwhile" in asked
    assert new not in asked
    assert not User.objects.filter(username="meera").exists()
    assert not User.objects.get(pk=ravi.pk).check_password(new)

    assert browser.post(CONFIRM, {"second_factor_code": phone.shows(), "next": path}).headers["Location"] == path
    assert browser.get(path).status_code == 200
    assert browser.post(path, body).status_code == 302
    assert [each for each in User.objects.exclude(username="asha") if each.check_password(new)]


def test_whoever_may_not_is_refused_and_not_asked(time: ShiftedClock, transactional_db: None) -> None:
    helper, ravi = somebody("helper", is_superuser=False), somebody("ravi", is_superuser=False)
    browser = signed_in(helper, with_factor(helper))
    time.advance(minutes=11)

    for path in (f"{PEOPLE}add/", f"{PEOPLE}{ravi.pk}/password/"):
        assert browser.get(path).status_code in {403, 404}
        assert browser.post(path, {"password1": PASSWORD, "password2": PASSWORD}).status_code in {403, 404}
