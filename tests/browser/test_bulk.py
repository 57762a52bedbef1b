"""Many cases at once in a real browser, against all of `make run`: ticked over several pages, looked at, started."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Route, expect

from tests.browser.test_console import ALBUM, needs_a_browser
from tests.browser.test_two_people import _sign_in
from tests.browser.visitor import Visitor, browsing
from tests.scenarios.stack import Stack

QUEUE = "/admin/failures/case/?kind__exact=contradiction"
MANY = 60  # More than a page of the queue has.
WHY = "The provider's pages agree with ours by now."
# The clock of `make run`, for a few dozen steps.
DONE_MS = 60_000.0
# What a provider's bad evening leaves behind, told by the services.
EVENING = f"""
from django.db import transaction
from accounts.models import Restaurant
from events.actors import GUEST, SYSTEM
from events.services import Journal
from kernel.modes import Mode
from orders.services import LineDraft, OrderDraft, place_order
from payments.models import Payment
from payments.services.acceptance import PaymentDraft
from payments.services.facts import PaymentEvent
from payments.services.payments import create_payment
restaurant = Restaurant.objects.get()
for number in range({MANY}):
    lines = (LineDraft(name="Thali", quantity=1, unit_minor=20_000 + 500 * number),)
    draft = OrderDraft(restaurant=restaurant, mode=Mode.TEST, currency="INR", lines=lines, table=f"T{{number}}")
    order = place_order(draft=draft, actor=GUEST)
    made = create_payment(draft=PaymentDraft(order_id=order.pk, method="card"), actor=GUEST)
    with transaction.atomic():
        payment = Payment.objects.select_for_update().get(pk=made.pk)
        journal = Journal(SYSTEM)
        journal.happened(PaymentEvent.CONTRADICTED, payment)
        payment.save(update_fields=["version"])
        journal.write()
"""


@contextmanager
def _undisturbed(visitor: Visitor) -> Iterator[None]:
    """What the page asks by itself is held: with the answer it may load itself anew in the middle of a look."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        if "steward-by-itself" in route.request.headers:
            held.append(route)
        else:
            route.fallback()

    visitor.page.route("**/*", hold)
    yield
    for route in held:
        route.continue_()
    visitor.page.unroute("**/*", hold)


def _tick(visitor: Visitor, *rows: int) -> None:
    """By keyboard, as whoever has many to tick does it."""
    for row in rows:
        visitor.page.locator(".desk-pick input").nth(row).focus()
        visitor.page.keyboard.press("Space")


def _says(visitor: Visitor, words: str) -> None:
    expect(visitor.page.locator("[data-chosen]")).to_have_text(words)


def _ask_for(visitor: Visitor, what: str) -> None:
    visitor.page.get_by_label("What to do with them").select_option(label=what)
    visitor.press(visitor.page.get_by_role("button", name="See what it would do"))


def _tick_over_two_pages(visitor: Visitor) -> None:
    page = visitor.page
    visitor.go(QUEUE)
    visitor.look("bulk-queue")
    _tick(visitor, 0, 1)
    _says(visitor, "2 chosen, 2 on this page")
    visitor.look("bulk-ticked")
    visitor.press(page.get_by_role("link", name="Next"))
    _says(visitor, "2 chosen, 0 on this page")
    _tick(visitor, 0)
    visitor.press(page.get_by_role("link", name="Previous"))
    _says(visitor, "3 chosen, 2 on this page")
    # In another order they are the same ones; in another list none.
    visitor.press(page.get_by_role("link", name="Time left"))
    expect(page.locator("[data-chosen]")).to_contain_text("3 chosen")
    visitor.go("/admin/failures/case/?kind__exact=exhausted")
    _says(visitor, "The ticked ones: none yet")
    visitor.go(QUEUE)
    _says(visitor, "3 chosen, 2 on this page")


