"""The whole console in a real browser, against all of `make run`: each page, at two widths, in two themes."""

from __future__ import annotations

import pytest

from config.local.programs import Program, may_be_skipped
from config.local.state import state_folder
from tests.browser import places
from tests.browser.visitor import NARROW, Visitor, browsing
from tests.scenarios.stack import Stack

# Kept after the run: what a person who doubts a test looks at.
ALBUM = state_folder() / "screenshots"
# A list of places that had become empty would find nothing wrong.
LEAST_LOOKS = 218
MOST_TABS = 60  # Past the whole menu.
NEEDED = (Program.CHROMIUM, Program.NPM)
needs_a_browser = pytest.mark.skipif(any(map(may_be_skipped, NEEDED)), reason=f"{' or '.join(NEEDED)} is missing")


@pytest.mark.longest
@pytest.mark.slow
@needs_a_browser
def test_every_page_of_the_console_is_whole(stack: Stack) -> None:
    (login,) = [one for one in stack.record["logins"] if one["username"] == "admin"]
    with browsing(stack.record["addresses"]["web"].rstrip("/"), ALBUM) as visitor:
        _sign_in(visitor, login["username"], login["password"])
        _look_at_lists_and_rows(visitor)
        for path in (*places.plain(), *places.forms(), *places.PROBLEMS):
            visitor.visit(path)
        for path, sign in places.DESCRIPTIONS.items():
            visitor.go(path)
            visitor.page.locator(sign).first.click()
            visitor.page.screenshot(path=ALBUM / f"{path.strip('/').replace('/', '-')}.png")
        _look_at_what_opens(visitor)
        _keep_a_view(visitor)
        _look_at_giving(visitor)
        _look_at_giving_back(visitor)
        _follow_a_figure_by_keyboard(visitor)
        go_by_keyboard(visitor)
        _handle_keys(visitor)
        _order_a_chain(visitor)
        _stop_a_provider(visitor)
        _enter_credentials(visitor)

    assert visitor.complaints == [], "\n" + "\n".join(visitor.complaints)
    assert visitor.looks >= LEAST_LOOKS


def _sign_in(visitor: Visitor, username: str, password: str) -> None:
    visitor.visit("/admin/login/?next=/admin/", "login")
    _type_in(visitor, username, "wrong")
    visitor.look("login-refused")
    _type_in(visitor, username, password)
    assert visitor.page.get_by_role("heading", name="Today", exact=True).count() == 1


def _type_in(visitor: Visitor, username: str, password: str) -> None:
    visitor.page.get_by_label("Username").fill(username)
    visitor.page.get_by_label("Password").fill(password)
    visitor.press(visitor.page.get_by_role("button", name="Sign in"))


def _look_at_lists_and_rows(visitor: Visitor) -> None:
    for page in places.pages():
        path = places.list_of(page)
        visitor.visit(path)
        rows = visitor.page.locator("#result_list tbody th a")
        if rows.count():
            address = str(rows.first.get_attribute("href"))
            visitor.visit(address, f"{page.opts.app_label}-{page.opts.model_name}-one")
        else:
            assert page.nothing in visitor.page.locator(".console-empty").inner_text()


def _look_at_what_opens(visitor: Visitor) -> None:
    """The menu on a phone, the filters, a search that finds nothing, and what somebody did to a person."""
    visitor.visit(f"/admin/payments/payment/?q={places.NOWHERE}", "nothing-found")
    visitor.go("/admin/payments/payment/")
    visitor.page.get_by_role("button", name="Filters").click()
    visitor.look("filters-open")
    visitor.page.set_viewport_size({"width": NARROW, "height": 780})
    visitor.page.keyboard.press("Escape")
    visitor.page.get_by_role("button", name="Menu").click()
    visitor.page.screenshot(path=visitor.album / "menu-open-360.png")
    assert visitor.page.get_by_role("link", name="Failure queue").is_visible()
    visitor.page.get_by_role("button", name="Close the menu").click()
    assert not visitor.page.get_by_role("link", name="Failure queue").is_visible()


