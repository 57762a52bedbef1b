"""The sheet of single keys lists what does something on its page, for whoever has it open; a browser tries the keys."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from accounts.models import Restaurant, Role, User
from failures.models import Case
from failures.services.working import resolve_case
from payments.models import Payment
from payments.services.facts import PaymentEvent
from tests.factories import staff
from tests.failures.test_desk import QUEUE, desk_of, page_of
from tests.failures.test_services import REASON, happened

pytestmark = pytest.mark.django_db
ANYWHERE = ["g t", "g q", "g a", "?"]


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


@pytest.fixture
def case(payment: Payment) -> Case:
    happened(PaymentEvent.CONTRADICTED, payment)
    return Case.objects.get()


def keys(client: Client, address: str) -> list[str]:
    return re.findall(r'data-key="([^"]+)"', client.get(address).content.decode())


def test_in_the_queue_rows_are_walked_and_ticked(case: Case, finance: User, restaurant: Restaurant) -> None:
    auditor = staff(restaurant, Role.AUDITOR)

    assert keys(desk_of(finance), QUEUE) == ["j", "k", "o", "/", "x", "t", *ANYWHERE]
    assert keys(desk_of(auditor), QUEUE) == ["j", "k", "o", "/", *ANYWHERE]
    assert keys(desk_of(finance), f"{QUEUE}?which=ended") == ["/", "t", *ANYWHERE]


def test_on_a_case_they_lead_to_what_can_be_done_and_to_the_note(
    case: Case, finance: User, restaurant: Restaurant
) -> None:
    desk = desk_of(finance)
    assert keys(desk, page_of(case)) == ["a", "n", "u", *ANYWHERE]
    assert keys(desk_of(staff(restaurant, Role.AUDITOR)), page_of(case)) == ["u", *ANYWHERE]

    resolve_case(case_id=case.pk, person=finance, reason=REASON)
    assert keys(desk, page_of(case)) == ["a", "n", "t", "u", *ANYWHERE]


def test_they_lead_to_no_page_that_is_not_open_to_somebody(case: Case, restaurant: Restaurant) -> None:
    assert keys(desk_of(staff(restaurant, Role.WAITER)), "/admin/") == ["?"]


def test_without_a_script_there_is_no_button_for_them(case: Case, finance: User) -> None:
    page = desk_of(finance).get(QUEUE).content.decode()

    (button,) = re.findall(r'<button[^>]*id="console-keys-open"[^>]*>', page)
    assert " hidden>" in button
    assert '<dialog id="console-keys"' in page  # And no dialog is open by itself.
