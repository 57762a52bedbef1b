"""What two people do about a case: asked for in it, agreed to in it, done in the same moment; or not done at all."""

from __future__ import annotations

from functools import partial
from uuid import UUID

import pytest

from accounts.models import Approval, ApprovalStatus, Role, User
from accounts.services.approvals import LASTS
from accounts.services.idempotency import KeyTaken
from events.actors import Actor
from events.models import AuditEntry, Event, Transition
from failures.approvals import Reply, Verdict, decide_approval, expire_approvals
from failures.decisions import NEEDS_TWO, OFFERED, Action
from failures.models import Case, CaseKind, CaseStatus, Outcome
from failures.services.working import assign_case, dismiss_case, resolve_case, take_next_case
from kernel.modes import Mode
from orders.services import cancel_order
from payments.gateways.contract import ErrorCode
from payments.models import Attempt, AttemptStatus, Payment, PaymentStatus, Refund, RefundStatus
from payments.services.attempts import begin_attempt
from payments.services.evidence import Finding
from payments.services.facts import PaymentEvent, RefundEvent
from payments.services.forcing import record_sighting
from payments.services.payments import retry_payment
from payments.services.sweeps import ALSO
from tests.factories import RestaurantFactory, accepted, staff
from tests.failures.deciding import WHY, about, agree, ask, call_about, refused, reply
from tests.failures.test_services import happened
from tests.failures.world import World, told
from tests.time_machine import ShiftedClock


