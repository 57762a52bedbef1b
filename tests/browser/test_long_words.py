"""Whatever people write, no page of the console becomes wider than its screen."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from accounts.models import Role
from events.actors import Actor
from failures.models import Case, CaseKind
from failures.services.papers import add_file, add_note
from failures.services.working import snooze_case
from kernel import clock
from payments.services.providers import PROVIDERS
from payments.services.refund_requests import request_refund
from tests.browser.visitor import HEIGHTS, NARROW, WIDE, browsing
from tests.factories import staff
from tests.failures.test_papers import PDF
from tests.failures.world import make_world
from tests.scripted import ScriptedGateway, provider_of

LONG = "w" * 300
PASSWORD = "a-long-one-for-a-test"
# The last is a page at 400 % on a common screen.
WIDTHS = (WIDE, NARROW, 320)


@pytest.mark.slow
def test_one_long_word_makes_no_page_wider_than_its_screen(
    transactional_db: None, live_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PROVIDERS, "a", provider_of(ScriptedGateway()))
    world = make_world()
    person = staff(world.restaurant, Role.FINANCE)
    person.is_staff = True
    person.set_password(PASSWORD)
    person.save()
    case = Case.objects.filter(kind=CaseKind.AMOUNT_MISMATCH).latest("id")
    add_file(case_id=case.pk, person=person, name=f"{LONG[:110]}.pdf", content=PDF)
    add_note(case_id=case.pk, person=person, text=LONG)
    snooze_case(case_id=case.pk, person=person, until=clock.now() + timedelta(hours=1), reason=LONG)
    actor = Actor.user(person)
    request_refund(payment_id=world.kept.payment_id, amount_minor=100, reason=LONG, actor=actor)
    pages = [
        reverse("admin:failures_case_change", args=[case.pk]),
        reverse("admin:payments_payment_change", args=[world.kept.payment_id]),
        *(reverse(f"admin:{name}_changelist") for name in ("events_auditentry", "payments_refund")),
    ]

    with browsing(live_server.url, tmp_path) as visitor:
        visitor.go(pages[0])
        visitor.page.get_by_label("Username").fill(person.username)
        visitor.page.get_by_label("Password").fill(PASSWORD)
        visitor.press(visitor.page.get_by_role("button", name="Sign in"))
        seen = {}
        for page in pages:
            visitor.go(page)
            for width in WIDTHS:
                visitor.page.set_viewport_size({"width": width, "height": HEIGHTS[WIDE]})
                seen[page, width] = visitor.page.evaluate("document.documentElement.scrollWidth")

    assert seen == {(page, width): width for page in pages for width in WIDTHS}
