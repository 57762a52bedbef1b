"""Where the console shows no page of its own: what somebody is told instead, and where it leads."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.http import HttpRequest
from django.test import Client, RequestFactory
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from accounts.models import Restaurant, Role, User
from config import urls
from config.console_errors import csrf_failure
from tests.accounts.signing_in import LOGIN, PASSWORD, somebody, text_of
from tests.factories import RestaurantFactory, staff

TODAY = 'href="/admin/"'
LIMIT = "/admin/payments/refundlimit/add/"
CARD = "4111 1111 1111 1111"


@pytest.fixture
def console(db: None) -> Client:
    restaurant: Restaurant = RestaurantFactory.create()
    person = staff(restaurant, Role.FINANCE)
    User.objects.filter(pk=person.pk).update(is_staff=True)
    browser = Client()
    browser.force_login(person, backend="accounts.backends.PersonBackend")
    return browser


def token_on(browser: Client, page: str) -> str:
    (token, *_) = re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', browser.get(page).content.decode())
    return str(token)


def sign_in(browser: Client) -> None:
    said = {"username": "asha", "password": PASSWORD, "csrfmiddlewaretoken": token_on(browser, LOGIN)}
    assert browser.post(LOGIN, said).status_code == 302


def from_an_old_page(then: str, **said: str) -> Any:
    """Sent from a page that was opened before somebody signed out, and in again, elsewhere in the browser."""
    somebody("asha")
    browser = Client(enforce_csrf_checks=True)
    sign_in(browser)
    old = token_on(browser, "/admin/accounts/user/")
    assert browser.post("/admin/logout/", {"csrfmiddlewaretoken": old}).status_code in {200, 302}
    sign_in(browser)
    referer = "http://testserver/admin/accounts/user/?q=asha"
    return browser.post(then, {"csrfmiddlewaretoken": old, **said}, headers={"Referer": referer})


@pytest.mark.parametrize(
    ("address", "status", "title"),
    [
        ("/admin/failures/case/01a21cb2-0000-7000-8000-000000000000/change/", 404, "There is nothing here"),
        ("/admin/nowhere", 404, "There is nothing here"),
        (LIMIT, 403, "This page is not open to you"),
    ],
)
def test_whoever_can_go_no_further_is_told_why_and_led_on(
    console: Client, address: str, status: int, title: str
) -> None:
    answer = console.get(address)

    assert (answer.status_code, answer.headers["Cache-Control"]) == (status, "no-store")
    assert f"<h1>{title}</h1>" in text_of(answer)
    assert TODAY in text_of(answer)


def test_the_console_without_its_slash_is_the_console() -> None:
    answer = Client().get("/admin")

    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/")


def test_a_fault_is_told_without_a_database_and_without_its_trace(
    console: Client, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    def broken(_: HttpRequest) -> Any:
        raise RuntimeError("the secret of the house")

    request = RequestFactory().get("/admin/", headers={"X-Request-Id": "req_0123456789"})
    with django_assert_num_queries(0):
        told = urls.server_error(request).content.decode()
    monkeypatch.setattr("accounts.console_gate.sitting_of", broken)
    console.raise_request_exception = False
    answer = console.get("/admin/", headers={"X-Request-Id": "req_0123456789"})

    assert (answer.status_code, answer.content.decode()) == (500, told)
    assert "<h1>Something broke here</h1>" in told
    assert "<code>req_0123456789</code>" in told
    assert "secret" not in told


def test_programs_are_answered_as_before() -> None:
    for address in ("/api/v1/nowhere", "/webhooks/nowhere"):
        answer = Client().get(address)
        assert (answer.status_code, answer.headers["Content-Type"].partition(";")[0][-4:]) == (404, "json")
    assert "Steward" not in Client().get("/nowhere").content.decode()


def test_what_was_typed_on_an_old_page_is_not_done_and_not_lost(db: None) -> None:
    answer = from_an_old_page(
        "/admin/accounts/user/",
        text="A LONG NOTE",
        reason="<b>seen</b> at the bank",
        amount="839.75",
        note=f"on {CARD}",
        begun_note="HALF A NOTE",
    )
    page = text_of(answer)

    assert (answer.status_code, answer.headers["Cache-Control"]) == (403, "no-store")
    assert "<h1>This page is out of date</h1>" in page
    assert 'href="/admin/accounts/user/?q=asha">Open the page again' in page
    for kept in (
        "A LONG NOTE",
        "HALF A NOTE",
        "&lt;b&gt;seen&lt;/b&gt; at the bank",
        "839.75",
        "there is a card number in it",
    ):
        assert f"{kept}</textarea>" in page or kept in page.partition("</textarea>")[2]
    assert CARD not in page
    assert page.count("readonly>") == 5


def test_nothing_else_that_was_sent_is_shown_again(db: None) -> None:
    secrets = {
        name: f"kept-{name}" for name in ("password", "second_factor_code", "token", "secret", "credentials", "q")
    }

    page = text_of(from_an_old_page("/admin/accounts/user/", **secrets))

    assert "What you had written" not in page
    assert "kept-" not in page


def test_outside_of_the_console_a_forged_form_is_answered_as_before(settings: Settings) -> None:
    assert settings.CSRF_FAILURE_VIEW == "config.console_errors.csrf_failure"
    answer = csrf_failure(RequestFactory().post("/pay/", {"reason": "mine"}))

    assert (answer.status_code, b"mine" in answer.content) == (403, False)
