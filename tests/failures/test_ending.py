"""How a case ends: only as the books say that it did, and what a guest owes by two people."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from accounts.models import Restaurant, Role, User
from events.actors import GUEST, Actor
from failures.decisions import Action, Decision, act_on_case
from failures.models import FITTING, Case, CaseKind, CaseStatus, Outcome
from failures.reasons import outcomes_for
from failures.services.facts import CaseRefused
from failures.services.working import dismiss_case, resolve_case
from failures.showing.causes import cause_of
from kernel.money import Money
from orders.models import Order, PaymentState
from orders.services import cancel_order
from payments.gateways.contract import ErrorCode, RefundFact, Theirs
from payments.models import Attempt, Limited, Payment, Refund, RefundLimit, RefundStatus
from payments.services.attempts import begin_attempt
from payments.services.evidence import Evidence, Finding, Source
from payments.services.facts import PaymentEvent
from payments.services.refund_requests import request_refund
from payments.services.refund_settlement import settle_refund
from tests.factories import accepted, order_of, staff
from tests.failures.deciding import agree, ask, call_about
from tests.failures.deciding import refused as refused_code
from tests.failures.test_services import REASON, happened
from tests.failures.world import attempted, told

pytestmark = pytest.mark.django_db


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


@pytest.fixture
def case(payment: Payment) -> Case:
    return case_about(payment)


def case_about(payment: Payment) -> Case:
    """The books differ: such a case can have ended in any way."""
    happened(PaymentEvent.CONTRADICTED, payment)
    return Case.objects.latest("id")


class TestWhatTheBooksSay:
    """A case that is closed as what did not happen hides it for good."""

    @pytest.mark.parametrize("outcome", [Outcome.PAID, Outcome.PAID_ELSEWHERE, Outcome.GIVEN_BACK])
    def test_is_not_what_did_not_happen(self, payment: Payment, case: Case, finance: User, outcome: Outcome) -> None:
        with pytest.raises(CaseRefused) as refused:
            resolve_case(case_id=case.pk, person=finance, reason=REASON, outcome=outcome)

        assert (refused.value.code, refused.value.field) == ("does_not_fit", "outcome")
        assert outcome not in outcomes_for(case, [*Refund.objects.all()])
        assert Case.objects.get().is_waiting

    def test_is_paid_where_the_money_came_in(self, restaurant: Restaurant, finance: User) -> None:
        case = case_about(attempted(order_of(restaurant), Finding.SUCCEEDED, minor=84_000).payment)

        assert {Outcome.NEVER_PAID, Outcome.GIVEN_BACK} & set(outcomes_for(case, [*Refund.objects.all()])) == set()
        assert resolve_case(case_id=case.pk, person=finance, reason=REASON, outcome=Outcome.PAID).outcome == "paid"

    def test_is_given_back_where_it_was(self, restaurant: Restaurant, finance: User) -> None:
        case = case_about(payment := attempted(order_of(restaurant), Finding.SUCCEEDED, minor=84_000).payment)
        request_refund(payment_id=payment.pk, amount_minor=100, reason="cold food", actor=GUEST)

        end = resolve_case(case_id=case.pk, person=finance, reason=REASON, outcome=Outcome.GIVEN_BACK)
        assert end.outcome == Outcome.GIVEN_BACK

    @pytest.mark.parametrize("failed_before", [True, False])
    def test_is_not_given_back_by_what_a_second_person_may_refuse(
        self, restaurant: Restaurant, finance: User, *, failed_before: bool
    ) -> None:
        """Nobody hears of it any more once they have."""
        payment = attempted(order_of(restaurant), Finding.SUCCEEDED, minor=84_000).payment
        if failed_before:
            refund = request_refund(payment_id=payment.pk, amount_minor=500, reason="cold food", actor=GUEST)
            settle_refund(refund_id=refund.pk, evidence=Evidence(source=Source.LOOK_UP, finding=Finding.DECLINED))
            case = Case.objects.get(kind=CaseKind.REFUND_FAILED)
        else:
            case = case_about(payment)
        RefundLimit.objects.create(restaurant=restaurant, who=Limited.FINANCE, currency="INR", most_minor=100)
        actor = Actor.user(finance)
        waiting = request_refund(payment_id=payment.pk, amount_minor=500, reason="cold food", actor=actor)
        assert waiting.status == RefundStatus.WAITING_APPROVAL

        assert Outcome.GIVEN_BACK not in outcomes_for(case, [*Refund.objects.all()])
        refusal = partial(resolve_case, case_id=case.pk, person=finance, reason=REASON, outcome=Outcome.GIVEN_BACK)
        assert refused_code(refusal) == "does_not_fit"

    def test_of_a_failed_refund_is_that_refund_and_no_other(self, restaurant: Restaurant, finance: User) -> None:
        payment = attempted(order_of(restaurant), Finding.SUCCEEDED, minor=84_000).payment
        refund = request_refund(payment_id=payment.pk, amount_minor=100, reason="cold food", actor=GUEST)
        settle_refund(refund_id=refund.pk, evidence=Evidence(source=Source.LOOK_UP, finding=Finding.DECLINED))
        case = Case.objects.get(kind=CaseKind.REFUND_FAILED)
        request_refund(payment_id=payment.pk, amount_minor=300, reason="cold drinks", actor=GUEST)

        assert set(outcomes_for(case, [*Refund.objects.all()])) == {Outcome.NOTHING_WRONG}
        for outcome in (Outcome.GIVEN_BACK, Outcome.GIVEN_BACK_ELSEWHERE):
            with pytest.raises(CaseRefused):
                resolve_case(case_id=case.pk, person=finance, reason=REASON, outcome=outcome)


class TestWhatTwoPeopleSay:
    """No case ends so by one person's choice, whatever it is about."""

    BY_TWO = (Outcome.WRITTEN_OFF, Outcome.GIVEN_BACK_ELSEWHERE)

    @pytest.mark.parametrize("kind", CaseKind)
    @pytest.mark.parametrize("outcome", BY_TWO)
    def test_is_not_offered_to_one(self, case: Case, kind: CaseKind, outcome: Outcome) -> None:
        case.kind = kind

        assert outcome not in FITTING.get(kind, ())
        assert outcome not in outcomes_for(case, [Refund(pk=case.subject_id, status=RefundStatus.COMPLETED)])

    @pytest.mark.parametrize("outcome", BY_TWO)
    def test_is_refused_with_what_to_do_instead(self, case: Case, finance: User, outcome: Outcome) -> None:
        with pytest.raises(CaseRefused) as refused:
            resolve_case(case_id=case.pk, person=finance, reason=REASON, outcome=outcome)

        assert (refused.value.code, refused.value.field) == ("needs_two", "outcome")
        assert "by two people: ask for that" in refused.value.sentence
        assert Case.objects.get().is_waiting


