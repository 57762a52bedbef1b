"""One of finance asks and the lead agrees, each in a real browser against all of `make run`."""

from __future__ import annotations

import re

import pytest

from tests.browser.test_console import ALBUM, needs_a_browser
from tests.browser.visitor import Visitor, browsing
from tests.scenarios.stack import Stack

WHY = "The guest has left, and nobody knows the name."
BEGUN = "The waiter remembers"
EXHAUSTED = "/admin/failures/case/?kind__exact=exhausted"


def _sign_in(visitor: Visitor, stack: Stack, username: str) -> None:
    (login,) = [one for one in stack.record["logins"] if one["username"] == username]
    visitor.go("/admin/")
    visitor.page.fill("[name=username]", login["username"])
    visitor.page.fill("[name=password]", login["password"])
    visitor.press(visitor.page.locator("[type=submit]"))


def _open_the_case(visitor: Visitor) -> None:
    visitor.go(EXHAUSTED)
    visitor.press(visitor.page.locator("#result_list tbody th a").first)


@pytest.mark.slow
@needs_a_browser
def test_who_asks_cannot_agree_and_the_lead_sees_what_changes(stack: Stack) -> None:
    origin = stack.record["addresses"]["web"].rstrip("/")
    with browsing(origin, ALBUM) as finance:
        _sign_in(finance, stack, "finance")
        _open_the_case(finance)
        finance.page.get_by_label("Note", exact=True).fill(BEGUN)
        finance.page.get_by_text("Write it off", exact=True).click()
        form = finance.page.locator("details[open] form")
        form.locator("[name=reason]").fill(WHY)
        finance.press(form.get_by_role("button", name="Ask a second person"))
        finance.page.get_by_text("somebody else has to agree").wait_for()
        assert finance.page.get_by_role("button", name="Approve").count() == 0
        assert finance.page.get_by_label("Note", exact=True).input_value() == BEGUN
        finance.look("desk-asked")
    assert finance.complaints == [], "\n" + "\n".join(finance.complaints)

    with browsing(origin, ALBUM) as lead:
        _sign_in(lead, stack, "lead")
        lead.visit("/admin/?mode=test", "desk-today")
        assert "Waiting for my approval" in lead.page.content()
        lead.visit("/admin/accounts/approval/", "desk-approvals")
        lead.press(lead.page.get_by_role("link", name=re.compile("^P-")).first)
        assert WHY in lead.page.locator(".desk-asked").inner_text()
        lead.look("desk-approval")
        lead.press(lead.page.get_by_role("button", name="Approve"))
        lead.page.get_by_text("Approved, and done.").wait_for()
        lead.look("desk-approved")
    assert lead.complaints == [], "\n" + "\n".join(lead.complaints)
    assert stack.manage("check_invariants").returncode == 0
    assert stack.manage("verify_audit").returncode == 0