def _keep_a_view(visitor: Visitor) -> None:
    """By keyboard: shared with everyone, open, and away again."""
    page = visitor.page
    visitor.go("/admin/failures/case/?which=all&o=-3")
    page.locator("summary", has_text="Keep this view").press("Enter")
    visitor.look("view-to-keep")
    page.get_by_label("Name", exact=True).fill("Newest first")
    page.get_by_label("Share with everyone of").press("Space")
    visitor.press(page.get_by_role("button", name="Keep it"))
    assert page.locator(".desk-view[aria-current=page]").inner_text() == "Newest first shared"
    visitor.look("view-kept")
    page.locator("summary", has_text="Remove a view").press("Enter")
    visitor.look("view-to-remove")
    visitor.press(page.get_by_role("button", name="Remove it"))
    assert page.locator(".desk-view").count() == 0


def _look_at_giving(visitor: Visitor) -> None:
    """A case, on its way to a colleague; and what somebody did, as the audit has it."""
    visitor.go("/admin/failures/case/?which=all")
    visitor.press(visitor.page.locator("#result_list tbody th a").first)
    visitor.press(visitor.page.get_by_role("link", name="Give it to a colleague"))
    visitor.look("case-give")
    visitor.page.get_by_label("Colleague").select_option(index=1)
    visitor.page.get_by_label("What they should know").fill("She knows the guest.")
    visitor.press(visitor.page.get_by_role("button", name="Give it"))
    visitor.go("/admin/events/auditentry/?action=assign")
    visitor.press(visitor.page.locator("#result_list tbody th a").first)
    visitor.look("audit-of-giving")


def _look_at_giving_back(visitor: Visitor) -> None:
    """Of the first payment on the list that holds any money: a rupee of it."""
    page = visitor.page
    visitor.go("/admin/payments/payment/?status__exact=completed")
    rows = page.locator("#result_list tbody th a")
    button = page.get_by_role("link", name="Give money back")
    for address in [str(row.get_attribute("href")) for row in rows.all()]:
        visitor.go(address)
        if button.count():
            break
    visitor.press(button)
    visitor.look("payment-give-back")
    page.get_by_label("Amount in INR").fill("1")
    page.get_by_label("Why").fill("The food was cold.")
    visitor.press(page.get_by_role("button", name="Give it back"))
    visitor.look("payment-given-back")


def _follow_a_figure_by_keyboard(visitor: Visitor) -> None:
    """From the first page, with the demo's day on it, to the rows behind its first figure."""
    page = visitor.page
    visitor.visit("/admin/?mode=test", "today-test")
    figures = page.locator(".today-figure")
    said = figures.first.inner_text()
    for _ in range(MOST_TABS):
        if page.evaluate("document.activeElement.classList.contains('today-figure')"):
            break
        page.keyboard.press("Tab")
    with page.expect_navigation(wait_until="load"):
        page.keyboard.press("Enter")
    assert page.locator(".console-total").inner_text().startswith(said)
    visitor.look("today-list")


def go_by_keyboard(visitor: Visitor) -> None:
    """Past the menu on the first stop of a page; and into the filters, around in them, and out again."""
    page, here = visitor.page, "document.activeElement"
    page.set_viewport_size({"width": 1440, "height": 900})
    visitor.go("/admin/payments/payment/")
    page.keyboard.press("Tab")
    assert page.evaluate(f"{here}.innerText") == "Skip to the content"
    visitor.look("skip-link")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate(f"document.getElementById('content').contains({here})")
    page.get_by_role("button", name="Filters").focus()
    page.keyboard.press("Enter")
    page.wait_for_function(f"{here}.getAttribute('aria-label') === 'Close the filters'")
    inside = f"document.getElementById('changelist-filter').contains({here})"
    assert all(_is_after(visitor, "Shift+Tab", inside) for _ in range(3))
    assert all(_is_after(visitor, "Tab", inside) for _ in range(MOST_TABS))
    page.keyboard.press("Escape")
    page.wait_for_function(f"{here}.classList.contains('console-filter')")


