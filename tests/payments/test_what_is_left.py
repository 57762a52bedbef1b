"""A refund that failed, of a payment of which other money went back meanwhile: what is left of it has a way back."""

from __future__ import annotations

from functools import partial

import pytest
from django.urls import reverse

from accounts.models import Approval, Restaurant, Role, User
from events.actors import GUEST, Actor
from failures.approvals import Verdict
from failures.decisions import Action, Decision, act_on_case
from failures.models import Case, CaseKind
from kernel.errors import ServiceError
from kernel.money import Money
from orders.models import Order
from orders.services import amend_order, cancel_order
from payments.gateways.contract import RefundFact, Theirs
from payments.models import Attempt, Limited, Payment, Refund, RefundLimit, RefundStatus
from payments.services.given_back import ask_to_record_given_back
from payments.services.refund_requests import request_refund
from payments.services.refunds import send_refund
from payments.services.sweeps import sweep_refunds
from tests.factories import order_of, paid, staff
from tests.failures.deciding import WHY, agree, ask, call_about, refused, reply
from tests.failures.test_desk import desk_of, page_of
from tests.payments.test_refund_limits import less_by
from tests.payments.test_ways_back import surplus
from tests.payments.words import INR, REFUSED, news, waiting
from tests.scripted import ScriptedGateway
from tests.time_machine import ShiftedClock

pytestmark = pytest.mark.django_db
THEIRS = 40_000
DISH = 20_000


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


@pytest.fixture
def lead(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE_LEAD)


@pytest.fixture
def not_due(restaurant: Restaurant, provider_a: ScriptedGateway) -> Attempt:
    """A surplus that the bank did not take back, and of which somebody then gave a part on the provider's pages."""
    attempt = surplus(restaurant, provider_a)
    provider_a.refunds.append(REFUSED)
    sweep_refunds(width=1)
    partly_given_back_there(attempt)
    return Attempt.objects.get(pk=attempt.pk)


@pytest.fixture
def owed(restaurant: Restaurant, provider_a: ScriptedGateway) -> Case:
    """The same of a cancelled order."""
    payment = paid(order_of(restaurant))
    cancel_order(order_id=payment.order_id, actor=GUEST)
    provider_a.refunds.append(REFUSED)
    sweep_refunds(width=1)
    partly_given_back_there(payment.attempts.get())
    return case_of(CaseKind.REFUND_FAILED)


def partly_given_back_there(attempt: Attempt) -> None:
    fact = RefundFact(reference="by-hand", money=Money(THEIRS, INR), succeeded=True, theirs=Theirs.REFUND)
    news(attempt, refunds=(fact,))


def case_of(kind: CaseKind) -> Case:
    return Case.objects.get(kind=kind)


def decide(case: Case, person: User, action: Action) -> None:
    decision = Decision(action=action, reason=WHY)
    act_on_case(case_id=case.pk, decision=decision, person=person, call=call_about(case))


def words(case: Case, person: User) -> str:
    return " ".join(desk_of(person).get(page_of(case)).content.decode().split())


@pytest.mark.parametrize("kind", [CaseKind.SURPLUS, CaseKind.REFUND_FAILED])
class TestOfASurplus:
    """From whichever of its two cases somebody goes."""

    def test_what_is_left_is_recorded(self, not_due: Attempt, finance: User, lead: User, kind: CaseKind) -> None:
        case = case_of(kind)
        assert "For when the guest has ₹440.00 in cash" in words(case, finance)

        agree(ask(case, finance, Action.RECORD_GIVEN_BACK), lead)

        assert Attempt.objects.get(pk=not_due.pk).refundable_minor == 0
        assert {CaseKind.SURPLUS, CaseKind.REFUND_FAILED}.isdisjoint(waiting())

    def test_what_is_left_is_sent_and_both_end(self, not_due: Attempt, finance: User, kind: CaseKind) -> None:
        case = case_of(kind)
        assert "₹440.00 is sent back to the guest within seconds" in words(case, finance)

        decide(case, finance, Action.REFUND)
        sweep_refunds(width=1)

        assert Attempt.objects.get(pk=not_due.pk).refunded_minor == 84_000
        assert {CaseKind.SURPLUS, CaseKind.REFUND_FAILED}.isdisjoint(waiting())


class TestOfACancelledOrder:
    def test_what_is_left_is_sent_once(self, owed: Case, finance: User) -> None:
        assert "₹440.00 is sent back to the guest within seconds" in words(owed, finance)

        decide(owed, finance, Action.REFUND)
        sweep_refunds(width=1)

        attempt = Attempt.objects.get()
        assert (attempt.refunded_minor, attempt.refunding_minor) == (84_000, 0)
        assert not Case.objects.get(pk=owed.pk).is_waiting

    def test_what_is_left_is_recorded(self, owed: Case, finance: User, lead: User) -> None:
        approval = ask(owed, finance, Action.RECORD_GIVEN_BACK)
        assert approval.data["amount_minor"] == 84_000 - THEIRS

        agree(approval, lead)

        assert Attempt.objects.get().refunded_minor == 84_000
        assert not Case.objects.get(pk=owed.pk).is_waiting

    def test_where_nothing_is_left_the_page_says_so(self, owed: Case, finance: User) -> None:
        fact = RefundFact(reference="the-rest", money=Money(44_000, INR), succeeded=True, theirs=Theirs.REFUND)
        news(Attempt.objects.get(), refunds=(fact,))

        assert words(owed, finance).count("Locked: All of it is on its way back, or has gone back.") == 2
        for action in (Action.REFUND, Action.RECORD_GIVEN_BACK):
            assert refused(partial(decide, owed, finance, action)) == "nothing_to_refund"


