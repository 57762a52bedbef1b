"""How people of the staff sign in to the console in tests: with the password, and with a code where they have one."""

from __future__ import annotations

from typing import Any

from django.test import Client

from accounts.models import User
from tests.factories import UserFactory
from tests.factors import Phone

PASSWORD = "correct horse battery"
LOGIN, CODE, CONFIRM, OWN = "/admin/login/", "/admin/code/", "/admin/confirm/", "/admin/second-factor/"
KEYS, ISSUE, PEOPLE = "/admin/accounts/apikey/", "/admin/accounts/apikey/issue/", "/admin/accounts/user/"


def somebody(username: str, **more: Any) -> User:
    person = UserFactory.create(**{"username": username, "is_staff": True, "is_superuser": True, **more})
    person.set_password(PASSWORD)
    person.save()
    return person


def with_password(person: User, then: str = "/admin/") -> Client:
    browser = Client()
    said = {"username": person.username, "password": PASSWORD}
    answer = browser.post(f"{LOGIN}?next={then}", said)
    assert (answer.status_code, answer.headers["Location"]) == (302, then)
    return browser


def signed_in(person: User, phone: Phone) -> Client:
    browser = with_password(person)
    assert give(browser, phone.shows()).status_code == 302
    return browser


def give(browser: Client, code: str, **more: str) -> Any:
    return browser.post(CODE, {"second_factor_code": code, **more})


def text_of(page: Any) -> str:
    return " ".join(page.content.decode().split())
