"""A refund that failed is made again once: never where its money went back since, whoever gave it."""

from __future__ import annotations

import re

import pytest

from accounts.models import Approval, ApprovalStatus, Restaurant, Role, User
from events.actors import Actor
from failures.approvals import Verdict, expire_approvals
from failures.decisions import Action, Decision, act_on_case
from failures.models import Case, CaseKind, CaseStatus
from kernel.money import Money
from orders.services import cancel_order
from payments.gateways.contract import ErrorCode, RefundFact, Theirs
from payments.models import Attempt, Limited, Payment, Refund, RefundLimit, RefundStatus
from payments.services.evidence import Evidence, Finding, Source
from payments.services.made_again import given_back_since
from payments.services.refund_requests import request_refund
from payments.services.refund_settlement import settle_refund
from payments.services.refunds import send_refund
from payments.services.settlement import settle_attempt
from tests.factories import order_of, paid, staff
from tests.failures.deciding import WHY, agree, ask, call_about, refused, reply
from tests.failures.test_desk import desk_of, page_of
from tests.scripted import ScriptedGateway
from tests.time_machine import ShiftedClock

pytestmark = pytest.mark.django_db
SUM = 10_000


@pytest.fixture
def maker(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


@pytest.fixture
def lead(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE_LEAD)


@pytest.fixture
def payment(restaurant: Restaurant, provider_a: ScriptedGateway) -> Payment:
    return paid(order_of(restaurant))


@pytest.fixture
def failed(payment: Payment, maker: User) -> Case:
    refund = asked(payment, maker)
    bounce(refund)
    return Case.objects.get(kind=CaseKind.REFUND_FAILED, subject_id=refund.pk)


@pytest.fixture
def both(payment: Payment, maker: User) -> list[Case]:
    """Of a cancelled order two refunds, and neither of them was taken by the bank."""
    asked(payment, maker)
    cancel_order(order_id=payment.order_id, actor=Actor.user(maker))
    for refund in Refund.objects.all():
        bounce(refund)
    return list(Case.objects.filter(kind=CaseKind.REFUND_FAILED).order_by("id"))


def asked(payment: Payment, person: User, minor: int = SUM) -> Refund:
    return request_refund(payment_id=payment.pk, amount_minor=minor, reason="cold food", actor=Actor.user(person))


def bounce(refund: Refund) -> None:
    evidence = Evidence(source=Source.LOOK_UP, finding=Finding.DECLINED, code=ErrorCode.CARD_DECLINED)
    settle_refund(refund_id=refund.pk, evidence=evidence)


def again(case: Case, person: User) -> Case:
    decision = Decision(action=Action.REFUND, reason=WHY)
    return act_on_case(case_id=case.pk, decision=decision, person=person, call=call_about(case))


def send_what_waits() -> None:
    for refund in Refund.objects.filter(status=RefundStatus.REQUESTED):
        send_refund(refund_id=refund.pk)


def given_back(payment: Payment) -> int:
    return Attempt.objects.get(payment=payment).refunded_minor


def words_on_page(case: Case, person: User) -> str:
    text = desk_of(person).get(page_of(case)).content.decode()
    (sentence,) = re.findall(r"<h3>Send the refund again</h3><p>Locked: ([^<]+)</p>", text)
    return str(sentence)


def test_it_is_made_again_with_the_same_sum(failed: Case, payment: Payment, maker: User) -> None:
    assert again(failed, maker).status == CaseStatus.RESOLVED
    send_what_waits()

    assert given_back(payment) == SUM
    assert Refund.objects.latest("id").again_of_id == failed.subject_id


def test_not_where_somebody_made_it_on_the_provider_s_pages(failed: Case, payment: Payment, maker: User) -> None:
    fact = RefundFact(reference="hand_1", money=Money(SUM, "INR"), succeeded=True, theirs=Theirs.REFUND)
    money = Money(84_000, "INR")
    evidence = Evidence(source=Source.LOOK_UP, finding=Finding.SUCCEEDED, money=money, refunds=(fact,))
    settle_attempt(attempt_id=payment.attempts.get().pk, evidence=evidence)

    assert refused(lambda: again(failed, maker)) == "given_back_since"
    assert "another refund of ₹100.00 was made on the provider&#x27;s own pages" in words_on_page(failed, maker)
    assert given_back(payment) == SUM


def test_not_where_a_colleague_gave_it_back_on_the_payment_s_page(
    failed: Case, payment: Payment, maker: User, lead: User
) -> None:
    other = asked(payment, lead)
    assert refused(lambda: again(failed, maker)) == "given_back_since"
    assert "is on its way" in words_on_page(failed, maker)
    send_refund(refund_id=other.pk)

    assert refused(lambda: again(failed, maker)) == "given_back_since"
    assert "was made. Sent again, it would go back twice" in words_on_page(failed, maker)


def test_not_once_more_where_the_case_was_opened_again(failed: Case, payment: Payment, maker: User, lead: User) -> None:
    again(failed, maker)
    send_what_waits()
    agree(ask(Case.objects.get(pk=failed.pk), maker, Action.REOPEN), lead)

    assert refused(lambda: again(failed, maker)) == "given_back_since"
    assert given_back(payment) == SUM


def test_not_where_it_went_back_after_all(failed: Case, payment: Payment, maker: User, lead: User) -> None:
    evidence = Evidence(source=Source.LOOK_UP, finding=Finding.SUCCEEDED, money=Money(SUM, "INR"))
    settle_refund(refund_id=failed.subject_id, evidence=evidence)
    assert Case.objects.get(pk=failed.pk).status == CaseStatus.RESOLVED
    agree(ask(Case.objects.get(pk=failed.pk), maker, Action.REOPEN), lead)

    assert refused(lambda: again(failed, maker)) == "given_back_since"


@pytest.mark.parametrize(
    ("minor", "later"), [pytest.param(SUM - 1, True, id="another sum"), pytest.param(SUM, False, id="before it")]
)
def test_another_refund_is_not_taken_for_it(
    payment: Payment, maker: User, time: ShiftedClock, minor: int, later: bool
) -> None:
    first, *_ = [asked(payment, maker, SUM if later else minor)]
    time.advance(seconds=1)
    second = asked(payment, maker, minor if later else SUM)
    failed, other = (first, second) if later else (second, first)
    bounce(failed)
    send_refund(refund_id=other.pk)

    assert given_back_since(Refund.objects.get(pk=failed.pk), Refund.objects.all()) is None


class TestAboveTheLimit:
    @pytest.fixture
    def waiting(self, failed: Case, maker: User) -> Case:
        """Made again by somebody who may not give back as much alone."""
        limit = {"restaurant": failed.restaurant, "who": Limited.FINANCE, "currency": "INR"}
        RefundLimit.objects.create(**limit, most_minor=SUM - 1)
        return again(failed, maker)

    def test_the_case_stays_until_somebody_agrees(self, waiting: Case, payment: Payment, lead: User) -> None:
        assert waiting.status == CaseStatus.OPEN

        agree(Approval.objects.get(), lead)
        assert Case.objects.get(pk=waiting.pk).status == CaseStatus.RESOLVED
        send_what_waits()

        assert given_back(payment) == SUM

    def test_who_says_no_leaves_the_case_where_it_is(self, waiting: Case, lead: User) -> None:
        reply(Approval.objects.get(), lead, Verdict.REJECT)

        assert Case.objects.get(pk=waiting.pk).is_waiting
        assert not Case.objects.get(kind=CaseKind.REFUND_APPROVAL).is_waiting

    def test_where_nobody_answers_whoever_asked_has_both_cases(
        self, waiting: Case, maker: User, time: ShiftedClock
    ) -> None:
        time.advance(hours=25)
        assert expire_approvals() == 1

        unanswered = Case.objects.get(kind=CaseKind.REFUND_APPROVAL)
        assert (unanswered.status, unanswered.owner) == (CaseStatus.ASSIGNED, maker)
        assert Case.objects.get(pk=waiting.pk).is_waiting
        assert Approval.objects.get().status == ApprovalStatus.EXPIRED
        assert Refund.objects.latest("id").status == RefundStatus.FAILED


def test_of_two_of_one_payment_each_is_made_again_and_ends_its_own_case(both: list[Case], maker: User) -> None:
    """While the other one is still owed."""
    for case in both:
        again(case, maker)

    assert [Case.objects.get(pk=case.pk).status for case in both] == [CaseStatus.RESOLVED] * 2
    assert Attempt.objects.get().refunding_minor == 84_000


def test_while_one_of_them_is_asked_about_the_page_locks_the_other_as_the_service_does(
    both: list[Case], maker: User
) -> None:
    refund = Refund.objects.get(pk=both[0].subject_id)
    refund.ask_again()
    refund.save()

    page = desk_of(maker).get(page_of(both[1])).content.decode()

    assert "The provider may have made an earlier refund after all." in page
    assert refused(lambda: again(both[1], maker)) == "being_asked"