class TestOfTwoOfOneAmount:
    @pytest.fixture
    def failed(self, restaurant: Restaurant, finance: User, provider_a: ScriptedGateway, time: ShiftedClock) -> Refund:
        """Two dishes were cold, and the bank took back the money of the second."""
        payment = paid(order_of(restaurant))
        first, second = (self.one(payment, finance, time) for _ in range(2))
        send_refund(refund_id=second.pk)
        provider_a.refunds.append(REFUSED)
        send_refund(refund_id=first.pk)
        return Refund.objects.get(pk=first.pk)

    def one(self, payment: Payment, person: User, time: ShiftedClock) -> Refund:
        time.advance(minutes=5)
        actor = Actor.user(person)
        return request_refund(payment_id=payment.pk, amount_minor=DISH, reason="cold food", actor=actor)

    def test_the_one_that_failed_is_recorded_as_given_in_another_way(
        self, failed: Refund, finance: User, lead: User
    ) -> None:
        """The other one was asked for while nobody knew that this one would fail."""
        agree(ask(case_of(CaseKind.REFUND_FAILED), finance, Action.RECORD_GIVEN_BACK), lead)

        assert Attempt.objects.get().refunded_minor == 2 * DISH
        assert waiting() == []

    def test_it_is_not_sent_again_since_nobody_can_tell_them_apart(self, failed: Refund, finance: User) -> None:
        assert refused(lambda: decide(case_of(CaseKind.REFUND_FAILED), finance, Action.REFUND)) == "given_back_since"

    def test_nor_is_what_was_made_in_its_place_recorded_once_more(
        self, failed: Refund, finance: User, time: ShiftedClock
    ) -> None:
        other = self.one(failed.payment, finance, time)
        send_refund(refund_id=other.pk)

        assert refused(lambda: ask(case_of(CaseKind.REFUND_FAILED), finance, Action.RECORD_GIVEN_BACK)) == (
            "given_back_since"
        )
        assert Refund.objects.filter(status=RefundStatus.COMPLETED).count() == 2


def test_what_is_kept_and_was_never_refused_is_given_back_on_its_own_page(
    restaurant: Restaurant, finance: User
) -> None:
    kept = paid(order_of(restaurant)).attempts.get()

    with pytest.raises(ServiceError) as no:
        ask_to_record_given_back(
            payment_id=kept.payment_id, subject_id=kept.pk, person=finance, reason=WHY, asked_from=kept.pk
        )

    assert no.value.code == "nothing_to_refund"


