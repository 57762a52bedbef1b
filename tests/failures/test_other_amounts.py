"""An amount that is not what was to be charged is taken from nobody who has not said that it is meant."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client

from accounts.models import Approval, Restaurant, Role, User
from events.models import AuditEntry
from failures.decisions import Action
from failures.models import Case, CaseStatus
from payments.services.evidence import Finding
from payments.services.facts import PaymentEvent
from tests.factories import order_of, staff
from tests.failures.deciding import ask, refused
from tests.failures.test_desk import desk_of, page_of, press
from tests.failures.test_services import REASON, happened
from tests.failures.world import attempted

pytestmark = pytest.mark.django_db
IF_MEANT = "If the provider's page really says so, tick the box below and press again."
TICK = re.compile(r'<input[^>]*name="meant"[^>]*>')


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


@pytest.fixture
def desk(finance: User) -> Client:
    return desk_of(finance)


@pytest.fixture
def doubt(restaurant: Restaurant) -> Case:
    """₹840.00 were to be charged."""
    happened(PaymentEvent.DOUBT_PROLONGED, attempted(order_of(restaurant), Finding.UNKNOWN).payment)
    return Case.objects.get()


def record(desk: Client, case: Case, amount: str, **said: Any) -> Any:
    return press(desk, case, "decide", **{"action": "record_charged", "reason": REASON, "amount": amount, **said})


def shown(answer: Any) -> str:
    return " ".join(unescape(answer.content.decode()).split())


def nothing_happened(case: Case) -> bool:
    is_asked = Approval.objects.exists() or AuditEntry.objects.exists()
    return not is_asked and Case.objects.get(pk=case.pk).status == CaseStatus.OPEN


class TestTheService:
    @pytest.mark.parametrize("minor", [840_000, 84_001, 83_999, 8_400, 1])
    def test_refuses_more_and_less_until_it_is_meant(self, doubt: Case, finance: User, minor: int) -> None:
        assert refused(lambda: ask(doubt, finance, Action.RECORD_CHARGED, amount_minor=minor)) == "other_amount"
        assert nothing_happened(doubt)

        approval = ask(doubt, finance, Action.RECORD_CHARGED, amount_minor=minor, means_amount=True)

        assert approval.data["captured_minor"] == minor

    def test_takes_the_amount_that_was_asked_for(self, doubt: Case, finance: User) -> None:
        assert ask(doubt, finance, Action.RECORD_CHARGED, amount_minor=84_000).data["captured_minor"] == 84_000

    @pytest.mark.parametrize("minor", [0, -1, 10**15])
    def test_calls_what_is_no_amount_no_amount(self, doubt: Case, finance: User, minor: int) -> None:
        assert refused(lambda: ask(doubt, finance, Action.RECORD_CHARGED, amount_minor=minor)) == "bad_amount"


class TestThePage:
    @pytest.mark.parametrize(("typed", "written"), [("8400", "₹8,400.00"), ("84.00", "₹84.00")])
    def test_asks_before_it_takes_more_or_less(self, desk: Client, doubt: Case, typed: str, written: str) -> None:
        answer = record(desk, doubt, typed)

        text = shown(answer)
        assert answer.status_code == 409
        assert f"You write {written}; ₹840.00 was to be charged. {IF_MEANT}" in text
        assert f"The provider's page really says {written}, not ₹840.00" in text
        assert f'value="{typed}"' in text
        assert f'value="{REASON}"' in text
        assert " checked" not in TICK.findall(text)[0]
        assert nothing_happened(doubt)

    def test_takes_what_is_ticked(self, desk: Client, doubt: Case) -> None:
        tick = _tick(record(desk, doubt, "8400"))

        assert record(desk, doubt, "8,400.00", meant=tick).status_code == 302

        assert Approval.objects.get().data["captured_minor"] == 840_000

    def test_asks_nothing_about_what_was_to_be_charged(self, desk: Client, doubt: Case) -> None:
        assert TICK.findall(shown(desk.get(page_of(doubt)))) == []

        assert record(desk, doubt, "₹840.00").status_code == 302

        assert Approval.objects.get().data["captured_minor"] == 84_000

    def test_asks_anew_about_yet_another_amount(self, desk: Client, doubt: Case) -> None:
        tick = _tick(record(desk, doubt, "8400"))

        answer = record(desk, doubt, "84000", meant=tick)

        assert answer.status_code == 409
        assert "You write ₹84,000.00; ₹840.00 was to be charged." in shown(answer)
        assert " checked" not in TICK.findall(shown(answer))[0]
        assert nothing_happened(doubt)

    def test_keeps_the_tick_while_something_else_is_mended(self, desk: Client, doubt: Case) -> None:
        answer = record(desk, doubt, "8400", meant=_tick(record(desk, doubt, "8400")), reason="ok")

        assert "Say in a few words why" in shown(answer)
        assert " checked" in TICK.findall(shown(answer))[0]

    def test_has_no_box_for_an_amount_that_is_none(self, desk: Client, doubt: Case) -> None:
        for typed in ("", "eight", "0", "9999999999999"):
            assert TICK.findall(shown(record(desk, doubt, typed))) == []

    def test_tells_the_second_person_as_well(self, restaurant: Restaurant, desk: Client, doubt: Case) -> None:
        record(desk, doubt, "8400", meant=_tick(record(desk, doubt, "8400")))

        lead = desk_of(staff(restaurant, Role.FINANCE_LEAD))

        assert "₹840.00 was to be charged, and not ₹8,400.00." in shown(lead.get(page_of(doubt)))

    def test_tells_the_second_person_nothing_where_it_is_what_was_asked(
        self, restaurant: Restaurant, desk: Client, doubt: Case
    ) -> None:
        record(desk, doubt, "840")

        assert "was to be charged" not in shown(desk_of(staff(restaurant, Role.FINANCE_LEAD)).get(page_of(doubt)))


def _tick(answer: Any) -> str:
    """What its box sends."""
    (box,) = TICK.findall(answer.content.decode())
    return str(re.findall(r'value="([^"]*)"', box)[0])
