"""How much somebody may give back alone, and what becomes of a refund that is more than that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from django.db import IntegrityError, transaction

from accounts.models import Approval, Restaurant, Role, User
from events.actors import GUEST, SYSTEM, Actor, ActorKind
from failures.approvals import Reply, Verdict, decide_approval, expire_approvals
from failures.models import Case, CaseKind, CaseStatus
from failures.services.working import dismiss_case
from failures.showing.approvals import Asked, approvals_in, asked_about
from kernel import clock
from kernel.errors import ServiceError
from kernel.money import Money
from orders.models import Order
from orders.services import Amendment, LineDraft, amend_order, cancel_order
from payments.gateways.contract import RefundFact
from payments.models import Attempt, Limited, Payment, Refund, RefundLimit, RefundStatus
from payments.services.cash import CashTaken, confirm_cash, record_cash_refund
from payments.services.evidence import Evidence, Finding, Source
from payments.services.mismatches import MismatchChoice
from payments.services.operators import resolve_mismatch
from payments.services.refund_requests import request_refund
from payments.services.settlement import settle_attempt
from payments.services.sweeps import sweep_refunds
from tests.factories import order_of, paid, staff
from tests.payments.words import DUE
from tests.scripted import ScriptedGateway, succeeded
from tests.time_machine import ShiftedClock

WHY = "The food was cold."
LIMIT = 30_000


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    RefundLimit.objects.create(restaurant=restaurant, who=Limited.FINANCE, currency="INR", most_minor=LIMIT)
    return staff(restaurant, Role.FINANCE)


@pytest.fixture
def lead(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE_LEAD)


@pytest.fixture
def payment(restaurant: Restaurant, provider_a: ScriptedGateway, finance: User) -> Payment:
    return paid(order_of(restaurant))


def refund(payment: Payment, actor: Actor, minor: int | None = None) -> Refund:
    return request_refund(payment_id=payment.pk, amount_minor=minor, reason=WHY, actor=actor)


def refused(do: Callable[[], object]) -> str:
    with pytest.raises(ServiceError) as no:
        do()
    return no.value.code


def answered(person: User, verdict: Verdict) -> None:
    reply = Reply(verdict=verdict, reason="Seen as well.")
    decide_approval(approval_id=Approval.objects.get().pk, reply=reply, person=person)


def status_of(row: Refund) -> str:
    return str(Refund.objects.get(pk=row.pk).status)


@pytest.mark.parametrize(("minor", "waits"), [(LIMIT, False), (LIMIT + 1, True), (None, True)])
def test_above_the_limit_a_refund_waits_and_its_money_is_reserved(
    payment: Payment, finance: User, minor: int | None, waits: bool
) -> None:
    made = refund(payment, Actor.user(finance), minor)

    assert (made.status == RefundStatus.WAITING_APPROVAL) is waits
    assert (made.next_action_at is None) is waits
    assert Attempt.objects.get(payment=payment).refunding_minor == made.total_minor
    assert Case.objects.filter(kind=CaseKind.REFUND_APPROVAL, subject_id=made.pk).exists() is waits
    assert Approval.objects.filter(subject_id=made.pk, maker=finance).exists() is waits


def test_in_two_halves_it_is_as_much(payment: Payment, finance: User) -> None:
    refund(payment, Actor.user(finance), 20_000)

    assert refund(payment, Actor.user(finance), 10_001).status == RefundStatus.WAITING_APPROVAL


def test_of_another_payment_it_is_counted_anew(payment: Payment, finance: User, restaurant: Restaurant) -> None:
    refund(payment, Actor.user(finance), LIMIT)

    assert refund(paid(order_of(restaurant)), Actor.user(finance), LIMIT).status == RefundStatus.REQUESTED


def test_a_role_and_a_currency_without_a_limit_have_none(payment: Payment, restaurant: Restaurant, lead: User) -> None:
    RefundLimit.objects.create(restaurant=restaurant, who=Limited.FINANCE_LEAD, currency="USD", most_minor=0)

    assert refund(payment, Actor.user(lead)).status == RefundStatus.REQUESTED


@pytest.mark.parametrize("actor", [SYSTEM, GUEST])
def test_whoever_decides_about_no_amount_has_none(payment: Payment, actor: Actor) -> None:
    assert refund(payment, actor).status == RefundStatus.REQUESTED


def test_a_program_has_one_too_and_one_person_agrees(payment: Payment, restaurant: Restaurant, lead: User) -> None:
    RefundLimit.objects.create(restaurant=restaurant, who=Limited.PROGRAM, currency="INR", most_minor=0)
    made = refund(payment, Actor(kind=ActorKind.API_KEY, id="till"), 100)
    assert (made.status, Approval.objects.get().maker) == (RefundStatus.WAITING_APPROVAL, None)

    answered(lead, Verdict.APPROVE)

    assert status_of(made) == RefundStatus.REQUESTED


class TestAnApprovedOne:
    def test_is_sent_and_its_case_ends(self, payment: Payment, finance: User, lead: User) -> None:
        made = refund(payment, Actor.user(finance))
        assert sweep_refunds() == 0
        case = Case.objects.get()
        assert (case.status, case.owner) == (CaseStatus.WAITING_SECOND_PERSON, finance)
        assert refused(lambda: answered(finance, Verdict.APPROVE)) == "maker_is_checker"

        answered(lead, Verdict.APPROVE)
        sweep_refunds()

        assert status_of(made) == RefundStatus.COMPLETED
        assert Case.objects.get().status == CaseStatus.RESOLVED
        assert Attempt.objects.get(payment=payment).refunded_minor == made.total_minor

    def test_of_cash_is_handed_over_then(self, restaurant: Restaurant, finance: User, lead: User) -> None:
        payment = paid(order_of(restaurant), method="cash")
        waiter = staff(restaurant, Role.WAITER)
        confirm_cash(payment_id=payment.pk, waiter=waiter, taken=CashTaken(amount_minor=DUE.minor))

        refund(payment, Actor.user(finance))
        assert [case.kind for case in Case.objects.all()] == [CaseKind.REFUND_APPROVAL]
        answered(lead, Verdict.APPROVE)

        assert Case.objects.get(kind=CaseKind.CASH_REFUND).is_waiting


class TestOneThatNobodyAgreedTo:
    @pytest.mark.parametrize("verdict", [Verdict.REJECT, Verdict.WITHDRAW])
    def test_frees_its_money_and_was_never_sent(
        self, payment: Payment, finance: User, lead: User, verdict: Verdict, provider_a: ScriptedGateway
    ) -> None:
        made = refund(payment, Actor.user(finance))

        answered(lead if verdict == Verdict.REJECT else finance, verdict)
        sweep_refunds()

        now = Refund.objects.get(pk=made.pk)
        assert (now.status, now.error_code, now.sends) == (RefundStatus.FAILED, "not_approved", 0)
        assert Attempt.objects.get(payment=payment).refunding_minor == 0
        assert {case.status for case in Case.objects.all()} == {CaseStatus.RESOLVED}
        assert refund(payment, Actor.user(finance), LIMIT).status == RefundStatus.REQUESTED

    def test_after_a_day_frees_its_amount_and_goes_back_to_whoever_asked(
        self, payment: Payment, finance: User, time: ShiftedClock
    ) -> None:
        made = refund(payment, Actor.user(finance))
        time.advance(hours=24)

        assert expire_approvals() == 1

        assert status_of(made) == RefundStatus.FAILED
        assert Attempt.objects.get(payment=payment).refunding_minor == 0
        # But whoever asked has to know that nobody answered.
        case = Case.objects.get()
        assert (case.status, case.owner) == (CaseStatus.ASSIGNED, finance)
        assert dismiss_case(case_id=case.pk, person=finance, reason=WHY).status == CaseStatus.DISMISSED

    def test_of_a_program_is_anybody_s_after_a_day(
        self, payment: Payment, restaurant: Restaurant, time: ShiftedClock
    ) -> None:
        RefundLimit.objects.create(restaurant=restaurant, who=Limited.PROGRAM, currency="INR", most_minor=0)
        made = refund(payment, Actor(kind=ActorKind.API_KEY, id="till"), 100)
        time.advance(hours=24)

        assert expire_approvals() == 1

        case = Case.objects.get()
        assert (case.status, case.owner, status_of(made)) == (CaseStatus.OPEN, None, RefundStatus.FAILED)


class TestWhatIsOwed:
    def test_goes_back_when_the_order_is_cancelled_while_it_waits(self, payment: Payment, finance: User) -> None:
        made = refund(payment, Actor.user(finance), 40_000)

        cancel_order(order_id=payment.order_id, actor=GUEST)

        assert status_of(made) == RefundStatus.REQUESTED
        assert Attempt.objects.get(payment=payment).refundable_minor == 0
        assert not Case.objects.get(kind=CaseKind.REFUND_APPROVAL).is_waiting

    def test_does_not_become_owed_by_who_has_to_wait_for_it(self, payment: Payment, finance: User, lead: User) -> None:
        """Who asked for too much neither cancels the order nor makes the bill smaller until nobody is asked."""
        made, who = refund(payment, Actor.user(finance), 40_000), Actor.user(finance)
        line = LineDraft(name="Chai", quantity=1, unit_minor=44_000)
        less = Amendment(lines=(line,), version=Order.objects.get(pk=payment.order_id).version, refund_surplus=True)

        assert refused(partial(cancel_order, order_id=payment.order_id, actor=who)) == "above_limit"
        amend = partial(amend_order, order_id=payment.order_id, amendment=less)
        assert refused(partial(amend, actor=who)) == "above_limit"
        assert status_of(made) == RefundStatus.WAITING_APPROVAL

        amend(actor=Actor.user(lead))
        answered(lead, Verdict.REJECT)
        assert status_of(made) == RefundStatus.REQUESTED  # Of the smaller bill it is the guest's, whoever says no.

    @pytest.mark.parametrize("deed", ["cancel", "amend"])
    def test_is_counted_once_against_the_limit_of_who_may_give_back_as_much(
        self, payment: Payment, finance: User, lead: User, deed: str
    ) -> None:
        made, who = refund(payment, Actor.user(finance)), Actor.user(lead)
        RefundLimit.objects.create(
            restaurant=payment.restaurant, who=Limited.FINANCE_LEAD, currency="INR", most_minor=made.total_minor
        )
        if deed == "cancel":
            cancel_order(order_id=payment.order_id, actor=who)
            assert status_of(made) == RefundStatus.REQUESTED
        else:
            amend_order(order_id=payment.order_id, amendment=less_by(payment, 100), actor=who)
            assert Attempt.objects.get(payment=payment).reopened_minor == 100

    def test_above_the_limit_of_another_one_is_not_released_by_them_either(
        self, payment: Payment, finance: User, lead: User
    ) -> None:
        made, who = refund(payment, Actor.user(finance)), Actor.user(lead)
        RefundLimit.objects.create(
            restaurant=payment.restaurant, who=Limited.FINANCE_LEAD, currency="INR", most_minor=made.total_minor - 1
        )

        assert refused(partial(cancel_order, order_id=payment.order_id, actor=who)) == "above_limit"
        amend = partial(amend_order, order_id=payment.order_id, amendment=less_by(payment, 100))
        assert refused(partial(amend, actor=who)) == "above_limit"
        assert status_of(made) == RefundStatus.WAITING_APPROVAL

    def test_is_no_more_than_what_the_bill_became_smaller_by(self, payment: Payment, finance: User, lead: User) -> None:
        """Everything was asked for, a glass of water came off the bill, and the lead says no."""
        made = refund(payment, Actor.user(finance))
        amend_order(order_id=payment.order_id, amendment=less_by(payment, 100), actor=Actor.user(lead))

        answered(lead, Verdict.REJECT)

        assert status_of(made) == RefundStatus.FAILED
        sent = Refund.objects.exclude(pk=made.pk).get()
        assert (sent.amount_minor, sent.tip_minor, sent.status) == (100, 0, RefundStatus.REQUESTED)
        assert Attempt.objects.get(payment=payment).refunding_minor == 100

    def test_of_a_smaller_bill_is_not_sent_without_the_word_of_who_amends(
        self, payment: Payment, finance: User, lead: User
    ) -> None:
        """It waits already, so that nothing new would be reserved; and it would go back all the same."""
        made = refund(payment, Actor.user(finance))
        less = replace(less_by(payment, 100), refund_surplus=False)

        assert refused(partial(amend_order, order_id=payment.order_id, amendment=less, actor=GUEST)) == "below_paid"
        assert status_of(made) == RefundStatus.WAITING_APPROVAL

    def test_is_not_released_by_cancelling_without_the_right_to_refund(self, payment: Payment, finance: User) -> None:
        made = refund(payment, Actor.user(finance))
        cancel = partial(cancel_order, order_id=payment.order_id, actor=GUEST, may_refund=False)

        assert refused(cancel) == "not_allowed"
        assert status_of(made) == RefundStatus.WAITING_APPROVAL

    def test_is_not_given_back_alone_by_cancelling(self, payment: Payment, finance: User, lead: User) -> None:
        cancel = partial(cancel_order, order_id=payment.order_id, actor=Actor.user(finance))
        assert refused(cancel) == "above_limit"
        assert not Refund.objects.exists()

        cancel_order(order_id=payment.order_id, actor=Actor.user(lead))
        assert Refund.objects.get().status == RefundStatus.REQUESTED


def test_what_went_back_meanwhile_is_seen_and_not_given_back_once_more(
    payment: Payment, finance: User, lead: User
) -> None:
    """A chargeback, while nobody had answered."""
    made = refund(payment, Actor.user(finance), 40_000)
    attempt = Attempt.objects.get(payment=payment)
    theirs = RefundFact(reference="cb_1", key="", money=Money(39_000, "INR"), succeeded=True)
    seen = Evidence(
        source=Source.LOOK_UP,
        finding=Finding.SUCCEEDED,
        money=Money(attempt.captured_minor, "INR"),
        reference=attempt.provider_reference,
        refunds=(theirs,),
    )
    settle_attempt(attempt_id=attempt.pk, evidence=seen)

    assert refused(partial(answered, lead, Verdict.APPROVE)) == "stale"
    assert status_of(made) == RefundStatus.WAITING_APPROVAL
    asked = shown_to(lead)
    assert [(each.what, each.before, each.after) for each in asked.since] == [
        ("goes back besides it", "₹0.00", "₹390.00")
    ]
    assert (asked.may_approve, asked.may_decide) == (False, True)
    answered(lead, Verdict.REJECT)
    assert status_of(made) == RefundStatus.FAILED


def test_of_two_that_wait_the_second_is_agreed_to_by_who_sees_the_first(
    payment: Payment, finance: User, lead: User
) -> None:
    """Who looks at the first one alone does not see how much is to go back by now."""
    first, second = (refund(payment, Actor.user(finance), 40_000) for _ in range(2))
    asked = {each.subject_id: each.pk for each in Approval.objects.all()}
    agree = partial(decide_approval, reply=Reply(verdict=Verdict.APPROVE, reason="Seen as well."), person=lead)

    assert refused(partial(agree, approval_id=asked[first.pk])) == "stale"
    agree(approval_id=asked[second.pk])

    assert (status_of(first), status_of(second)) == (RefundStatus.WAITING_APPROVAL, RefundStatus.REQUESTED)


def shown_to(person: User) -> Asked:
    case = Case.objects.get(kind=CaseKind.REFUND_APPROVAL)
    asked = asked_about(
        case,
        approvals_in(case),
        attempts=Attempt.objects.filter(payment=case.payment),
        person=person,
        role=Role.FINANCE_LEAD,
        now=clock.now(),
    )
    assert asked is not None
    return asked


def test_of_one_payment_two_people_give_back_alone_no_more_than_one(payment: Payment, finance: User) -> None:
    colleague = staff(payment.restaurant, Role.FINANCE)

    assert refund(payment, Actor.user(finance), LIMIT).status == RefundStatus.REQUESTED
    assert refund(payment, Actor.user(colleague), 1).status == RefundStatus.WAITING_APPROVAL


def less_by(payment: Payment, minor: int) -> Amendment:
    order = Order.objects.get(pk=payment.order_id)
    line = LineDraft(name="Thali", quantity=1, unit_minor=order.total_minor - minor)
    return Amendment(lines=(line,), version=order.version, refund_surplus=True)


class TestAWrongAmount:
    """What nobody owed us is the guest's at any height. What was due of it is a refund like any other."""

    @pytest.fixture
    def wrong(self, restaurant: Restaurant, provider_a: ScriptedGateway, finance: User) -> Payment:
        provider_a.charges.append(succeeded(Money(DUE.minor + 5_000, "INR")))
        return paid(order_of(restaurant))

    def give_back(self, payment: Payment, person: User) -> None:
        resolve_mismatch(payment_id=payment.pk, choice=MismatchChoice.REFUND_ALL, person=person, reason=WHY)

    def test_that_was_due_does_not_go_back_by_who_may_not_alone(self, wrong: Payment, finance: User) -> None:
        assert refused(partial(self.give_back, wrong, finance)) == "above_limit"
        assert Attempt.objects.get().mismatch

    def test_goes_back_by_who_may_give_back_what_was_due(self, wrong: Payment, finance: User) -> None:
        RefundLimit.objects.update(most_minor=DUE.minor)

        self.give_back(wrong, finance)

        assert Refund.objects.get().amount_minor == DUE.minor + 5_000

    def test_that_was_not_due_goes_back_by_anybody_of_the_office(self, wrong: Payment, finance: User) -> None:
        cancel_order(order_id=wrong.order_id, actor=GUEST)

        self.give_back(wrong, finance)

        assert Refund.objects.get().amount_minor == DUE.minor + 5_000


def test_cash_across_the_table_cannot_wait(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    RefundLimit.objects.create(restaurant=restaurant, who=Limited.WAITER, currency="INR", most_minor=LIMIT)
    waiter, payment = staff(restaurant, Role.WAITER), paid(order_of(restaurant), method="cash")
    confirm_cash(payment_id=payment.pk, waiter=waiter, taken=CashTaken(amount_minor=DUE.minor))
    hand_back = partial(record_cash_refund, payment_id=payment.pk, person=waiter, reason=WHY)

    assert refused(partial(hand_back, amount_minor=LIMIT + 1)) == "above_limit"
    assert hand_back(amount_minor=LIMIT).status == RefundStatus.COMPLETED


def test_a_limit_is_one_and_not_negative(restaurant: Restaurant, finance: User) -> None:
    for words in ({"most_minor": -1, "currency": "USD"}, {"most_minor": 1, "currency": "INR"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            RefundLimit.objects.create(restaurant=restaurant, who=Limited.FINANCE, **words)
