"""What only a browser tells of a page: what is seen of it, at which width, and what its scripts make of a press."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from accounts.models import Role
from failures.models import Case, CaseKind
from payments.services.providers import PROVIDERS
from tests.browser.test_console import needs_a_browser
from tests.browser.visitor import HEIGHTS, NARROW, WIDE, Visitor, browsing
from tests.factories import staff
from tests.failures.test_papers import PDF
from tests.failures.world import make_world
from tests.scripted import ScriptedGateway, provider_of

pytestmark = [pytest.mark.slow, needs_a_browser]
PASSWORD = "a-long-one-for-a-test"
LONG_AMOUNT = "₹99,99,99,999.00"
# Of everything that an address of the list shows: how far it reaches beyond its frame.
BEYOND = (
    "() => { const f = document.getElementById('result_list').parentElement; return f.scrollWidth - f.clientWidth; }"
)
LINES = """one => {
  const text = document.createRange();
  text.selectNodeContents(one);
  return new Set([...text.getClientRects()].map(line => line.top)).size;
}"""
BEFORE = "one => getComputedStyle(one, '::before').content"


@pytest.fixture
def case(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Case:
    monkeypatch.setitem(PROVIDERS, "a", provider_of(ScriptedGateway()))
    make_world()
    return Case.objects.filter(kind=CaseKind.AMOUNT_MISMATCH).latest("id")


@pytest.fixture
def visitor(case: Case, live_server: Any, tmp_path: Path) -> Iterator[Visitor]:
    """Finance staff of the restaurant that has the case."""
    person = staff(case.restaurant, Role.FINANCE)
    person.is_staff = True
    person.set_password(PASSWORD)
    person.save()
    with browsing(live_server.url, tmp_path) as visitor:
        visitor.go(reverse("admin:failures_case_changelist"))
        visitor.page.get_by_label("Username").fill(person.username)
        visitor.page.get_by_label("Password").fill(PASSWORD)
        visitor.press(visitor.page.get_by_role("button", name="Sign in"))
        yield visitor


def _open(visitor: Visitor, case: Case) -> None:
    visitor.go(reverse("admin:failures_case_change", args=[case.pk]))


def test_only_cells_have_the_labels_of_a_narrow_table(visitor: Visitor, case: Case) -> None:
    visitor.page.set_viewport_size({"width": NARROW, "height": HEIGHTS[NARROW]})
    _open(visitor, case)

    assert visitor.page.locator("section.desk-now").evaluate(BEFORE) == "none"


def test_a_file_is_chosen_without_a_complaint_of_any_script(visitor: Visitor, case: Case) -> None:
    _open(visitor, case)
    box = visitor.page.get_by_label("Evidence (PDF")
    box.set_input_files({"name": "statement.pdf", "mimeType": "application/pdf", "buffer": PDF})

    assert visitor.complaints == []
    visitor.press(visitor.page.get_by_role("button", name="Add the file"))
    assert visitor.page.get_by_role("link", name="statement.pdf").count()


def _say_what_is_long(visitor: Visitor) -> None:
    """As a row may have it: a name without an end, and a case that waits for another one's word."""
    row = visitor.page.locator("#result_list tbody tr").first
    row.locator(".field-amount .amount").evaluate("(one, text) => { one.textContent = text; }", LONG_AMOUNT)
    pill = '<div>somebody<span class="desk-under"><span class="state">Waiting for a second person</span></span></div>'
    row.locator(".field-has").evaluate("(one, markup) => { one.innerHTML = markup; }", pill)


def test_the_queue_fits_a_notebook_s_screen(visitor: Visitor) -> None:
    visitor.go(f"{reverse('admin:failures_case_changelist')}?which=all")
    _say_what_is_long(visitor)

    assert visitor.page.evaluate(BEYOND) <= 0
    assert {one.evaluate(LINES) for one in visitor.page.locator("#result_list time").all()} == {1}


def test_an_amount_is_never_broken(visitor: Visitor, case: Case) -> None:
    _open(visitor, case)
    for width in (WIDE, NARROW):
        visitor.page.set_viewport_size({"width": width, "height": HEIGHTS[width]})
        figure = visitor.page.locator(".desk-money b").first
        figure.evaluate("(one, text) => { one.textContent = text; }", LONG_AMOUNT)

        assert figure.evaluate(LINES) == 1


@pytest.mark.parametrize("name", ["payments_payment", "payments_attempt", "payments_refund", "events_transition"])
def test_a_date_stands_on_one_line(visitor: Visitor, name: str) -> None:
    visitor.go(reverse(f"admin:{name}_changelist"))
    dates = visitor.page.locator("#result_list time").all()

    assert {one.evaluate(LINES) for one in dates} <= {1}
    assert visitor.page.evaluate(BEYOND) <= 0


def test_a_long_reason_takes_three_lines_of_a_list(visitor: Visitor) -> None:
    visitor.go(reverse("admin:events_transition_changelist"))
    written = visitor.page.locator(".console-written").first
    written.evaluate("one => { one.textContent = 'w'.repeat(500); }")

    assert written.evaluate("one => one.clientHeight <= 3 * parseFloat(getComputedStyle(one).lineHeight)")
    assert visitor.page.evaluate(BEYOND) <= 0