class TestForcing:
    def test_nothing_is_done_until_a_second_person_agrees(self, doubt: Case, maker: User, lead: User) -> None:
        approval = ask(doubt, maker, Action.RECORD_NOT_CHARGED)

        case, payment = Case.objects.get(pk=doubt.pk), Payment.objects.get(pk=about(doubt))
        assert (case.status, case.owner) == (CaseStatus.WAITING_SECOND_PERSON, maker)
        assert (payment.status, payment.in_doubt) == (PaymentStatus.PROCESSING, True)
        assert approval.before["payment"]["status"] == "processing"
        assert (approval.after["payment"]["status"], approval.after["attempts"][0]["status"]) == (
            "failed",
            "not_charged",
        )

        agree(approval, lead)

        payment = Payment.objects.get(pk=about(doubt))
        assert (payment.status, payment.in_doubt) == (PaymentStatus.FAILED, False)
        assert Case.objects.get(pk=doubt.pk).status == CaseStatus.RESOLVED
        assert Approval.objects.get().status == ApprovalStatus.DONE

    def test_a_charge_is_recorded_with_its_amount_and_who_agreed(self, doubt: Case, maker: User, lead: User) -> None:
        agree(ask(doubt, maker, Action.RECORD_CHARGED, amount_minor=84_000), lead)

        attempt = Attempt.objects.get(payment=doubt.payment_id)
        assert (attempt.status, attempt.captured_minor) == (AttemptStatus.SUCCEEDED, 84_000)
        step = Transition.objects.get(subject_id=attempt.pk, to_status=AttemptStatus.SUCCEEDED)
        assert (step.actor_id, step.evidence["message"]) == (str(lead.pk), WHY)
        assert step.evidence["approval"] == str(Approval.objects.get().pk)

    def test_another_amount_is_still_a_case_for_people(self, doubt: Case, maker: User, lead: User) -> None:
        agree(ask(doubt, maker, Action.RECORD_CHARGED, amount_minor=1, means_amount=True), lead)

        assert Attempt.objects.get(payment=doubt.payment_id).mismatch
        kinds = {case.kind: case.status for case in Case.objects.filter(payment=doubt.payment_id)}
        assert kinds[CaseKind.AMOUNT_MISMATCH] == CaseStatus.OPEN
        assert kinds[CaseKind.IN_DOUBT] != CaseStatus.WAITING_SECOND_PERSON

    def test_what_would_come_of_it_has_to_be_what_both_saw(self, doubt: Case, maker: User, lead: User) -> None:
        """Of an order that is cancelled meanwhile the money would go straight back."""
        approval = ask(doubt, maker, Action.RECORD_CHARGED, amount_minor=84_000)
        assert doubt.payment is not None
        cancel_order(order_id=doubt.payment.order_id, actor=Actor.user(lead))

        assert refused(lambda: agree(approval, lead)) == "stale"

        assert Attempt.objects.get(payment=doubt.payment_id).status == AttemptStatus.UNKNOWN
        assert not Refund.objects.filter(payment=doubt.payment_id).exists()

    @pytest.mark.parametrize(
        ("action", "status"),
        [
            (Action.RECORD_REFUND_MADE, RefundStatus.COMPLETED),
            (Action.RECORD_REFUND_NOT_MADE, RefundStatus.FAILED),
        ],
    )
    def test_so_is_a_refund(self, house: World, maker: User, lead: User, action: Action, status: RefundStatus) -> None:
        refund = house.refund
        happened(RefundEvent.PROLONGED, refund.payment, refund=str(refund.pk), attempt=str(refund.attempt_id))
        case = Case.objects.get(kind=CaseKind.REFUND_IN_DOUBT)

        approval = ask(case, maker, action)
        assert Refund.objects.get(pk=refund.pk).status == RefundStatus.REQUESTED
        agree(approval, lead)

        assert Refund.objects.get(pk=refund.pk).status == status
        assert not Case.objects.get(pk=case.pk).is_waiting

    def test_what_cannot_be_done_is_not_asked_of_anybody(self, house: World, doubt: Case, maker: User) -> None:
        Payment.objects.filter(pk=about(doubt)).update(lease_until="2099-01-01T00:00Z")
        before = AuditEntry.objects.count()

        assert refused(lambda: ask(doubt, maker, Action.RECORD_NOT_CHARGED)) == "being_sent"
        assert refused(lambda: ask(doubt, maker, Action.RECORD_CHARGED, amount_minor=0)) == "bad_amount"

        assert not Approval.objects.exists()
        assert AuditEntry.objects.count() == before
        assert Case.objects.get(pk=doubt.pk).status == CaseStatus.OPEN

    def test_trying_it_out_leaves_nothing_behind(self, doubt: Case, maker: User) -> None:
        events = Event.objects.exclude(stream_kind="case").count()

        ask(doubt, maker, Action.RECORD_CHARGED, amount_minor=84_000)

        assert Event.objects.exclude(stream_kind="case").count() == events
        assert Attempt.objects.get(payment=doubt.payment_id).captured_minor == 0
        assert not Transition.objects.filter(subject_id=about(doubt), to_status="completed").exists()

    def test_it_is_about_that_attempt_and_none_that_came_since(
        self, doubt: Case, maker: User, lead: User, house: World
    ) -> None:
        """The doubt ended by itself, the guest tried again, and again nobody knows."""
        approval = ask(doubt, maker, Action.RECORD_CHARGED, amount_minor=84_000)
        told(house.doubtful, Finding.DECLINED)
        retry_payment(payment_id=about(doubt), actor=Actor.user(maker))

        assert refused(lambda: agree(approval, lead)) == "already_decided"
        assert Approval.objects.get().status == ApprovalStatus.OVERTAKEN
        assert not Attempt.objects.filter(payment=doubt.payment_id, captured_minor__gt=0).exists()


class TestWhoAgrees:
    def test_not_the_maker(self, doubt: Case, maker: User, lead: User, house: World) -> None:
        admin = staff(house.restaurant, Role.ADMIN)
        for person in (maker, lead, admin):
            approval = ask(Case.objects.get(pk=doubt.pk), person, Action.RECORD_NOT_CHARGED)
            for verdict in (Verdict.APPROVE, Verdict.REJECT):
                assert refused(partial(reply, approval, person, verdict)) == "maker_is_checker"
            assert Payment.objects.get(pk=about(doubt)).in_doubt
            reply(approval, person, Verdict.WITHDRAW)

    @pytest.mark.parametrize("role", [Role.FINANCE, Role.WAITER, Role.AUDITOR, Role.CUSTOMER])
    def test_not_without_the_role(self, doubt: Case, maker: User, lead: User, house: World, role: Role) -> None:
        approval, other = ask(doubt, maker, Action.RECORD_NOT_CHARGED), staff(house.restaurant, role)

        assert refused(lambda: agree(approval, other)) == "not_a_checker"
        assert refused(lambda: reply(approval, other, Verdict.REJECT)) == "not_a_checker"
        assert refused(lambda: reply(approval, other, Verdict.WITHDRAW)) == "not_the_maker"

    def test_not_from_next_door(self, doubt: Case, maker: User, lead: User) -> None:
        approval, other = ask(doubt, maker, Action.RECORD_NOT_CHARGED), staff(RestaurantFactory.create(), Role.ADMIN)

        assert refused(lambda: agree(approval, other)) == "not_a_checker"