def attempted_share(order: Order, finding: Finding, **said: Any) -> Attempt:
    sending = begin_attempt(payment_id=accepted(order, amount_minor=42_000).pk)
    assert sending is not None
    return told(sending.attempt, finding, **said)


class TestABillThatIsNotPaid:
    @pytest.fixture
    def unpaid(self, restaurant: Restaurant) -> Case:
        """The guest tried, no provider took it, and the bill is still open."""
        failed = attempted(order_of(restaurant), Finding.DECLINED, code=ErrorCode.CARD_DECLINED)
        happened(PaymentEvent.EXHAUSTED, Payment.objects.get(pk=failed.payment_id))
        return Case.objects.get(payment=failed.payment_id, kind=CaseKind.EXHAUSTED)

    def test_is_given_up_by_nobody_alone_by_whatever_name(self, unpaid: Case, finance: User) -> None:
        for end in (
            lambda: dismiss_case(case_id=unpaid.pk, person=finance, reason=REASON),
            lambda: resolve_case(case_id=unpaid.pk, person=finance, reason=REASON),
            lambda: resolve_case(case_id=unpaid.pk, person=finance, reason=REASON, outcome=Outcome.NEVER_PAID),
            lambda: resolve_case(case_id=unpaid.pk, person=finance, reason=REASON, outcome=Outcome.NOTHING_WRONG),
        ):
            with pytest.raises(CaseRefused) as refused:
                end()
            assert refused.value.code == "needs_two"

        assert Case.objects.get(pk=unpaid.pk).is_waiting

    @pytest.mark.parametrize("outcome", [Outcome.PAID, Outcome.PAID_ELSEWHERE])
    def test_is_called_paid_by_nobody_alone(self, unpaid: Case, finance: User, outcome: Outcome) -> None:
        with pytest.raises(CaseRefused) as refused:
            resolve_case(case_id=unpaid.pk, person=finance, reason=REASON, outcome=outcome)

        assert refused.value.code == "needs_two"

    def test_was_paid_in_another_way_if_two_say_so(self, unpaid: Case, restaurant: Restaurant, finance: User) -> None:
        approval = ask(unpaid, finance, Action.RECORD_PAID_ELSEWHERE)
        assert Case.objects.get(pk=unpaid.pk).status == CaseStatus.WAITING_SECOND_PERSON

        agree(approval, staff(restaurant, Role.FINANCE_LEAD))

        assert Case.objects.get(pk=unpaid.pk).outcome == Outcome.PAID_ELSEWHERE
        assert (approval.data["amount_minor"], Order.objects.get().payment_state) == (84_000, PaymentState.UNPAID)

    @pytest.mark.parametrize(
        ("action", "says"),
        [
            (Action.RECORD_PAID_ELSEWHERE, "This bill was recorded as paid in another way, and then it was paid here."),
            (Action.WRITE_OFF, "This bill was written off, and then it was paid."),
        ],
    )
    def test_that_was_given_up_and_is_paid_after_all_is_shown_to_people(
        self, unpaid: Case, restaurant: Restaurant, finance: User, action: Action, says: str
    ) -> None:
        """The guest may have paid twice, and nobody would look at it any more."""
        agree(ask(unpaid, finance, action), staff(restaurant, Role.FINANCE_LEAD))

        again = attempted(Order.objects.get(), Finding.SUCCEEDED, minor=84_000)

        case = Case.objects.get(status=CaseStatus.OPEN)
        assert (case.kind, case.payment_id) == (CaseKind.LATE_SUCCESS, again.payment_id)
        assert cause_of(case).what == says

    def test_that_was_given_up_and_is_paid_by_late_money_says_both(
        self, unpaid: Case, restaurant: Restaurant, finance: User
    ) -> None:
        agree(ask(unpaid, finance, Action.WRITE_OFF), staff(restaurant, Role.FINANCE_LEAD))

        told(Attempt.objects.get(), Finding.SUCCEEDED, minor=84_000)

        case = Case.objects.get(kind=CaseKind.LATE_SUCCESS)
        assert cause_of(case).what == "This bill was written off, and then it was paid."

    def test_a_share_that_nobody_gave_up_is_paid_as_it_should_be(self, restaurant: Restaurant, finance: User) -> None:
        order, lead = order_of(restaurant), staff(restaurant, Role.FINANCE_LEAD)
        theirs = attempted_share(order, Finding.DECLINED, code=ErrorCode.CARD_DECLINED)
        happened(PaymentEvent.EXHAUSTED, Payment.objects.get(pk=theirs.payment_id))
        mine = begin_attempt(payment_id=accepted(order, amount_minor=42_000).pk)
        assert mine is not None
        agree(ask(Case.objects.get(), finance, Action.WRITE_OFF), lead)

        told(mine.attempt, Finding.SUCCEEDED, minor=42_000)
        assert list(Case.objects.values_list("kind", flat=True)) == [CaseKind.EXHAUSTED]

        given_up = attempted_share(Order.objects.get(), Finding.SUCCEEDED, minor=42_000)
        assert Case.objects.get(kind=CaseKind.LATE_SUCCESS).payment_id == given_up.payment_id

    def test_that_nobody_gave_up_and_is_paid_needs_nobody(self, unpaid: Case) -> None:
        attempted(Order.objects.get(), Finding.SUCCEEDED, minor=84_000)

        assert list(Case.objects.values_list("kind", flat=True)) == [CaseKind.EXHAUSTED]

    def test_is_not_put_away_while_it_is_tried_again(self, unpaid: Case, finance: User) -> None:
        """Its answer may be a no, which opens no case anew."""
        act_on_case(
            case_id=unpaid.pk,
            decision=Decision(action=Action.RETRY, reason=REASON),
            person=finance,
            call=call_about(unpaid),
        )
        for end in (dismiss_case, partial(resolve_case, outcome=Outcome.PAID)):
            with pytest.raises(CaseRefused) as refused:
                end(case_id=unpaid.pk, person=finance, reason=REASON)
            assert refused.value.code == "not_over"

        again = begin_attempt(payment_id=unpaid.payment_id) if unpaid.payment_id else None
        assert again is not None
        told(again.attempt, Finding.DECLINED, code=ErrorCode.CARD_DECLINED)
        assert Case.objects.get(pk=unpaid.pk).is_waiting

    def test_is_not_lost_while_another_share_of_it_is_in_doubt(self, unpaid: Case, finance: User) -> None:
        """The guest tried once more, elsewhere: as much may have come in."""
        assert unpaid.payment is not None
        other = begin_attempt(payment_id=accepted(unpaid.payment.order).pk)
        assert other is not None
        told(other.attempt, Finding.UNKNOWN)

        for action in (Action.WRITE_OFF, Action.RECORD_PAID_ELSEWHERE):
            assert refused_code(partial(ask, unpaid, finance, action)) == "not_over"

    def test_is_given_up_once_and_its_second_case_can_be_closed(
        self, unpaid: Case, restaurant: Restaurant, finance: User
    ) -> None:
        assert unpaid.payment is not None
        second = begin_attempt(payment_id=accepted(unpaid.payment.order).pk)
        assert second is not None
        told(second.attempt, Finding.DECLINED, code=ErrorCode.CARD_DECLINED)
        happened(PaymentEvent.EXHAUSTED, Payment.objects.get(pk=second.attempt.payment_id))
        other = Case.objects.get(payment=second.attempt.payment_id)

        agree(ask(unpaid, finance, Action.WRITE_OFF), staff(restaurant, Role.FINANCE_LEAD))

        assert refused_code(partial(ask, other, finance, Action.WRITE_OFF)) == "nothing_lost"
        assert dismiss_case(case_id=other.pk, person=finance, reason=REASON).status == CaseStatus.DISMISSED

    def test_is_as_much_lost_where_another_share_was_charged_back(self, restaurant: Restaurant, finance: User) -> None:
        """That one was paid once, and is another loss."""
        order = order_of(restaurant)
        paid_share = attempted_share(order, Finding.SUCCEEDED, minor=42_000)
        failed_share = attempted_share(order, Finding.DECLINED, code=ErrorCode.CARD_DECLINED)
        happened(PaymentEvent.EXHAUSTED, Payment.objects.get(pk=failed_share.payment_id))
        fact = RefundFact(reference="cb", money=Money(42_000, "INR"), succeeded=True, theirs=Theirs.CHARGEBACK)
        told(paid_share, Finding.SUCCEEDED, minor=42_000, refunds=(fact,))
        lead = staff(restaurant, Role.FINANCE_LEAD)
        agree(ask(Case.objects.get(kind=CaseKind.PROVIDER_REFUND), finance, Action.WRITE_OFF), lead)

        approval = ask(Case.objects.get(kind=CaseKind.EXHAUSTED), finance, Action.WRITE_OFF)

        assert approval.data["amount_minor"] == 42_000

    def test_of_a_cancelled_order_is_owed_by_nobody(self, unpaid: Case, finance: User) -> None:
        assert unpaid.payment is not None
        cancel_order(order_id=unpaid.payment.order_id, actor=GUEST)

        dismiss_case(case_id=unpaid.pk, person=finance, reason=REASON)
        assert Case.objects.get(pk=unpaid.pk).outcome == Outcome.NOTHING_WRONG
