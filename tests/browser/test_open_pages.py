"""Single keys, and open pages that say what is new: what only browsers tell, two of them at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Page, expect

from accounts.models import Role, User
from failures.admin import open_pages
from failures.models import Case, CaseKind
from payments.models import Payment
from payments.services.facts import PaymentEvent
from payments.services.providers import PROVIDERS
from tests.browser.test_console import needs_a_browser
from tests.browser.visitor import NARROW, Visitor, browsing
from tests.factories import staff
from tests.failures.test_services import happened
from tests.failures.world import make_world
from tests.scripted import ScriptedGateway, provider_of

pytestmark = [pytest.mark.slow, needs_a_browser]
PASSWORD = "a-long-one-for-a-test"
QUEUE = "/admin/failures/case/"
WHY = "The pages agree by now."
BEGUN = "She says tjx?/ was on the bill"
SOON_SECONDS = 0.3
HERE = "document.activeElement"


@pytest.fixture
def case(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Case:
    """Its pages ask so often that nobody has to wait for them."""
    for name in ("BEAT_SECONDS", "LOOK_SECONDS"):
        monkeypatch.setattr(open_pages, name, SOON_SECONDS)
    monkeypatch.setitem(PROVIDERS, "a", provider_of(ScriptedGateway()))
    world = make_world()
    happened(PaymentEvent.CONTRADICTED, Payment.objects.get(pk=world.kept.payment_id))
    return Case.objects.get(kind=CaseKind.CONTRADICTION)


def _person(case: Case, name: str) -> User:
    person = staff(case.restaurant, Role.FINANCE)
    person.username, person.is_staff = name, True
    person.set_password(PASSWORD)
    person.save()
    return person


@pytest.fixture
def ravi(case: Case) -> str:
    """The cookie of a colleague who is signed in."""
    client = Client()
    client.force_login(_person(case, "ravi"), backend="accounts.backends.PersonBackend")
    return client.cookies[settings.SESSION_COOKIE_NAME].value


@pytest.fixture
def asha(case: Case, live_server: Any, tmp_path: Path) -> Iterator[Visitor]:
    """At the queue."""
    _person(case, "asha")
    with browsing(live_server.url, tmp_path) as visitor:
        visitor.go(QUEUE)
        _sign_in(visitor.page)
        yield visitor


def _sign_in(page: Page) -> None:
    page.get_by_label("Username").fill("asha")
    page.get_by_label("Password").fill(PASSWORD)
    with page.expect_navigation(wait_until="load"):
        page.get_by_role("button", name="Sign in").click()


def _keys(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def _is_at(page: Page, what: str) -> bool:
    return bool(page.evaluate(f"{HERE}.matches({what!r})"))


def _listed(page: Page) -> list[str]:
    entries = page.locator("#console-keys [data-key]:visible")
    shown: list[str] = entries.evaluate_all("all => all.map(one => one.dataset.key)")
    return shown


def _look_at_the_sheet(visitor: Visitor) -> None:
    """From the search box's neighbour and back to it, by keyboard alone."""
    page = visitor.page
    page.get_by_role("button", name="Filters").focus()
    _keys(page, "?")
    expect(page.get_by_role("dialog", name="Shortcuts")).to_be_visible()
    assert _listed(page) == ["j", "k", "o", "/", "x", "t", "g t", "g q", "g a", "?"]
    visitor._judge("the sheet", rules=[])
    page.set_viewport_size({"width": NARROW, "height": 780})
    assert page.evaluate("document.documentElement.scrollWidth") == NARROW
    page.set_viewport_size({"width": 1440, "height": 900})
    _keys(page, "j", "t")  # Nothing, beneath it.
    assert page.evaluate(f"document.getElementById('console-keys').contains({HERE})")
    _keys(page, "Escape")
    assert _is_at(page, ".console-filter")


def _go_through_the_rows(visitor: Visitor) -> None:
    page = visitor.page
    rows = page.locator("#result_list tbody tr")
    _keys(page, "j", "j", "k", "x")
    assert rows.first.evaluate(f"row => row.contains({HERE})")
    assert [row.locator("input[name=case]").is_checked() for row in rows.all()[:2]] == [True, False]
    _keys(page, "x", "t")
    assert _is_at(page, "[data-take-next]")
    _keys(page, "Control+j", "/")
    assert _is_at(page, "#searchbar")
    page.keyboard.type("jtx?")
    assert page.locator("#searchbar").input_value() == "jtx?"
    page.locator("#searchbar").fill("")
    page.get_by_role("button", name="Filters").focus()
    _keys(page, "j")
    with page.expect_navigation(wait_until="load"):
        _keys(page, "o")