def _is_after(visitor: Visitor, key: str, what: str) -> bool:
    visitor.page.keyboard.press(key)
    return bool(visitor.page.evaluate(what))


def _handle_keys(visitor: Visitor) -> None:
    """Each page in the life of a key."""
    page = visitor.page
    page.set_viewport_size({"width": 1440, "height": 900})
    visitor.go("/admin/accounts/apikey/issue/")
    visitor.press(page.get_by_role("button", name="Issue the key"))
    visitor.look("key-issue-refused")
    page.get_by_label("Restaurant").select_option(label="Saffron Table")
    page.get_by_label("Name").fill("browser")
    page.locator("input[value='orders:read']").check()
    visitor.press(page.get_by_role("button", name="Issue the key"))
    visitor.look("key-shown")
    for verb in ("Rotate", "Revoke"):
        visitor.go("/admin/accounts/apikey/?q=browser")
        visitor.press(page.locator("#result_list tbody th a").first)
        visitor.press(page.get_by_role("button", name=f"{verb}…"))
        visitor.look(f"key-{verb.lower()}")
    visitor.press(page.get_by_role("button", name="Revoke now"))
    visitor.look("key-revoked")


def _order_a_chain(visitor: Visitor) -> None:
    """By its buttons, which a keyboard reaches as well, and by dragging."""
    page = visitor.page
    visitor.go("/admin/payments/route/")
    visitor.press(page.locator(".prov-chains a").first)
    accounts = "[...document.querySelectorAll('.prov-route:not(.prov-new) select')].map(s => s.selectedOptions[0].text)"
    first, second, *others = page.evaluate(accounts)
    page.get_by_role("button", name="Move down").first.press("Enter")
    assert page.evaluate(accounts) == [second, first, *others]
    assert page.get_by_role("status").last.inner_text().startswith(f"{first} is number 2 of")
    grips = page.locator(".prov-grip")
    grips.nth(1).drag_to(grips.first)
    assert page.evaluate(accounts) == [first, second, *others]
    page.get_by_role("button", name="Move down").first.press("Enter")
    page.locator("summary", has_text="For what").first.click()
    visitor.look("chain-open")
    page.get_by_label("Why").fill("The second one is cheaper.")
    visitor.press(page.get_by_role("button", name="Save the chain"))
    assert page.evaluate(accounts) == [second, first, *others]
    visitor.look("chain-saved")


def _stop_a_provider(visitor: Visitor) -> None:
    page = visitor.page
    visitor.go("/admin/payments/breakeroverride/?mode=test")
    page.locator(".prov-choice summary").first.click()
    visitor.look("circuits-open")
    page.get_by_label("Why").first.fill("Their status page says so.")
    visitor.press(page.get_by_role("button", name="Stop asking").first)
    visitor.look("circuits-stopped")
    page.locator(".prov-choice summary").first.click()
    page.get_by_label("Why").first.fill("It is over.")
    visitor.press(page.get_by_role("button", name="Take the word back").first)
    assert page.get_by_text("it decides by itself again").count()


def _enter_credentials(visitor: Visitor) -> None:
    """Tried at the sandbox that is there, and asked of a second person."""
    page = visitor.page
    visitor.go("/admin/payments/provideraccount/")
    visitor.press(page.get_by_role("link", name="Sandbox A", exact=True).first)
    visitor.press(page.get_by_role("button", name="Try it"))
    assert page.get_by_text("No money was moved").count()
    visitor.press(page.get_by_role("link", name="Enter new credentials"))
    visitor.look("credentials")
    page.get_by_label("API key").fill("a-key-that-the-sandbox-never-gave")
    page.get_by_label("Why").fill("Rotated, as every quarter.")
    visitor.press(page.get_by_role("button", name="Try them, and ask a second person"))
    assert page.get_by_text("refuses these credentials").count()
    visitor.look("credentials-refused")
    page.get_by_label("Signing secret of its notices").fill("the-next-signing-secret-of-the-sandbox")
    visitor.press(page.get_by_role("button", name="Try them, and ask a second person"))
    assert page.get_by_text("New ones wait for a second person").count()
    visitor.look("credentials-waiting")
