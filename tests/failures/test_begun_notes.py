"""A note that was begun is not lost by another button of its page. In a browser: `tests/browser/test_two_people.py`."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.sessions.models import Session
from django.test import Client
from pytest_django import Settings

from accounts.models import Restaurant, Role, User
from failures.models import Case, CaseNote
from failures.services.papers import LONGEST_NOTE
from payments.models import Payment
from payments.services.facts import PaymentEvent
from tests.factories import accepted, order_of, staff
from tests.failures.test_desk import desk_of, page_of, press
from tests.failures.test_services import REASON, happened

pytestmark = pytest.mark.django_db
NOTE = "The guest says:\n<b>twice</b> & not once."
TAKE = {"press": "018f0000-0000-7000-8000-000000000001"}


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


@pytest.fixture
def desk(finance: User) -> Client:
    return desk_of(finance)


@pytest.fixture
def case(payment: Payment) -> Case:
    happened(PaymentEvent.CONTRADICTED, payment)
    return Case.objects.get()


def box(page: Any) -> str:
    (text,) = re.findall(r'<textarea name="text"[^>]*>\s?(.*?)</textarea>', page.content.decode(), re.S)
    return unescape(text).replace("\r\n", "\n")


def test_stands_in_its_box_after_a_press_that_was_done(desk: Client, case: Case) -> None:
    assert press(desk, case, "take", begun_note=NOTE).status_code == 302

    assert box(desk.get(page_of(case))) == NOTE
    assert box(desk.get(page_of(case))) == ""  # It was given back, and is what somebody makes of it.
    assert not CaseNote.objects.exists()


def test_and_after_one_that_was_refused(desk: Client, case: Case) -> None:
    answer = press(desk, case, "decide", action="resolve", reason=REASON, outcome="", begun_note=NOTE)

    assert (answer.status_code, box(answer)) == (400, NOTE)
    assert box(press(desk, case, "take", version=0, begun_note=NOTE)) == NOTE


def test_is_sent_from_there_by_its_own_button(desk: Client, case: Case) -> None:
    press(desk, case, "take", begun_note=NOTE)
    desk.get(page_of(case))

    press(desk, case, "note", text=NOTE)

    assert CaseNote.objects.get().text == NOTE
    assert box(desk.get(page_of(case))) == ""


def test_is_no_part_of_the_press(desk: Client, case: Case) -> None:
    """A second press is the first one, whatever was typed into another form meanwhile."""
    said = {**TAKE, "version": case.version, "action": "dismiss", "reason": REASON}
    press(desk, case, "decide", **said, begun_note="Half a")
    again = press(desk, case, "decide", **said, begun_note=NOTE)

    assert again.status_code == 302
    shown = desk.get(page_of(case))
    assert "It was done already, by your first press." in shown.content.decode()
    assert box(shown) == NOTE


def test_stands_in_no_other_case(desk: Client, restaurant: Restaurant, case: Case) -> None:
    happened(PaymentEvent.CONTRADICTED, accepted(order_of(restaurant)))
    other = Case.objects.exclude(pk=case.pk).get()
    press(desk, case, "take", begun_note=NOTE)

    assert box(desk.get(page_of(other))) == ""
    assert box(desk.get(page_of(case))) == NOTE


def test_is_shown_where_its_box_is_gone(desk: Client, finance: User, case: Case) -> None:
    finance.memberships.update(role=Role.AUDITOR)

    text = press(desk, case, "take", begun_note="The guest called.").content.decode()

    assert "You had written:</strong> The guest called.</p>" in text


def test_is_kept_as_notes_are_kept(desk: Client, case: Case) -> None:
    press(desk, case, "take", begun_note="The guest called.")

    assert "The guest called." not in str([each.get_decoded() for each in Session.objects.all()])


def test_that_no_key_reads_any_more_keeps_nobody_from_the_page(desk: Client, case: Case, settings: Settings) -> None:
    press(desk, case, "take", begun_note=NOTE)
    settings.STEWARD_FIELD_KEYS = [Fernet.generate_key().decode()]

    assert box(desk.get(page_of(case))) == ""


def test_with_a_card_number_is_not_kept_and_says_so(desk: Client, case: Case) -> None:
    press(desk, case, "take", begun_note="Card 4111 1111 1111 1111")

    page = desk.get(page_of(case))
    assert box(page) == ""
    assert "The note that you had begun is not kept: there is a card number in it." in page.content.decode()


def test_is_no_longer_than_a_note(desk: Client, case: Case) -> None:
    press(desk, case, "take", begun_note="x" * (LONGEST_NOTE + 1))

    assert len(box(desk.get(page_of(case)))) == LONGEST_NOTE


def test_without_one_nothing_is_kept(desk: Client, case: Case) -> None:
    press(desk, case, "take", begun_note=" \n")

    assert "begun_note" not in desk.session
    assert 'src="/static/failures/begun.js"' in desk.get(page_of(case)).content.decode()
