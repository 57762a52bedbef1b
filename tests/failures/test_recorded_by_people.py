"""What people recorded stands in a case as their word: its money, its timeline, and what it says of the provider."""

from __future__ import annotations

from html import unescape

import pytest
from django.test import Client

from accounts.models import Role, User
from events.models import Transition
from failures.decisions import Action, Decision, act_on_case
from failures.models import Case, CaseKind
from failures.showing.certainty import certainty_of, in_words
from payments.meanings import meaning_of_refund
from payments.models import Attempt, NextAction, Payment, Refund
from payments.services.evidence import Finding
from payments.services.facts import PaymentEvent
from payments.whose_word import Whose, recorded_by_people
from tests.factories import order_of, staff
from tests.failures import worlds_of_cases as worlds
from tests.failures.deciding import WHY, agree, ask, call_about
from tests.failures.test_desk import desk_of, page_of
from tests.failures.test_services import happened
from tests.failures.world import World, attempted
from tests.failures.worlds_of_cases import Crew
from tests.two_people import record_charged, record_refund_made, record_refund_not_made


@pytest.fixture
def desk(house: World) -> Client:
    return desk_of(staff(house.restaurant, Role.AUDITOR))


def shown(desk: Client, case: Case) -> str:
    return " ".join(unescape(desk.get(page_of(case)).content.decode()).split())


def odd_of(attempt: Attempt) -> Case:
    return Case.objects.get(kind=CaseKind.AMOUNT_MISMATCH, payment=attempt.payment_id)


class TestAnotherAmount:
    def test_that_people_recorded_has_their_request_on_its_own_page(
        self, house: World, doubt: Case, maker: User, lead: User, desk: Client
    ) -> None:
        agree(ask(doubt, maker, Action.RECORD_CHARGED, amount_minor=80_000, means_amount=True), lead)

        page = shown(desk, odd_of(house.doubtful))

        assert "Asked a second person to agree: Record: it was charged." in page
        assert "At a another amount came in" not in page

    def test_that_is_decided_about_is_not_told_as_seen(self, house: World, maker: User, desk: Client) -> None:
        case = odd_of(house.mismatched)
        act_on_case(
            case_id=case.pk,
            decision=Decision(action=Action.REFUND_DIFFERENCE, reason=WHY),
            person=maker,
            call=call_about(case),
        )

        page = shown(desk, case)

        assert "Decided what becomes of the amount that came in at a." in page
        assert "Recorded that the money came in" not in page

    def test_on_an_open_charge_is_not_told_as_the_providers(self, house: World, maker: User, desk: Client) -> None:
        waiting = attempted(order_of(house.restaurant), Finding.PENDING)
        record_charged(payment_id=waiting.payment_id, captured_minor=80_000, person=maker)

        page = shown(desk, odd_of(waiting))

        assert "Recorded that another amount came in at a than was asked for." in page
        assert "At a another amount came in" not in page


def test_money_that_went_back_as_recorded_stands_for_itself(house: World, maker: User) -> None:
    record_refund_made(refund_id=house.refund.pk, person=maker)
    attempts, refunds = [Attempt.objects.get(pk=house.kept.pk)], [Refund.objects.get(pk=house.refund.pk)]

    certainty = certainty_of(attempts, refunds=refunds, by_people=recorded_by_people([*attempts, *refunds]))

    assert in_words(certainty) == ["came in ₹840.00", "given back, as recorded by a person ₹40.00"]
    assert in_words(certainty_of(attempts)) == ["came in ₹840.00", "given back ₹40.00"]


def test_the_money_of_a_case_names_both(house: World, maker: User, desk: Client) -> None:
    record_refund_made(refund_id=house.refund.pk, person=maker)
    happened(PaymentEvent.CONTRADICTED, Payment.objects.get(pk=house.kept.payment_id))

    page = shown(desk, Case.objects.get(kind=CaseKind.CONTRADICTION))

    assert '<span>Given back</span><b class="amount">none</b>' in page
    assert '<span>Given back, recorded by a person</span><b class="amount">₹40.00</b>' in page


def test_what_people_say_against_a_refund_is_not_told_as_the_providers(house: World, maker: User) -> None:
    """It was recorded as not made, and is asked about; then somebody finds it on their pages."""
    refund = house.refund
    record_refund_not_made(refund_id=refund.pk, person=maker)
    Refund.objects.filter(pk=refund.pk).update(next_action=NextAction.LOOK_UP)

    record_refund_made(refund_id=refund.pk, person=maker)

    told = Transition.objects.get(subject_id=refund.pk, step="contradicted").reason
    assert "a person recorded otherwise" in told
    assert "the provider says" not in told


@pytest.mark.django_db
def test_cash_is_given_back_by_somebody_and_by_no_provider(crew: Crew) -> None:
    refund = Refund.objects.get(pk=worlds.cash_to_hand_back(crew).subject_id)

    assert meaning_of_refund(refund, Whose.WAITER).startswith("It was asked for. A case waits")


def test_what_does_not_change_is_no_change(doubt: Case, maker: User, lead: User) -> None:
    ask(doubt, maker, Action.RECORD_CHARGED, amount_minor=84_000)

    page = shown(desk_of(lead), doubt)

    assert '<th scope="row">Charge no. 1 came in</th><td>none</td><td>₹840.00</td>' in page
    assert "Charge no. 1 given back" not in page