class TestWithoutConsent:
    @pytest.fixture
    def approval(self, doubt: Case, maker: User, lead: User) -> Approval:
        return ask(doubt, maker, Action.RECORD_NOT_CHARGED)

    @pytest.mark.parametrize("verdict", [Verdict.REJECT, Verdict.WITHDRAW])
    def test_the_maker_goes_on(
        self, approval: Approval, doubt: Case, maker: User, lead: User, verdict: Verdict
    ) -> None:
        reply(approval, lead if verdict == Verdict.REJECT else maker, verdict, reason="Look once more.")

        case = Case.objects.get(pk=doubt.pk)
        ended = {Verdict.REJECT: ApprovalStatus.REJECTED, Verdict.WITHDRAW: ApprovalStatus.WITHDRAWN}
        assert Approval.objects.get().status == ended[verdict]
        assert (case.status, case.owner) == (CaseStatus.ASSIGNED, maker)
        assert Payment.objects.get(pk=about(doubt)).in_doubt
        ask(case, maker, Action.RECORD_CHARGED, amount_minor=84_000)

    @pytest.mark.parametrize("verdict", [Verdict.REJECT, Verdict.WITHDRAW])
    def test_a_reason_is_given(self, approval: Approval, maker: User, lead: User, verdict: Verdict) -> None:
        who = lead if verdict == Verdict.REJECT else maker
        assert refused(lambda: reply(approval, who, verdict, reason="")) == "no_reason"

    def test_nobody_answers_for_a_day(
        self, approval: Approval, doubt: Case, maker: User, lead: User, time: ShiftedClock
    ) -> None:
        assert expire_approvals in ALSO
        assert expire_approvals() == 0
        time.advance(seconds=LASTS.total_seconds())

        assert [expire_approvals(), expire_approvals()] == [1, 0]
        assert refused(lambda: agree(approval, lead)) == "already_decided"

        case = Case.objects.get(pk=doubt.pk)
        assert (case.status, case.owner) == (CaseStatus.ASSIGNED, maker)
        assert Transition.objects.filter(subject_id=approval.pk).latest("id").actor_kind == "system"

    @pytest.mark.parametrize("verdict", Verdict)
    def test_whoever_answers_too_late_frees_the_case_where_no_clock_has_come_by(
        self, doubt: Case, maker: User, lead: User, time: ShiftedClock, verdict: Verdict
    ) -> None:
        approval = ask(doubt, maker, Action.RECORD_NOT_CHARGED)
        time.advance(seconds=LASTS.total_seconds())

        person = maker if verdict == Verdict.WITHDRAW else lead
        assert refused(lambda: reply(approval, person, verdict)) == "already_decided"

        assert Approval.objects.get().status == ApprovalStatus.EXPIRED
        assert Case.objects.get(pk=doubt.pk).status == CaseStatus.ASSIGNED
        assert ask(doubt, maker, Action.RECORD_NOT_CHARGED).is_pending

    def test_it_ends_by_itself(self, approval: Approval, doubt: Case, lead: User, house: World) -> None:
        told(house.doubtful, Finding.DECLINED)

        assert Approval.objects.get().status == ApprovalStatus.OVERTAKEN
        assert Case.objects.get(pk=doubt.pk).status == CaseStatus.RESOLVED
        assert refused(lambda: agree(approval, lead)) == "already_decided"


