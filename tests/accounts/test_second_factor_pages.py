"""The second factor in the console: after the password, set up and moved, and once more where it matters."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.factor_policy import FactorPolicy
from accounts.models import Membership, Role, SecondFactor, User
from accounts.selectors import recovery_codes_left
from accounts.services.second_factor import remove
from tests.accounts.signing_in import (
    CODE,
    CONFIRM,
    ISSUE,
    KEYS,
    LOGIN,
    OWN,
    PASSWORD,
    give,
    signed_in,
    somebody,
    text_of,
    with_password,
)
from tests.factories import RestaurantFactory, order_of
from tests.factors import Phone, with_factor
from tests.time_machine import ShiftedClock


@pytest.fixture
def person(transactional_db: None) -> User:
    return somebody("asha")


@pytest.fixture
def phone(person: User) -> Phone:
    return with_factor(person)


def is_in(browser: Client) -> bool:
    return bool(browser.get("/admin/").status_code == 200)


# After the password.


def test_after_the_password_a_code_is_asked_for_and_leads_to_where_one_wanted_to_go(person: User, phone: Phone) -> None:
    browser = with_password(person, then=KEYS)

    asked = browser.get(KEYS)
    page = browser.get(asked.headers["Location"])
    answer = give(browser, phone.shows(), next=KEYS)

    assert asked.headers["Location"] == f"{CODE}?next=%2Fadmin%2Faccounts%2Fapikey%2F"
    assert 'autocomplete="one-time-code"' in text_of(page)
    assert 'inputmode="numeric"' in text_of(page)
    assert f'name="next" value="{KEYS}"' in text_of(page)
    assert "no-store" in page.headers["Cache-Control"]
    assert (answer.status_code, answer.headers["Location"]) == (302, KEYS)
    assert is_in(browser)


@pytest.mark.parametrize("path", ["/admin/", KEYS, OWN, CONFIRM, "/admin/password_change/", "/admin/nowhere/", LOGIN])
def test_the_password_alone_opens_no_page(person: User, phone: Phone, path: str) -> None:
    answer = with_password(person).get(path)

    assert answer.status_code == 302
    assert answer.headers["Location"].startswith(CODE)


def test_the_password_alone_is_nobody_to_the_api(person: User, phone: Phone) -> None:
    restaurant = RestaurantFactory.create()
    Membership.objects.create(user=person, restaurant=restaurant, role=Role.ADMIN)
    order_of(restaurant)
    browser = with_password(person)
    test = {"Steward-Mode": "test"}

    assert browser.get("/api/v1/orders", headers=test).status_code == 401
    give(browser, phone.shows())
    assert browser.get("/api/v1/orders", headers=test).status_code == 200


def test_a_wrong_code_says_so_and_opens_nothing(person: User, phone: Phone) -> None:
    browser = with_password(person)

    page = give(browser, phone.never_shows())

    assert page.status_code == 200
    assert "This is not the code that your app shows now." in text_of(page)
    assert phone.never_shows() not in str([each.get_decoded() for each in Session.objects.all()])
    assert not is_in(browser)
    assert "Too many wrong codes. Go on in 1 s." in text_of(give(browser, phone.shows()))


def test_without_a_code_one_may_sign_out_and_sign_in_as_somebody_else(person: User, phone: Phone) -> None:
    somebody("ravi")
    browser = with_password(person)

    browser.post(LOGIN, {"username": "ravi", "password": PASSWORD})
    assert is_in(browser)
    half = with_password(person)
    half.post("/admin/logout/")
    assert half.get("/admin/").headers["Location"].startswith(LOGIN)


def test_the_code_comes_with_a_new_session_key(person: User, phone: Phone) -> None:
    browser = with_password(person)
    before = browser.cookies["sessionid"].value

    give(browser, phone.shows())

    assert browser.cookies["sessionid"].value != before
    stolen = Client()
    stolen.cookies["sessionid"] = before
    assert not is_in(stolen)


def test_a_recovery_code_opens_it_and_says_how_many_are_left(person: User, phone: Phone) -> None:
    browser = with_password(person)

    page = browser.post(CODE, {"second_factor_code": phone.recovery_codes[0]}, follow=True)

    assert "A recovery code was used up. 9 are left." in text_of(page)


def test_another_browser_has_to_give_the_code_as_well_once_a_factor_is_set_up(person: User) -> None:
    browser = with_password(person)
    assert is_in(browser)

    with_factor(person)

    assert browser.get("/admin/").headers["Location"].startswith(CODE)


def test_whoever_has_no_factor_signs_in_as_ever(person: User) -> None:
    assert is_in(with_password(person))


@pytest.mark.parametrize(
    "elsewhere",
    ["https://evil.example/", "//evil.example/admin/", "/\\evil.example", "/api/docs/", "javascript:alert(1)", ""],
)
def test_nobody_is_led_to_another_place(person: User, phone: Phone, elsewhere: str) -> None:
    browser = with_password(person)

    assert give(browser, phone.shows(), next=elsewhere).headers["Location"] == "/admin/"
    assert browser.get(CONFIRM, {"next": elsewhere}).headers["Location"] == "/admin/"


# When it ends.


def test_a_new_password_asks_for_the_code_again(person: User, phone: Phone) -> None:
    browser = signed_in(person, phone)
    new = "another horse battery"

    browser.post("/admin/password_change/", {"old_password": PASSWORD, "new_password1": new, "new_password2": new})

    assert browser.get("/admin/").headers["Location"].startswith(CODE)


def test_a_factor_that_is_taken_off_ends_the_sessions_that_it_opened(person: User, phone: Phone) -> None:
    browser = signed_in(person, phone)

    remove(person=person, by=person, reason="The phone is lost.")

    page = browser.get(KEYS, follow=True)
    assert page.redirect_chain[0][0].startswith(LOGIN)
    assert "because your second factor was taken off." in text_of(page)


def test_another_phone_ends_what_the_first_one_opened(person: User, phone: Phone, time: ShiftedClock) -> None:
    browser = signed_in(person, phone)
    time.advance(seconds=60)

    with_factor(person)

    assert browser.get("/admin/").headers["Location"].startswith(CODE)


# Setting up.


def secret_on(page: Any) -> str:
    (shown,) = re.findall(r'<code class="factor-secret">([A-Z2-7 ]+)</code>', text_of(page))
    return str(shown).replace(" ", "")


def test_a_factor_is_set_up_with_a_picture_and_a_code(person: User, time: ShiftedClock) -> None:
    browser = with_password(person)
    assert "Your password alone opens the console." in text_of(browser.get(OWN))

    page = browser.post(OWN, {"step": "begin"}, follow=True)
    phone = Phone(secret_on(page))
    assert "<svg viewBox=" in text_of(page)
    assert "no-store" in page.headers["Cache-Control"]
    wrong = browser.post(OWN, {"step": "confirm", "second_factor_code": phone.never_shows()})
    assert "The app shows another code." in text_of(wrong)
    assert secret_on(wrong) == phone.secret
    time.advance(seconds=2)  # As after each wrong code.
    done = browser.post(OWN, {"step": "confirm", "second_factor_code": phone.shows()})

    codes = re.findall(r"<code>(\d{4} \d{4} \d{4})</code>", text_of(done))
    assert len(codes) == 10
    assert is_in(browser)
    assert codes[0] not in text_of(browser.get(OWN))
    assert "10 of your 10 recovery codes are left." in text_of(browser.get(OWN))
    assert browser.get(ISSUE).status_code == 200


def test_whoever_finished_twice_is_told_where_the_recovery_codes_went(person: User) -> None:
    """A browser drops the answer to the first of two presses, and with it the only copy of them."""
    browser = with_password(person)
    page = browser.post(OWN, {"step": "begin"}, follow=True)
    finish = {"step": "confirm", "second_factor_code": Phone(secret_on(page)).shows()}
    assert re.search(r'<form[^>]* class="factor-form console-once"', text_of(page))
    assert "kernel/once.js" in text_of(page)
    browser.post(OWN, finish)

    again = text_of(browser.post(OWN, finish))

    assert "the answer to that one showed your recovery codes" in again
    assert re.search(r'<form[^>]* class="factor-row console-once"', again)
    assert "If you have never seen them, make new ones." in again
    assert "Your recovery codes" in text_of(browser.post(OWN, {"step": "renew"}))


def test_finishing_what_nobody_began_tells_nothing_of_an_earlier_press(person: User) -> None:
    page = text_of(with_password(person).post(OWN, {"step": "confirm", "second_factor_code": "123456"}))

    assert "an earlier press" not in page


def test_the_picture_asks_nobody_and_has_no_style(person: User) -> None:
    page = text_of(with_password(person).post(OWN, {"step": "begin"}, follow=True))

    (picture,) = re.findall(r"<svg .*?</svg>", page)[-1:]
    assert re.search(r"style=|href|src=|<script|\son[a-z]+=", picture) is None


def test_moving_it_needs_a_code_of_the_first_phone(person: User, phone: Phone, time: ShiftedClock) -> None:
    browser = signed_in(person, phone)
    time.advance(minutes=11)

    asked = browser.post(OWN, {"step": "begin"})
    assert "This needs a code that is younger than 10 minutes." in text_of(asked)
    assert SecondFactor.objects.get().offered_key == ""
    page = browser.post(OWN, {"step": "begin", "second_factor_code": phone.shows()}, follow=True)

    second = Phone(secret_on(page))
    time.advance(minutes=11)
    assert "Set up a second factor" not in text_of(browser.get(OWN))
    assert browser.post(OWN, {"step": "confirm", "second_factor_code": second.shows()}).status_code == 302
    assert SecondFactor.objects.get().key == phone.secret
    browser.post(CONFIRM, {"second_factor_code": phone.shows(), "next": OWN})
    browser.post(OWN, {"step": "confirm", "second_factor_code": second.shows()})
    assert SecondFactor.objects.get().key == second.secret


def test_new_recovery_codes_need_a_code(person: User, phone: Phone, time: ShiftedClock) -> None:
    browser = signed_in(person, phone)
    time.advance(minutes=11)

    assert "Confirm that it is you" in text_of(browser.post(OWN, {"step": "renew"}))
    done = browser.post(OWN, {"step": "renew", "second_factor_code": phone.recovery_codes[0]})

    assert len(re.findall(r"<code>\d{4} \d{4} \d{4}</code>", text_of(done))) == 10
    assert recovery_codes_left(SecondFactor.objects.get()) == 10


# Where everybody has to have one.


@pytest.fixture
def required(settings: Settings) -> None:
    settings.STEWARD_SECOND_FACTOR = FactorPolicy.REQUIRED


@pytest.mark.parametrize("path", ["/admin/", KEYS, CODE, CONFIRM, "/admin/password_change/"])
def test_where_it_is_required_only_setting_one_up_is_reached(person: User, required: None, path: str) -> None:
    browser = with_password(person)

    assert browser.get(path).headers["Location"].startswith(OWN)
    page = text_of(browser.get(OWN))
    assert "everybody of the staff has a second factor" in page
    assert "Failure queue" not in page
    assert browser.get("/api/v1/orders").status_code == 401


def test_whoever_has_set_one_up_there_goes_on(person: User, required: None) -> None:
    browser = with_password(person, then=KEYS)
    page = browser.post(OWN, {"step": "begin", "next": KEYS}, follow=True)

    done = browser.post(OWN, {"step": "confirm", "second_factor_code": Phone(secret_on(page)).shows(), "next": KEYS})

    assert f'href="{KEYS}">I have them: go on' in text_of(done)
    assert browser.get(KEYS).status_code == 200


def test_there_one_may_sign_out(person: User, required: None) -> None:
    browser = with_password(person)

    browser.post("/admin/logout/")

    assert browser.get(OWN).headers["Location"].startswith(LOGIN)
