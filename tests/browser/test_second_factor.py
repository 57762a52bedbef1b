"""A second factor in a real browser, by keyboard: set up, asked for after the password, and once more for keys."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from tests.browser.test_console import ALBUM, needs_a_browser
from tests.browser.test_desk import _enter, _tab_to
from tests.browser.visitor import Visitor, browsing
from tests.factors import STEP_SECONDS, Phone
from tests.scenarios.stack import Stack

CODE = "second_factor_code"
OWN = "/admin/second-factor/"
# As if the last code had been given eleven minutes ago.
OLDER = """
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
for row in Session.objects.all():
    session = SessionStore(row.session_key)
    if "code_given" in session:
        session["code_given"] -= 660
        session.save()
"""

# After a first wrong code. Somebody who types takes longer.
_PAUSE_MS = 1_100


def _sign_in(visitor: Visitor, login: dict[str, str]) -> None:
    _tab_to(visitor, "username")
    visitor.page.keyboard.type(login["username"])
    visitor.page.keyboard.press("Tab")
    visitor.page.keyboard.type(login["password"])
    _enter(visitor)
    # What the page still fetches is not broken off by leaving it.
    visitor.page.wait_for_load_state("networkidle")


def _give(visitor: Visitor, code: str) -> None:
    _tab_to(visitor, CODE)
    visitor.page.keyboard.type(code)
    _enter(visitor)


def _set_up(visitor: Visitor) -> Phone:
    visitor.go(OWN)
    _tab_to(visitor, "Set it up")
    _enter(visitor)
    visitor.look("factor-set-up")
    secret = visitor.page.locator(".factor-secret").inner_text().replace(" ", "")
    phone = Phone(secret, now=lambda: datetime.now(UTC))
    _give(visitor, phone.never_shows())
    visitor.look("factor-set-up-refused")
    visitor.page.wait_for_timeout(_PAUSE_MS)
    _give(visitor, phone.shows())
    visitor.look("factor-recovery-codes")
    assert visitor.page.locator(".factor-codes li").count() == 10
    return phone


def _sign_out(visitor: Visitor) -> None:
    """From the menu below one's own name."""
    visitor.go("/admin/")
    visitor.page.wait_for_load_state("networkidle")
    _tab_to(visitor, "Anita\nadmin\nunfold_more")
    visitor.page.keyboard.press("Enter")
    visitor.page.get_by_role("link", name="Second factor").wait_for()
    _tab_to(visitor, "Log out\nlogout")
    _enter(visitor)


def _take_off(visitor: Visitor) -> None:
    page = visitor.page
    visitor.go("/admin/accounts/user/?q=admin")
    page.locator("input[name='_selected_action']").first.check()
    page.locator("select[name='action']").select_option("take_off_factor")
    visitor.press(page.locator("button[name='index']"))
    visitor.look("factor-take-off")
    page.get_by_label("Why").fill("x")
    visitor.press(page.get_by_role("button", name="Take it off"))
    visitor.look("factor-take-off-refused")
    page.get_by_label("Why").fill("The phone is lost.")
    visitor.press(page.get_by_role("button", name="Take it off"))
    assert "because your second factor was taken off." in page.locator("main").inner_text()
    visitor.look("factor-taken-off")


def _wait_for_the_next_code() -> None:
    time.sleep(STEP_SECONDS - time.time() % STEP_SECONDS + 0.5)


def _pass_eleven_minutes(stack: Stack) -> None:
    said = stack.manage("shell", "--no-imports", "--command", OLDER)
    assert said.returncode == 0, said.stderr


@pytest.mark.slow
@needs_a_browser
def test_somebody_sets_it_up_and_signs_in_with_it_by_keyboard(stack: Stack) -> None:
    (login,) = [one for one in stack.record["logins"] if one["username"] == "admin"]
    with browsing(stack.record["addresses"]["web"].rstrip("/"), ALBUM) as visitor:
        visitor.go("/admin/")
        _sign_in(visitor, login)
        phone = _set_up(visitor)
        visitor.visit(OWN, "factor-own")
        _sign_out(visitor)

        _wait_for_the_next_code()
        visitor.go("/admin/accounts/apikey/issue/")
        _sign_in(visitor, login)
        visitor.page.wait_for_function("document.activeElement.name == 'second_factor_code'")
        visitor.look("factor-code")
        _give(visitor, phone.never_shows())
        visitor.look("factor-code-refused")
        time.sleep(1.0)
        _give(visitor, phone.shows())

        assert visitor.page.get_by_role("heading", name="Issue a key").count() == 1
        _pass_eleven_minutes(stack)
        visitor.go("/admin/accounts/apikey/issue/")
        visitor.look("factor-confirm")
        _wait_for_the_next_code()
        _give(visitor, phone.shows())
        assert visitor.page.get_by_role("heading", name="Issue a key").count() == 1
        _take_off(visitor)

    assert visitor.complaints == [], "\n" + "\n".join(visitor.complaints)