class TestWhileItWaits:
    @pytest.fixture
    def approval(self, doubt: Case, maker: User, lead: User) -> Approval:
        return ask(doubt, maker, Action.RECORD_NOT_CHARGED)

    @pytest.mark.parametrize("action", [*OFFERED[CaseKind.IN_DOUBT], Action.RESOLVE, Action.DISMISS])
    def test_nothing_else_is_decided(self, approval: Approval, doubt: Case, lead: User, action: Action) -> None:
        amount = 84_000 if action == Action.RECORD_CHARGED else None
        assert refused(lambda: ask(doubt, lead, action, amount_minor=amount)) == "waits_for_approval"

    def test_nobody_takes_it_away(self, approval: Approval, doubt: Case, lead: User) -> None:
        Case.objects.exclude(pk=doubt.pk).update(owner=lead)

        assert refused(lambda: assign_case(case_id=doubt.pk, person=lead)) == "waits_for_approval"
        assert take_next_case(restaurant_ids=[doubt.restaurant_id], mode=Mode.TEST, person=lead) is None

    def test_an_old_page_decides_nothing(self, approval: Approval, doubt: Case, lead: User) -> None:
        assert refused(lambda: reply(approval, lead, Verdict.APPROVE, version=doubt.version)) == "stale"
        assert Payment.objects.get(pk=about(doubt)).in_doubt

    def test_a_second_press_is_the_first(self, approval: Approval, doubt: Case, lead: User) -> None:
        call, yes = call_about(doubt), Reply(verdict=Verdict.APPROVE)

        decide_approval(approval_id=approval.pk, reply=yes, person=lead, call=call)
        with pytest.raises(KeyTaken):
            decide_approval(approval_id=approval.pk, reply=yes, person=lead, call=call)

        assert AuditEntry.objects.filter(action="approve").count() == 1


class TestWritingOff:
    @pytest.fixture
    def lost(self, house: World) -> Case:
        """The guest has left, and no provider had taken the money."""
        happened(PaymentEvent.EXHAUSTED, house.failed.payment)
        return Case.objects.get(kind=CaseKind.EXHAUSTED, payment=house.failed.payment_id)

    def test_ends_the_case_and_says_how_much(self, lost: Case, maker: User, lead: User) -> None:
        approval = ask(lost, maker, Action.WRITE_OFF)
        assert (approval.data["amount_minor"], approval.data["currency"]) == (84_000, "INR")
        assert Case.objects.get(pk=lost.pk).outcome == ""

        agree(approval, lead)

        case = Case.objects.get(pk=lost.pk)
        assert (case.status, case.outcome) == (CaseStatus.RESOLVED, Outcome.WRITTEN_OFF)
        assert case.resolution == f"Written off. Asked for: “{WHY}” Agreed to: “Seen as well.”"
        event = Event.objects.get(stream_id=case.pk, type="case.written_off")
        assert (event.data["amount_minor"], event.data["currency"]) == (84_000, "INR")
        assert Payment.objects.get(pk=about(lost)).status == PaymentStatus.FAILED

    def test_is_not_a_way_to_close_a_case_alone(self, lost: Case, maker: User) -> None:
        def close() -> Case:
            return resolve_case(case_id=lost.pk, person=maker, reason=WHY, outcome=Outcome.WRITTEN_OFF)

        assert refused(close) == "needs_two"
        assert Case.objects.get(pk=lost.pk).is_waiting

    def test_asks_again_where_another_amount_is_lost_by_now(self, lost: Case, maker: User, lead: User) -> None:
        approval = ask(lost, maker, Action.WRITE_OFF)
        pay_for(lost, minor=50_000)

        assert refused(lambda: agree(approval, lead)) == "stale"
        assert Case.objects.get(pk=lost.pk).status == CaseStatus.WAITING_SECOND_PERSON

    def test_of_a_chargeback_is_what_went_back(self, house: World, maker: User, lead: User) -> None:
        refund = house.refund
        happened(RefundEvent.STARTED_BY_PROVIDER, refund.payment, refund=str(refund.pk))
        case = Case.objects.get(kind=CaseKind.PROVIDER_REFUND)

        approval = ask(case, maker, Action.WRITE_OFF)
        agree(approval, lead)

        assert approval.data["amount_minor"] == refund.total_minor
        assert Case.objects.get(pk=case.pk).outcome == Outcome.WRITTEN_OFF

    def test_gives_one_bill_up_once(self, house: World, lost: Case, maker: User, lead: User) -> None:
        """The guest tried twice, both failed, and left: two cases about the same money."""
        assert lost.payment is not None
        second = begin_attempt(payment_id=accepted(lost.payment.order).pk)
        assert second is not None
        told(second.attempt, Finding.DECLINED, code=ErrorCode.CARD_DECLINED)
        happened(PaymentEvent.EXHAUSTED, Payment.objects.get(pk=second.attempt.payment_id))
        other = Case.objects.get(kind=CaseKind.EXHAUSTED, payment=second.attempt.payment_id)
        asked = ask(other, maker, Action.WRITE_OFF)

        agree(ask(lost, maker, Action.WRITE_OFF), lead)

        assert refused(lambda: agree(asked, lead)) == "nothing_lost"
        assert Event.objects.filter(type="case.written_off").count() == 1

    def test_has_nothing_to_write_off_where_nothing_is_owed(self, lost: Case, maker: User) -> None:
        pay_for(lost, minor=84_000)

        assert refused(lambda: ask(lost, maker, Action.WRITE_OFF)) == "nothing_lost"


