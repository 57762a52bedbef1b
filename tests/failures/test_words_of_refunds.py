"""A case about money that goes back says how much it is, what became of it since, and what is no way any more."""

from __future__ import annotations

import re

import pytest

from accounts.models import Restaurant, Role, User
from events.actors import GUEST, Actor
from failures.decisions import Action
from failures.models import Case, CaseKind
from kernel.money import Money
from payments.gateways.contract import RefundFact
from payments.models import Attempt, Limited, Payment, Refund, RefundLimit
from payments.services.evidence import Evidence, Finding, Source
from payments.services.facts import PaymentEvent
from payments.services.made_again import make_refund_again
from payments.services.refund_requests import request_refund
from payments.services.refund_settlement import settle_refund
from payments.services.settlement import settle_attempt
from tests.factories import order_of, staff
from tests.failures.deciding import WHY, ask
from tests.failures.test_desk import desk_of, page_of, press
from tests.failures.test_services import happened
from tests.failures.world import attempted, told

pytestmark = pytest.mark.django_db
SUM = 5_000


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


@pytest.fixture
def payment(restaurant: Restaurant) -> Payment:
    return attempted(order_of(restaurant), Finding.SUCCEEDED, minor=84_000).payment


@pytest.fixture
def failed(payment: Payment) -> Case:
    request_refund(payment_id=payment.pk, amount_minor=SUM, reason="cold food", actor=GUEST)
    return refuse()


def refuse() -> Case:
    """The last one that was asked for."""
    refund = Refund.objects.latest("id")
    settle_refund(refund_id=refund.pk, evidence=Evidence(source=Source.LOOK_UP, finding=Finding.DECLINED))
    return Case.objects.get(subject_id=refund.pk)


def words(case: Case, person: User) -> str:
    return " ".join(desk_of(person).get(page_of(case)).content.decode().split())


def test_of_a_failed_refund_the_first_line_says_its_sum(failed: Case, finance: User) -> None:
    text = words(failed, finance)

    assert "A refund of ₹50.00 did not arrive. The guest has not got the money." in text
    assert "Send the refund again. If that fails too, give it back in another way" in text


def test_one_that_failed_again_is_not_advised_to_be_sent_once_more(failed: Case, finance: User) -> None:
    make_refund_again(failed_id=failed.subject_id, reason=WHY, actor=Actor.user(finance))

    text = words(refuse(), finance)

    assert "It was sent again, and failed again." in text
    assert "Give it back in another way, and record that here." in text


def test_a_case_that_ended_says_what_of_its_payment_is_open_again(failed: Case, finance: User) -> None:
    press(desk_of(finance), failed, "decide", action="refund", reason=WHY)
    assert "Still open for this payment" not in words(failed, finance)

    again = refuse()

    text = words(failed, finance)
    assert "This case has ended." in text
    assert f'Still open for this payment: <a class="link" href="{page_of(again)}">A refund failed</a>' in text
    assert "Still open for this payment" not in words(again, finance)


def test_a_second_person_is_told_what_a_new_refund_has_and_not_what_it_has_not(failed: Case, finance: User) -> None:
    ask(failed, finance, Action.RECORD_GIVEN_BACK)

    changes = words(failed, finance).partition('class="desk-changes"')[2].partition("</table>")[0]

    assert "New refund amount" in changes
    assert "<td>–</td><td>₹50.00</td>" in changes
    assert not {"none", "no", "–"} & set(re.findall(r"<td>([^<]*)</td></tr>", changes))


def test_one_that_waits_to_be_sent_again_says_where(failed: Case, finance: User, restaurant: Restaurant) -> None:
    RefundLimit.objects.create(restaurant=restaurant, who=Limited.FINANCE, currency="INR", most_minor=100)
    make_refund_again(failed_id=failed.subject_id, reason=WHY, actor=Actor.user(finance))

    text = words(Case.objects.get(pk=failed.pk), finance)

    assert "That it is sent again waits for a second person, in a case of its own." in text


