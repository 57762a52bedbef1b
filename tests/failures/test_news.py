"""What came before is told once: who ended a case and how, and what is new since a page was opened."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import Restaurant, Role, User
from events.actors import PROVIDER
from failures.models import Case, CaseKind
from failures.services.news import how_it_ended, news_since
from failures.services.papers import add_note
from failures.services.working import assign_case
from payments.models import Payment
from payments.services.evidence import Finding
from payments.services.facts import PaymentEvent
from tests.factories import order_of, staff
from tests.failures.test_desk import desk_of, page_of, press
from tests.failures.test_services import REASON, happened
from tests.failures.world import attempted

pytestmark = pytest.mark.django_db


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


@pytest.fixture
def mismatch(restaurant: Restaurant, minor: int) -> Case:
    attempted(order_of(restaurant), Finding.SUCCEEDED, minor=minor)
    return Case.objects.get(kind=CaseKind.AMOUNT_MISMATCH)


@pytest.fixture
def minor() -> int:
    return 90_000


def decide(client: Client, case: Case, action: str, reason: str) -> str:
    answer = press(client, case, "decide", action=action, reason=reason)
    return str((client.get(page_of(case)) if answer.status_code == 302 else answer).content.decode())


@pytest.mark.parametrize(
    ("action", "minor", "did"),
    [
        ("keep", 80_000, "kept what came in"),
        ("refund_all", 90_000, "gave all of it back"),
        ("refund_difference", 90_000, "gave back what was too much"),
    ],
)
def test_what_a_decision_ended_names_who_did_what_and_why(mismatch: Case, finance: User, action: str, did: str) -> None:
    page = decide(desk_of(finance), mismatch, action, "They agreed at the table.")

    assert f"This case has ended. {finance.username} {did}, " in page
    assert "by itself" not in page
    ended = Case.objects.get(pk=mismatch.pk)
    assert ended.resolution == f"{did.capitalize()}: They agreed at the table."
    assert how_it_ended(ended).endswith(": They agreed at the table.")


def test_of_two_opposite_decisions_the_later_one_reads_the_first_once(
    restaurant: Restaurant, mismatch: Case, finance: User
) -> None:
    other = staff(restaurant, Role.FINANCE)
    decide(desk_of(finance), mismatch, "refund_all", "The guest wants it back.")

    page = decide(desk_of(other), mismatch, "keep", "The guest is happy.")

    assert "Nothing was done: this case had ended before you pressed." in page
    assert page.count(f"{finance.username} gave all of it back, ") == 1
    assert "payment.mismatch_resolved" not in page
    assert "The guest is happy." in page  # What was typed is not lost.


def test_what_the_provider_ended_says_what_happened_and_no_name_of_an_event(payment: Payment) -> None:
    happened(PaymentEvent.DOUBT_PROLONGED, payment)
    happened(PaymentEvent.DOUBT_ENDED, payment, actor=PROVIDER)

    told = how_it_ended(Case.objects.get())

    assert told.startswith("Ended by itself: it is known now what became of the money. That was at ")


def test_a_late_page_is_told_what_happened_since_in_order_and_with_names(
    payment: Payment, finance: User, restaurant: Restaurant
) -> None:
    happened(PaymentEvent.CONTRADICTED, payment)
    case, colleague = Case.objects.get(), staff(restaurant, Role.FINANCE)
    assign_case(case_id=case.pk, person=finance)
    add_note(case_id=case.pk, person=colleague, text="The guest called.")

    told = news_since(Case.objects.get(), case.version)

    assert [each.rpartition(",")[0].rpartition(",")[0] for each in told.split("; ")] == [
        f"{finance.username} took it",
        f"{colleague.username} wrote a note",
    ]
    page = press(desk_of(finance), case, "snooze", reason=REASON, minutes="60", version=case.version).content.decode()
    assert page.count("Something happened to this case since you opened it") == 1
    assert page.count(f"{colleague.username} wrote a note, ") == 1
