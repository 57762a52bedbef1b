"""The console's door: whoever may not come in is told why, as far as the password was right."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.accounts.signing_in import LOGIN, PASSWORD, somebody, text_of

pytestmark = pytest.mark.django_db
NOT_HERE = "This account does not open the console. If it should, ask an admin of your restaurant."
WRONG = "Please enter the correct username and password"


def refused(username: str, password: str) -> str:
    page = Client().post(LOGIN, {"username": username, "password": password})
    assert page.status_code == 200
    return text_of(page)


def test_whose_account_does_not_open_the_console_is_told_so_and_whom_to_ask() -> None:
    somebody("waiter", is_staff=False, is_superuser=False)

    said = refused("waiter", PASSWORD)

    assert NOT_HERE in said
    assert WRONG not in said


def test_without_the_right_password_nobody_learns_whether_there_is_an_account() -> None:
    somebody("waiter", is_staff=False, is_superuser=False)
    somebody("gone", is_active=False, is_staff=False)

    for username, password in (("waiter", "another one"), ("nobody", PASSWORD), ("gone", PASSWORD)):
        said = refused(username, password)
        assert WRONG in said
        assert NOT_HERE not in said