def _go_through_a_case(visitor: Visitor) -> None:
    page = visitor.page
    _keys(page, "a")
    assert page.evaluate(f"{HERE}.closest('.desk-can') !== null")
    _keys(page, "n")
    page.keyboard.type(BEGUN)
    assert page.locator("#note-text").input_value() == BEGUN
    page.locator("#note-text").fill("")
    page.locator("summary").first.focus()
    with page.expect_navigation(wait_until="load"):
        _keys(page, "u")
    with page.expect_navigation(wait_until="load"):
        _keys(page, "g", "t")
    assert page.get_by_role("heading", name="Today", exact=True).count() == 1


def _see_today_follow(visitor: Visitor) -> None:
    """What is old is replaced where it stands, and not under somebody's hands."""
    page = visitor.page
    needs, doubts = page.locator("#today-needs"), page.locator("#today-doubts h2")
    page.locator("#today-doubts a").first.focus()
    for old in (needs, doubts):
        old.evaluate("one => { one.textContent = 'Old'; }")
    expect(needs).to_contain_text("Needs a person")
    assert doubts.inner_text() == "Old"
    page.locator("#today-needs a").first.focus()
    expect(doubts).to_have_text("In doubt now")


def _turn_them_off(visitor: Visitor) -> None:
    page = visitor.page
    _keys(page, "?")
    page.get_by_label("Single keys work").focus()
    _keys(page, "Space", "Escape")
    visitor.go(QUEUE)
    _keys(page, "j", "t", "/", "?")
    assert _is_at(page, "body")
    page.get_by_role("button", name="Shortcuts").click()
    assert not page.get_by_label("Single keys work").is_checked()


def test_single_keys_lead_somewhere_and_can_be_turned_off(asha: Visitor) -> None:
    _look_at_the_sheet(asha)
    _go_through_the_rows(asha)
    _go_through_a_case(asha)
    _see_today_follow(asha)
    _turn_them_off(asha)

    assert asha.complaints == [], "\n" + "\n".join(asha.complaints)


def _close_it(page: Page) -> None:
    page.locator("summary", has_text="Close: nothing was wrong").click()
    form = page.locator("details[open] form")
    form.locator("[name=reason]").fill(WHY)
    with page.expect_navigation(wait_until="load"):
        form.get_by_role("button").click()


def test_who_is_not_answered_reads_that_and_loses_nothing(asha: Visitor, case: Case) -> None:
    page = asha.page
    asha.go(reverse("admin:failures_case_change", args=[case.pk]))
    page.locator("#note-text").fill(BEGUN)

    page.context.set_offline(True)

    strip = page.locator("#console-news")
    expect(strip).to_contain_text("Steward does not answer.")
    asha.look("nobody-answers")
    page.context.set_offline(False)
    expect(strip).to_be_empty()
    assert page.locator("#note-text").input_value() == BEGUN
    assert [what for what in asha.complaints if "ERR_INTERNET_DISCONNECTED" not in what] == []


def test_two_on_one_case_see_each_other_and_what_the_other_did(ravi: str, asha: Visitor, case: Case) -> None:
    address = f"{asha.origin}{reverse('admin:failures_case_change', args=[case.pk])}"
    browser = asha.page.context.browser
    assert browser is not None
    his = browser.new_context().new_page()
    his.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": ravi, "url": asha.origin}])
    queue = his.context.new_page()
    queue.goto(f"{asha.origin}{QUEUE}?kind__exact=contradiction")
    asha.page.goto(address)
    asha.page.locator("#note-text").fill(BEGUN)

    his.goto(address)

    expect(his.locator("#desk-others")).to_contain_text("asha has this page open, since ")
    expect(asha.page.locator("#desk-others")).to_contain_text("ravi has this page open, since ")
    _close_it(his)
    strip = asha.page.locator("#console-news")
    expect(strip).to_contain_text("This case has changed since you opened it: ravi closed it.")
    expect(queue.locator("#console-news")).to_contain_text("1 case of this list has changed.")
    assert asha.page.locator("#note-text").input_value() == BEGUN
    asha._judge("the strip", rules=[])
    assert asha.complaints == [], "\n" + "\n".join(asha.complaints)

    asha.page.context.clear_cookies()
    expect(strip).to_contain_text("You were signed out.")
    assert asha.page.locator("#note-text").input_value() == BEGUN
    asha.page.locator("#note-text").fill("")
    with asha.page.expect_navigation(wait_until="load"):
        strip.get_by_role("link", name="Sign in again").click()
    _sign_in(asha.page)
    assert asha.page.url == address
