"""The timeline tells each thing once, says who said it, and calls nothing done that was only asked for."""

from __future__ import annotations

import pytest

from accounts.models import Restaurant, Role, User
from events.models import AuditEntry, Transition
from failures.approvals import expire_approvals
from failures.decisions import Action, Decision, act_on_case
from failures.models import Case, CaseKind
from failures.services.working import resolve_case
from failures.showing.approvals import approvals_in
from failures.showing.timeline import Moment, timeline_of
from payments.models import Payment
from payments.services.facts import PaymentEvent
from tests.factories import staff
from tests.failures.bulking import doubtful
from tests.failures.deciding import WHY, agree, ask, call_about
from tests.failures.test_services import happened
from tests.time_machine import ShiftedClock

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


@pytest.fixture
def lead(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE_LEAD)


@pytest.fixture
def ended(payment: Payment, finance: User) -> Case:
    happened(PaymentEvent.CONTRADICTED, payment)
    case = Case.objects.get(kind=CaseKind.CONTRADICTION)
    return resolve_case(case_id=case.pk, person=finance, reason="The books agree.")


def now(case: Case) -> Case:
    return Case.objects.get(pk=case.pk)


def told(case: Case) -> list[Moment]:
    case = now(case)
    assert case.payment
    attempts = case.payment.attempts.select_related("account")
    return timeline_of(case, attempts=attempts, approvals=approvals_in(case))


def said(case: Case) -> list[str]:
    return [moment.what for moment in told(case)]


def test_what_is_only_asked_for_is_not_called_done_also_after_it_expired(
    ended: Case, finance: User, lead: User, time: ShiftedClock
) -> None:
    ask(now(ended), finance, Action.REOPEN)

    assert said(ended)[-1] == "Asked a second person to agree: Open it again."
    time.advance(hours=25)
    assert expire_approvals() == 1

    last = told(ended)[-1]
    assert (last.what, last.detail) == ("Nobody agreed in time.", "")
    assert "The case was opened again." not in said(ended)
    assert sum(WHY in moment.detail for moment in told(ended)) == 1


def test_what_a_second_person_agreed_to_is_done_and_its_reason_stands_once(
    restaurant: Restaurant, finance: User, lead: User
) -> None:
    case = doubtful(restaurant)
    agree(ask(case, finance, Action.RECORD_NOT_CHARGED), lead)

    moments = told(case)

    assert sum(WHY in moment.detail for moment in moments) == 1
    words = [moment.what for moment in moments]
    assert "Asked a second person to agree: Record: it was not charged." in words
    assert "Agreed." in words
    assert "It was done." not in words
    recorded = next(moment for moment in moments if moment.what == "Recorded that nothing was charged at a.")
    assert recorded.who == lead.username


def test_a_case_that_a_word_ended_says_so_once(ended: Case, payment: Payment, finance: User) -> None:
    happened(PaymentEvent.CONTRADICTED, payment, reason="Again.")
    decision = Decision(action=Action.DISMISS, reason="Seen it.")
    act_on_case(case_id=ended.pk, decision=decision, person=finance, call=call_about(ended))

    assert said(ended).count("The case was dismissed.") == 1
    assert Transition.objects.filter(subject_id=ended.pk, step="dismiss").count() == 2  # The press, and the step.


def test_the_audit_says_of_a_request_that_it_is_one(ended: Case, finance: User) -> None:
    ask(now(ended), finance, Action.REOPEN)

    assert AuditEntry.objects.latest("id").action == "ask_to_reopen"