class TestWhileASecondPersonIsAskedWhetherItWasGivenBack:
    """The guest has it in hand: nothing of it is sent besides, from wherever somebody comes."""

    @pytest.fixture
    def refused_surplus(self, restaurant: Restaurant, provider_a: ScriptedGateway) -> Attempt:
        attempt = surplus(restaurant, provider_a)
        provider_a.refunds.append(REFUSED)
        sweep_refunds(width=1)
        return Attempt.objects.get(pk=attempt.pk)

    @pytest.mark.parametrize(
        ("asked_in", "sister"),
        [(CaseKind.SURPLUS, CaseKind.REFUND_FAILED), (CaseKind.REFUND_FAILED, CaseKind.SURPLUS)],
    )
    def test_its_other_case_is_locked(
        self, refused_surplus: Attempt, finance: User, lead: User, asked_in: CaseKind, sister: CaseKind
    ) -> None:
        approval = ask(case_of(asked_in), finance, Action.RECORD_GIVEN_BACK)

        assert words(case_of(sister), finance).count("Locked: Somebody says that the guest has ₹840.00 of it") == 2
        for action in (Action.REFUND, Action.RECORD_GIVEN_BACK):
            assert refused(partial(decide, case_of(sister), finance, action)) == "being_recorded"

        agree(approval, lead)
        assert Attempt.objects.get(pk=refused_surplus.pk).refunded_minor == 84_000
        assert waiting() == []

    def test_so_is_the_page_of_the_payment(self, owed: Case, finance: User, lead: User) -> None:
        approval = ask(owed, finance, Action.RECORD_GIVEN_BACK)
        payment_id = owed.payment_id
        assert payment_id is not None
        asking = partial(request_refund, payment_id=payment_id, reason="all of it", actor=Actor.user(lead))

        page = desk_of(lead).get(reverse("admin:payments_payment_give_back", args=[payment_id])).content.decode()
        assert "Somebody says that the guest has ₹440.00 of it already" in page
        assert refused(asking) == "being_recorded"

        reply(approval, lead, Verdict.REJECT)
        asking()

    def test_nor_longer_than_it_can_be_answered(self, owed: Case, finance: User, time: ShiftedClock) -> None:
        ask(owed, finance, Action.RECORD_GIVEN_BACK)
        time.advance(hours=25)

        request_refund(payment_id=Attempt.objects.get().payment_id, reason="all of it", actor=Actor.user(finance))

        assert Attempt.objects.get().refundable_minor == 0

    def test_a_cancelled_order_sends_the_rest_alone(
        self, restaurant: Restaurant, provider_a: ScriptedGateway, finance: User, lead: User
    ) -> None:
        case = self.failed_dish(restaurant, provider_a)
        approval = ask(case, finance, Action.RECORD_GIVEN_BACK)

        cancel_order(order_id=Order.objects.get().pk, actor=Actor.user(lead))

        assert Attempt.objects.get().refunding_minor == 84_000 - DISH
        self.ask_anew(approval, finance, lead)
        sweep_refunds(width=1)
        assert Attempt.objects.get().refunded_minor == 84_000
        assert waiting() == []

    def test_where_nobody_agrees_the_case_stays_until_it_has_gone_back(
        self, restaurant: Restaurant, provider_a: ScriptedGateway, finance: User, lead: User
    ) -> None:
        case = self.failed_dish(restaurant, provider_a)
        approval = ask(case, finance, Action.RECORD_GIVEN_BACK)
        cancel_order(order_id=Order.objects.get().pk, actor=Actor.user(lead))
        sweep_refunds(width=1)

        reply(approval, lead, Verdict.REJECT)

        assert refused(partial(decide, case, finance, Action.DISMISS)) == "not_over"
        decide(case, finance, Action.REFUND)
        sweep_refunds(width=1)
        assert Attempt.objects.get().refunded_minor == 84_000

    def test_a_smaller_bill_sends_the_rest_alone(
        self, restaurant: Restaurant, provider_a: ScriptedGateway, finance: User, lead: User
    ) -> None:
        case = self.failed_dish(restaurant, provider_a)
        approval = ask(case, finance, Action.RECORD_GIVEN_BACK)
        payment = Payment.objects.get()

        amend_order(order_id=payment.order_id, amendment=less_by(payment, 30_000), actor=Actor.user(lead))

        assert Attempt.objects.get().refunding_minor == 30_000 - DISH
        self.ask_anew(approval, finance, lead)
        sweep_refunds(width=1)
        assert Attempt.objects.get().refunded_minor == 30_000

    def test_nor_does_a_waiting_refund_that_is_refused_send_it(
        self, restaurant: Restaurant, provider_a: ScriptedGateway, finance: User, lead: User
    ) -> None:
        """What of that is owed by a smaller bill is sent whoever says no; what the guest has in hand is not."""
        case = self.failed_dish(restaurant, provider_a)
        payment = Payment.objects.get()
        RefundLimit.objects.create(restaurant=restaurant, who=Limited.FINANCE, currency=INR, most_minor=100)
        request_refund(payment_id=payment.pk, amount_minor=30_000, reason="cold", actor=Actor.user(finance))
        waits = Approval.objects.get()
        ask(case, finance, Action.RECORD_GIVEN_BACK)
        amend_order(order_id=payment.order_id, amendment=less_by(payment, 30_000), actor=Actor.user(lead))

        reply(waits, lead, Verdict.REJECT)

        assert Attempt.objects.get().refunding_minor == 30_000 - DISH

    def test_what_makes_the_order_payable_again_is_owed_besides(
        self, restaurant: Restaurant, provider_a: ScriptedGateway, finance: User, lead: User
    ) -> None:
        case = self.failed_dish(restaurant, provider_a, reopens_order=True)
        ask(case, finance, Action.RECORD_GIVEN_BACK)
        payment = Payment.objects.get()

        amend_order(order_id=payment.order_id, amendment=less_by(payment, 30_000), actor=Actor.user(lead))

        assert Attempt.objects.get().refunding_minor == 30_000

    def ask_anew(self, approval: Approval, person: User, checker: User) -> None:
        """It was about a payment of which nothing else went back."""
        assert refused(partial(agree, approval, checker)) == "stale"
        reply(approval, checker, Verdict.REJECT)
        agree(ask(case_of(CaseKind.REFUND_FAILED), person, Action.RECORD_GIVEN_BACK), checker)

    def failed_dish(self, restaurant: Restaurant, provider: ScriptedGateway, *, reopens_order: bool = False) -> Case:
        payment = paid(order_of(restaurant))
        asked = {"payment_id": payment.pk, "amount_minor": DISH, "reason": "cold food", "actor": GUEST}
        request_refund(**asked, reopens_order=reopens_order)  # type: ignore[arg-type]  # Named above.
        provider.refunds.append(REFUSED)
        sweep_refunds(width=1)
        return case_of(CaseKind.REFUND_FAILED)