def test_what_can_only_go_back_is_advised_to(restaurant: Restaurant, finance: User) -> None:
    sent = attempted(order_of(restaurant), Finding.UNKNOWN)
    dollars = Evidence(source=Source.LOOK_UP, finding=Finding.SUCCEEDED, money=Money(84_000, "USD"))
    settle_attempt(attempt_id=sent.pk, evidence=dollars)

    text = words(Case.objects.get(kind=CaseKind.AMOUNT_MISMATCH), finance)

    assert "Another amount came in than was asked for, and none of it can be kept." in text
    assert "Give all of it back." in text


@pytest.mark.parametrize(
    ("came_in", "advice"),
    [
        (84_100, "Give back what was too much, or all of it."),
        (80_000, "Decide whether to keep it, or to give all of it back."),
    ],
)
def test_nobody_is_advised_to_do_what_is_locked(
    restaurant: Restaurant, finance: User, came_in: int, advice: str
) -> None:
    sent = attempted(order_of(restaurant), Finding.UNKNOWN)
    other = Evidence(source=Source.LOOK_UP, finding=Finding.SUCCEEDED, money=Money(came_in, "INR"))
    settle_attempt(attempt_id=sent.pk, evidence=other)

    assert f"<strong>Do this:</strong> {advice}" in words(Case.objects.get(kind=CaseKind.AMOUNT_MISMATCH), finance)


def test_of_a_failed_refund_nobody_is_told_that_its_payment_has_ended(failed: Case, finance: User) -> None:
    text = words(failed, finance)

    assert "The provider is not asked now: this refund has ended." in text


def test_what_the_books_say_that_differ_is_the_first_thing_said(payment: Payment, finance: User) -> None:
    more = RefundFact(reference="re_9", money=Money(90_000, "INR"), succeeded=True)
    told(Attempt.objects.get(), Finding.SUCCEEDED, minor=84_000, refunds=(more,))

    text = words(Case.objects.get(kind=CaseKind.CONTRADICTION), finance)

    assert "differ. The provider shows a refund re_9 of ₹900.00, which is more than is left of this capture." in text


def test_nobody_agrees_to_what_something_went_back_of_since(
    failed: Case, finance: User, restaurant: Restaurant
) -> None:
    ask(failed, finance, Action.RECORD_GIVEN_BACK)
    lead = staff(restaurant, Role.FINANCE_LEAD)
    assert ">Approve</button>" in words(failed, lead)

    by_hand = RefundFact(reference="re_1", money=Money(2_000, "INR"), succeeded=True)
    told(Attempt.objects.get(), Finding.SUCCEEDED, minor=84_000, refunds=(by_hand,))

    text = words(failed, lead)
    assert ">Approve</button>" not in text
    assert "Since it was asked for: Charge no. 1 given back none → ₹20.00; New refund – → completed; New refund" in text
    assert "Nobody can approve it any more: reject it, or take it back, and ask again." in text


def test_another_case_of_that_payment_is_closed_as_its_service_closes_it(restaurant: Restaurant, finance: User) -> None:
    """Its own question is not the amount."""
    sent = attempted(order_of(restaurant), Finding.UNKNOWN)
    dollars = Evidence(source=Source.LOOK_UP, finding=Finding.SUCCEEDED, money=Money(84_000, "USD"))
    settle_attempt(attempt_id=sent.pk, evidence=dollars)
    reason = f"Refund {sent.pk} is failed here; the provider says otherwise: made."
    happened(PaymentEvent.CONTRADICTED, Payment.objects.get(), reason=reason)

    text = words(Case.objects.get(kind=CaseKind.CONTRADICTION), finance)

    assert "differ. A refund is failed here; the provider says otherwise: made." in text
    assert "The amount is not decided" not in text
    assert "none of it can be kept" not in text
