"""A session of the console ends when nobody is there, and after a shift; whoever comes back finds the page again."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.console_session import BY_ITSELF
from accounts.models import User
from tests.factories import UserFactory
from tests.time_machine import ShiftedClock

PASSWORD = "correct horse battery"
KEYS = "/admin/accounts/apikey/"
PAGE = "http://testserver/admin/accounts/user/?q=asha"
IDLE = "because nothing was pressed here for 30 minutes."
NOT_DONE = "What you just sent was not done"


@pytest.fixture
def console(db: None) -> Client:
    person = UserFactory.create(username="asha", is_staff=True, is_superuser=True)
    person.set_password(PASSWORD)
    person.save()
    browser = Client()
    browser.force_login(person, backend="accounts.backends.PersonBackend")
    assert is_in(browser)
    return browser


def is_in(browser: Client, **headers: str) -> bool:
    return bool(browser.get("/admin/", headers=headers).status_code == 200)


def text_of(page: Any) -> str:
    return " ".join(page.content.decode().split())


def test_whoever_opens_the_sign_in_itself_begins_with_today(console: Client) -> None:
    browser = Client()
    page = browser.post("/admin/login/", {"username": "asha", "password": PASSWORD})

    assert (page.status_code, page.headers["location"]) == (302, "/admin/")


def test_half_an_hour_without_a_press_ends_it_and_says_so(console: Client, time: ShiftedClock) -> None:
    time.advance(minutes=31, seconds=1)

    page = console.get(f"{KEYS}?q=till", follow=True)

    assert page.redirect_chain == [("/admin/login/?next=%2Fadmin%2Faccounts%2Fapikey%2F%3Fq%3Dtill", 302)]
    assert IDLE in text_of(page)
    assert not is_in(console)


def test_whoever_presses_now_and_then_stays_for_a_shift_and_no_longer(console: Client, time: ShiftedClock) -> None:
    for _ in range(12 * 60 // 29):
        time.advance(minutes=29)
        assert is_in(console)
    time.advance(minutes=29)

    page = console.get("/admin/", follow=True)

    assert "because a sign-in lasts for 12 hours." in text_of(page)


def test_a_page_that_asks_by_itself_keeps_nobody_signed_in(console: Client, time: ShiftedClock) -> None:
    for _ in range(4):
        time.advance(minutes=8)
        console.get(KEYS, headers={"Sec-Fetch-Mode": "cors"})

    assert not is_in(console)


def test_the_same_of_a_page_whose_browser_says_nothing_of_itself(console: Client, time: ShiftedClock) -> None:
    """As over plain HTTP."""
    for _ in range(4):
        time.advance(minutes=8)
        console.get(KEYS, headers={BY_ITSELF: "1"})

    assert not is_in(console)


def test_a_page_that_asks_too_late_is_told_and_why_is_said_at_the_sign_in(console: Client, time: ShiftedClock) -> None:
    time.advance(minutes=31, seconds=1)

    answers = [console.post(KEYS, headers={BY_ITSELF: "1"}) for _ in range(2)]

    assert [(answer.status_code, answer.json()) for answer in answers] == [(401, {"signed_out": True})] * 2
    page = console.get(f"{KEYS}?q=till", follow=True)
    assert text_of(page).count(IDLE) == 1
    assert NOT_DONE not in text_of(page)


def test_a_session_that_is_over_is_nobody_to_the_api(console: Client, time: ShiftedClock) -> None:
    time.advance(minutes=31, seconds=1)

    assert console.get("/api/v1/orders").json()["code"] == "unauthenticated"


def test_both_limits_are_settings(console: Client, time: ShiftedClock, settings: Settings) -> None:
    settings.STEWARD_SESSION_IDLE_MINUTES = 5
    time.advance(minutes=6, seconds=1)

    assert "for 5 minutes." in text_of(console.get("/admin/", follow=True))


@pytest.mark.parametrize(
    ("referer", "back"),
    [
        (PAGE, "/admin/accounts/user/?q=asha"),
        ("", KEYS),
        ("https://evil.example/admin/", KEYS),
        ("http://testserver/api/docs/", KEYS),
    ],
)
def test_what_is_sent_too_late_is_said_not_to_be_done_and_leads_back_to_its_page(
    console: Client, time: ShiftedClock, referer: str, back: str
) -> None:
    time.advance(minutes=31, seconds=1)

    page = console.post(KEYS, {"action": "revoke"}, follow=True, headers={"Referer": referer} if referer else {})
    assert IDLE in text_of(page)
    assert NOT_DONE in text_of(page)
    here = page.redirect_chain[-1][0]
    answer = console.post(here, {"username": "asha", "password": PASSWORD})

    assert (answer.status_code, answer.headers["Location"]) == (302, back)
    assert is_in(console)


def test_the_same_is_said_where_no_session_is_left_at_all(db: None) -> None:
    page = Client().post(KEYS, {"action": "revoke"}, follow=True, headers={"Referer": PAGE})

    assert page.redirect_chain == [("/admin/login/?next=%2Fadmin%2Faccounts%2Fuser%2F%3Fq%3Dasha", 302)]
    assert NOT_DONE in text_of(page)


def test_signing_in_anew_begins_anew(console: Client, time: ShiftedClock) -> None:
    time.advance(minutes=31, seconds=1)
    is_in(console)
    console.post("/admin/login/", {"username": "asha", "password": PASSWORD})
    time.advance(minutes=29)

    assert is_in(console)
    assert User.objects.count() == 1