def pay_for(case: Case, *, minor: int) -> None:
    """The guest came back, and paid so much of the same bill."""
    assert case.payment is not None
    sending = begin_attempt(payment_id=accepted(case.payment.order, amount_minor=minor).pk)
    assert sending is not None
    told(sending.attempt, Finding.SUCCEEDED, minor=minor)


class TestReopening:
    @pytest.fixture
    def ended(self, house: World, maker: User) -> Case:
        happened(PaymentEvent.CONTRADICTED, Payment.objects.get(pk=house.kept.payment_id))
        case = Case.objects.get(kind=CaseKind.CONTRADICTION, payment=house.kept.payment_id)
        return dismiss_case(case_id=case.pk, person=maker, reason=WHY)

    def test_needs_a_second_person_as_well(self, ended: Case, maker: User, lead: User) -> None:
        approval = ask(ended, maker, Action.REOPEN)
        assert Case.objects.get(pk=ended.pk).status == CaseStatus.DISMISSED

        agree(approval, lead)

        case = Case.objects.get(pk=ended.pk)
        assert (case.status, case.owner, case.outcome, case.closed_at) == (CaseStatus.ASSIGNED, maker, "", None)

    def test_is_not_needed_where_news_reopened_it(self, ended: Case, maker: User, lead: User, house: World) -> None:
        approval = ask(ended, maker, Action.REOPEN)
        happened(PaymentEvent.CONTRADICTED, Payment.objects.get(pk=house.kept.payment_id), reason="Once more.")

        assert Approval.objects.get().status == ApprovalStatus.OVERTAKEN
        assert refused(lambda: agree(approval, lead)) == "already_decided"

    def test_an_open_case_is_not_opened(self, doubt: Case, maker: User) -> None:
        assert refused(lambda: ask(doubt, maker, Action.REOPEN)) == "no_such_action"


def test_every_action_that_needs_two_is_done_by_nobody_alone() -> None:
    """A list that somebody must not shorten in passing."""
    assert {action.value for action in NEEDS_TWO} == {
        *("record_charged", "record_not_charged", "record_refund_made", "record_refund_not_made"),
        *("record_given_back", "record_paid_elsewhere", "write_off", "reopen"),
    }


def test_a_shell_gets_no_further_than_the_desk(doubt: Case, maker: User, lead: User) -> None:
    approval = ask(doubt, maker, Action.RECORD_NOT_CHARGED)

    assert refused(lambda: record_sighting(approval_id=approval.pk, person=maker)) == "not_approved"
    assert refused(lambda: record_sighting(approval_id=approval.pk, person=lead)) == "not_approved"
    assert Payment.objects.get(pk=about(doubt)).in_doubt


def test_unknown_requests_are_unknown(house: World, lead: User) -> None:
    with pytest.raises(Approval.DoesNotExist):
        decide_approval(approval_id=UUID(int=5), reply=Reply(verdict=Verdict.APPROVE), person=lead)