def _close_them(visitor: Visitor) -> None:
    page = visitor.page
    _ask_for(visitor, "Close: nothing was wrong")
    expect(page.locator("#desk-run-what")).to_have_text("3 will be closed.")
    visitor.look("bulk-plan")
    page.get_by_label("Why").fill(WHY)
    visitor.press(page.get_by_role("button", name="Start with 3"))
    # By itself, without anybody loading the page again.
    expect(page.locator("#desk-run-what")).to_have_text("3 were closed.", timeout=DONE_MS)
    visitor.look("bulk-done")
    visitor.go(QUEUE)
    _says(visitor, "The ticked ones: none yet")


def _take_all_of_the_list(visitor: Visitor) -> None:
    page = visitor.page
    page.get_by_label(f"All {MANY - 3} of this list").check()
    _ask_for(visitor, "Take them")
    visitor.press(page.get_by_role("button", name=f"Start with {MANY - 3}"))
    with _undisturbed(visitor):
        visitor.look("bulk-running")
    expect(page.locator("#desk-run-what")).to_have_text(f"{MANY - 3} were taken.", timeout=DONE_MS)
    expect(page.locator(".desk-now").first).to_contain_text("With finance")
    visitor.look("bulk-taken")
    visitor.visit("/admin/failures/bulkrun/", "bulk-list")


def _look_at_what_was_begun(visitor: Visitor) -> None:
    """Whoever looks at another run in the middle of ticking goes on ticking."""
    page = visitor.page
    visitor.go(QUEUE)
    _tick(visitor, 0)
    visitor.go("/admin/failures/bulkrun/")
    visitor.press(page.locator("#result_list tbody a").first)
    expect(page.locator(".desk-run")).not_to_have_attribute("data-status", "planned")
    visitor.go(QUEUE)
    _says(visitor, "1 chosen, 1 on this page")
    page.get_by_role("button", name="Clear").click()


def _give_up_what_is_mostly_skipped(visitor: Visitor) -> None:
    """Of all kinds, those of the demo among them."""
    page = visitor.page
    visitor.go("/admin/failures/case/?which=all")
    page.get_by_role("button", name="Tick this page").click()
    _ask_for(visitor, "Try the payments again")
    assert "This moves no money." in page.locator(".desk-run").inner_text()  # With nothing to try again.
    assert "skipped: " in page.locator("#desk-run-what").inner_text()
    visitor.look("bulk-skipped")
    visitor.press(page.get_by_role("button", name="Give it up"))
    page.get_by_text("Given up. What was done stays done").wait_for()
    visitor.look("bulk-given-up")


def _choose_without_a_script(visitor: Visitor) -> None:
    """The same person, in a browser that runs none: the boxes of the page that is shown do, and one button."""
    browser = visitor.page.context.browser
    assert browser is not None
    session = browser.new_context(java_script_enabled=False, storage_state=visitor.page.context.storage_state())
    page = session.new_page()
    page.goto(f"{visitor.origin}/admin/failures/case/?which=all")
    assert not page.get_by_role("button", name="Tick this page").is_visible()
    page.locator(".desk-pick input").first.check()
    page.get_by_label("What to do with them").select_option(label="Put them off")
    page.get_by_role("button", name="See what it would do").click()
    expect(page.locator(".desk-results tbody tr")).to_have_count(1)
    session.close()


@pytest.mark.slow
@needs_a_browser
def test_what_is_ticked_on_several_pages_is_looked_at_started_and_done(stack: Stack) -> None:
    made = stack.manage("shell", "--no-imports", "--command", EVENING)
    assert made.returncode == 0, made.stderr
    with browsing(stack.record["addresses"]["web"].rstrip("/"), ALBUM) as visitor:
        _sign_in(visitor, stack, "finance")
        _tick_over_two_pages(visitor)
        _close_them(visitor)
        _take_all_of_the_list(visitor)
        _look_at_what_was_begun(visitor)
        _give_up_what_is_mostly_skipped(visitor)
        _choose_without_a_script(visitor)

    assert visitor.complaints == [], "\n" + "\n".join(visitor.complaints)
    assert stack.manage("check_invariants").returncode == 0
    assert stack.manage("verify_audit").returncode == 0
