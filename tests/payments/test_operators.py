"""What a named human decides where evidence is missing: with a reason, through the one door, never while it is sent."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import structlog

from accounts.models import Approval, Membership, Restaurant, Role, User
from events.actors import GUEST
from events.models import Event, Transition
from failures.models import Case, CaseKind, CaseStatus
from kernel import clock
from kernel.money import Money
from orders.models import Order, PaymentState
from orders.services import cancel_order
from payments.gateways.contract import ErrorCode, Outcome
from payments.models import (
    Attempt,
    AttemptStatus,
    Capture,
    NextAction,
    Payment,
    PaymentStatus,
    Refund,
    RefundOrigin,
    RefundStatus,
)
from payments.services.attempts import begin_attempt
from payments.services.evidence import Evidence, Finding, Source
from payments.services.facts import PaymentEvent
from payments.services.leases import claim_payments
from payments.services.mismatches import MismatchChoice
from payments.services.operators import resolve_mismatch
from payments.services.refusals import PaymentRefused, RefundRefused
from payments.services.settlement import settle_attempt
from payments.services.sweeps import sweep_payments, sweep_refunds
from tests.factories import RestaurantFactory, accepted, order_of, paid, staff
from tests.scripted import ScriptedGateway, outcome, succeeded
from tests.time_machine import StrayClock
from tests.two_people import record_charged, record_not_charged

REASON = "The provider's dashboard shows it."
KEEP, REFUND_ALL, REFUND_DIFFERENCE = MismatchChoice


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


def captured(
    restaurant: Restaurant, provider: ScriptedGateway, minor: int, currency: str = "INR", **draft: Any
) -> Payment:
    """A payment for which the provider captured another amount than it was asked for."""
    order = draft.pop("order", None) or order_of(restaurant)
    provider.charges.append(succeeded(Money(minor, currency)))
    payment = paid(order, **draft)
    assert Attempt.objects.get(payment=payment).mismatch
    return payment


def in_doubt(restaurant: Restaurant, provider: ScriptedGateway) -> Payment:
    provider.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    return paid(order_of(restaurant))


def decided(payment: Payment, choice: MismatchChoice, person: User, reason: str = REASON) -> Payment:
    return resolve_mismatch(payment_id=payment.pk, choice=choice, person=person, reason=reason)


def not_charged(payment: Payment, person: User, reason: str = REASON) -> Payment:
    return record_not_charged(payment_id=payment.pk, person=person, reason=reason)


def everything() -> list[Any]:
    """All that a refused decision must leave as it was."""
    return [
        list(model._default_manager.order_by("pk").values())
        for model in (Order, Payment, Attempt, Refund, Case, Event, Transition)
    ]


def refused(act: Callable[[], Any], provider: ScriptedGateway) -> str:
    before, asked = everything(), list(provider.asked)
    with pytest.raises(PaymentRefused) as refusal:
        act()
    assert everything() == before
    assert provider.asked == asked
    return refusal.value.code


def test_a_mismatch_waits_for_a_human_and_for_nothing_else(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    payment = captured(restaurant, provider_a, 90_000)

    assert (payment.status, payment.in_doubt, payment.next_action) == ("processing", True, NextAction.NONE)
    case = Case.objects.get()
    assert (case.kind, case.data["expected"], case.data["captured"]) == (
        CaseKind.AMOUNT_MISMATCH,
        [84_000, "INR"],
        [90_000, "INR"],
    )
    assert sweep_payments(width=1) == 0


def test_too_little_can_be_kept_and_the_rest_stays_due(
    restaurant: Restaurant, provider_a: ScriptedGateway, finance: User
) -> None:
    payment = captured(restaurant, provider_a, 80_000)

    payment = decided(payment, KEEP, finance)

    assert (payment.status, payment.in_doubt) == (PaymentStatus.COMPLETED, False)
    attempt = Attempt.objects.get()
    assert (attempt.status, attempt.capture, attempt.mismatch) == (AttemptStatus.SUCCEEDED, Capture.KEPT, False)
    assert attempt.captured_minor == 80_000
    assert Refund.objects.count() == 0
    assert Case.objects.get().status == CaseStatus.RESOLVED
    order = Order.objects.get()
    assert order.payment_state == PaymentState.PART_PAID
    assert accepted(order).amount_minor == 4_000


def test_too_much_of_a_share_can_be_kept_while_the_bill_is_that_high(
    restaurant: Restaurant, provider_a: ScriptedGateway, finance: User
) -> None:
    payment = captured(restaurant, provider_a, 60_000, amount_minor=50_000)

    decided(payment, KEEP, finance)

    assert Attempt.objects.get().capture == Capture.KEPT
    assert accepted(Order.objects.get()).amount_minor == 24_000


def test_the_difference_goes_back_and_the_rest_is_kept(
    restaurant: Restaurant, provider_a: ScriptedGateway, finance: User
) -> None:
    payment = captured(restaurant, provider_a, 96_000, tip_minor=6_000)

    payment = decided(payment, REFUND_DIFFERENCE, finance)
    sweep_refunds(width=1)

    assert payment.status == PaymentStatus.COMPLETED
    refund = Refund.objects.get()
    assert (refund.total_minor, refund.origin, refund.status) == (6_000, RefundOrigin.PERSON, RefundStatus.COMPLETED)
    assert (refund.reason, refund.requested_by) == (REASON, str(finance.pk))
    attempt = Attempt.objects.get()
    assert (attempt.capture, attempt.refunded_minor, attempt.refunding_minor) == (Capture.KEPT, 6_000, 0)
    assert Order.objects.get().payment_state == PaymentState.PAID
    assert [request.money for verb, request in provider_a.asked if verb == "refund"] == [Money(6_000, "INR")]


@pytest.mark.parametrize(("minor", "currency"), [(80_000, "INR"), (90_000, "INR"), (84_000, "USD")])
def test_all_of_it_can_always_go_back(
    restaurant: Restaurant, provider_a: ScriptedGateway, finance: User, minor: int, currency: str
) -> None:
    payment = captured(restaurant, provider_a, minor, currency)

    payment = decided(payment, REFUND_ALL, finance)
    sweep_refunds(width=1)

    assert payment.status == PaymentStatus.COMPLETED
    attempt, refund = Attempt.objects.get(), Refund.objects.get()
    assert (attempt.status, attempt.capture, attempt.refunded_minor) == ("succeeded", Capture.SURPLUS, minor)
    assert (refund.origin, refund.currency, refund.status) == (RefundOrigin.SURPLUS, currency, "completed")
    assert Order.objects.get().payment_state == PaymentState.UNPAID
    cases = {case.kind: case.status for case in Case.objects.all()}
    assert cases == {CaseKind.AMOUNT_MISMATCH: CaseStatus.RESOLVED, CaseKind.SURPLUS: CaseStatus.RESOLVED}
    assert accepted(Order.objects.get()).amount_minor == 84_000


def test_who_decided_and_why_is_in_the_history_and_the_events(
    restaurant: Restaurant, provider_a: ScriptedGateway, finance: User
) -> None:
    payment = captured(restaurant, provider_a, 80_000)

    decided(payment, KEEP, finance)

    step = Transition.objects.get(subject_kind="attempt", to_status="succeeded")
    assert (step.reason, step.actor_kind, step.actor_id) == (REASON, "user", str(finance.pk))
    assert step.evidence["source"] == "operator"
    event = Event.objects.get(type=PaymentEvent.MISMATCH_RESOLVED)
    assert (event.data, event.actor_id) == ({"choice": "keep"}, str(finance.pk))
    assert Event.objects.get(type=PaymentEvent.COMPLETED).data["amount_minor"] == 80_000


def test_another_currency_cannot_be_kept(restaurant: Restaurant, provider_a: ScriptedGateway, finance: User) -> None:
    payment = captured(restaurant, provider_a, 84_000, "USD")

    assert refused(partial(decided, payment, KEEP, finance), provider_a) == "currency"
    assert refused(partial(decided, payment, REFUND_DIFFERENCE, finance), provider_a) == "currency"


def test_less_than_asked_leaves_no_difference(
    restaurant: Restaurant, provider_a: ScriptedGateway, finance: User
) -> None:
    payment = captured(restaurant, provider_a, 80_000)

    assert refused(partial(decided, payment, REFUND_DIFFERENCE, finance), provider_a) == "too_little"


def test_more_than_is_due_cannot_be_kept(restaurant: Restaurant, provider_a: ScriptedGateway, finance: User) -> None:
    payment = captured(restaurant, provider_a, 90_000)

    assert refused(partial(decided, payment, KEEP, finance), provider_a) == "not_due"
    assert decided(payment, REFUND_DIFFERENCE, finance).status == PaymentStatus.COMPLETED


def test_nothing_of_it_can_be_kept_for_a_cancelled_or_a_covered_order(
    restaurant: Restaurant, provider_a: ScriptedGateway, finance: User
) -> None:
    cancelled = captured(restaurant, provider_a, 90_000)
    cancel_order(order_id=cancelled.order_id, actor=GUEST)
    covered = captured(restaurant, provider_a, 60_000, amount_minor=50_000)
    paid(covered.order, amount_minor=34_000)

    for payment, choice in ((cancelled, KEEP), (cancelled, REFUND_DIFFERENCE), (covered, KEEP)):
        assert refused(partial(decided, payment, choice, finance), provider_a) == "not_due"
    assert decided(cancelled, REFUND_ALL, finance).status == PaymentStatus.COMPLETED
    assert decided(covered, REFUND_DIFFERENCE, finance).status == PaymentStatus.COMPLETED
    assert Order.objects.get(pk=covered.order_id).payment_state == PaymentState.PAID


def test_less_than_the_tip_pays_for_nothing(restaurant: Restaurant, provider_a: ScriptedGateway, finance: User) -> None:
    payment = captured(restaurant, provider_a, 6_000, tip_minor=6_000)

    assert refused(partial(decided, payment, KEEP, finance), provider_a) == "not_due"


def test_a_mismatch_is_decided_once(restaurant: Restaurant, provider_a: ScriptedGateway, finance: User) -> None:
    payment = captured(restaurant, provider_a, 80_000)
    decided(payment, KEEP, finance)

    for choice in MismatchChoice:
        assert refused(partial(decided, payment, choice, finance), provider_a) == "not_open"


def test_where_no_amount_waits_there_is_nothing_to_decide(
    restaurant: Restaurant, provider_a: ScriptedGateway, finance: User
) -> None:
    payment = in_doubt(restaurant, provider_a)

    for choice in MismatchChoice:
        assert refused(partial(decided, payment, choice, finance), provider_a) == "no_mismatch"


def test_a_human_who_saw_that_nothing_was_charged_ends_the_doubt(
    restaurant: Restaurant, provider_a: ScriptedGateway, provider_b: ScriptedGateway, finance: User
) -> None:
    payment = not_charged(in_doubt(restaurant, provider_a), finance)

    assert (payment.status, payment.failure_code, payment.in_doubt) == (PaymentStatus.FAILED, "cancelled", False)
    assert payment.next_action == NextAction.NONE
    attempt = Attempt.objects.get()
    assert (attempt.status, attempt.error_message) == (AttemptStatus.NOT_CHARGED, REASON)
    step = Transition.objects.get(subject_id=attempt.pk, to_status="not_charged")
    approval = Approval.objects.get(pk=step.evidence["approval"])
    assert (approval.maker, approval.checker_id != finance.pk) == (finance, True)
    assert (step.reason, step.actor_id) == (REASON, str(approval.checker_id))
    assert (step.evidence["source"], step.evidence["finding"]) == ("operator", "not_charged")
    assert provider_b.asked == []
    assert accepted(Order.objects.get()).amount_minor == 84_000


def test_a_human_may_be_wrong_and_late_money_is_still_seen(
    restaurant: Restaurant, provider_a: ScriptedGateway, finance: User
) -> None:
    not_charged(in_doubt(restaurant, provider_a), finance)
    attempt = Attempt.objects.get()
    assert attempt.watch_at is not None

    news = Evidence(source=Source.LOOK_UP, finding=Finding.SUCCEEDED, money=Money(84_000, "INR"))
    settle_attempt(attempt_id=attempt.pk, evidence=news)

    assert Payment.objects.get().status == PaymentStatus.COMPLETED
    assert Attempt.objects.get().status == AttemptStatus.LATE_SUCCESS
    assert Case.objects.get().kind == CaseKind.LATE_SUCCESS


def test_a_guest_who_never_came_back_is_recorded_as_not_charged(
    restaurant: Restaurant, provider_a: ScriptedGateway, finance: User
) -> None:
    provider_a.charges.append(outcome(Outcome.PENDING))
    payment = not_charged(paid(order_of(restaurant)), finance)

    assert (payment.status, Attempt.objects.get().status) == (PaymentStatus.FAILED, AttemptStatus.NOT_CHARGED)


@pytest.mark.parametrize("record", [record_not_charged, partial(record_charged, captured_minor=84_000)])
def test_of_captured_money_it_is_not_recorded_whether_it_was_charged(
    restaurant: Restaurant, provider_a: ScriptedGateway, finance: User, record: Callable[..., Payment]
) -> None:
    payment = captured(restaurant, provider_a, 90_000)

    assert refused(partial(record, payment_id=payment.pk, person=finance), provider_a) == "captured"


def test_a_process_that_is_minutes_ahead_takes_nobodys_lease_for_over(
    restaurant: Restaurant, provider_a: ScriptedGateway, finance: User
) -> None:
    payment = in_doubt(restaurant, provider_a)
    Payment.objects.filter(pk=payment.pk).update(next_action_at=clock.now())
    assert [claim.id for claim in claim_payments()] == [payment.pk]
    clock.install(StrayClock(minutes=10))

    assert refused(partial(not_charged, payment, finance), provider_a) == "being_sent"


def test_nothing_is_decided_while_it_is_being_sent(
    restaurant: Restaurant, provider_a: ScriptedGateway, finance: User
) -> None:
    sending = begin_attempt(payment_id=accepted(order_of(restaurant)).pk)
    assert sending is not None
    payment = sending.payment

    assert refused(partial(not_charged, payment, finance), provider_a) == "being_sent"
    for choice in MismatchChoice:
        assert refused(partial(decided, payment, choice, finance), provider_a) == "no_mismatch"
    assert Attempt.objects.get().status == AttemptStatus.SENT


def test_what_is_over_and_what_has_not_begun_is_not_open(
    restaurant: Restaurant, provider_a: ScriptedGateway, finance: User
) -> None:
    provider_a.charges.append(outcome(Outcome.DECLINED, ErrorCode.CARD_DECLINED))
    payments = [paid(order_of(restaurant)), paid(order_of(restaurant)), accepted(order_of(restaurant))]

    for payment in payments:
        assert refused(partial(not_charged, payment, finance), provider_a) == "not_open"
        assert refused(partial(decided, payment, REFUND_ALL, finance), provider_a) == "not_open"


STRANGERS: dict[str, Callable[[Restaurant], User]] = {
    "a customer": lambda restaurant: staff(restaurant, Role.CUSTOMER),
    "a waiter": lambda restaurant: staff(restaurant, Role.WAITER),
    "finance of another restaurant": lambda _: staff(RestaurantFactory.create(), Role.FINANCE),
    "finance that was locked out": lambda restaurant: _locked_out(staff(restaurant, Role.FINANCE)),
    "finance that was dismissed": lambda restaurant: _dismissed(staff(restaurant, Role.FINANCE)),
}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_only_finance_of_this_restaurant_decides(
    restaurant: Restaurant, provider_a: ScriptedGateway, stranger: str
) -> None:
    person = STRANGERS[stranger](restaurant)
    doubtful, mismatched = in_doubt(restaurant, provider_a), captured(restaurant, provider_a, 90_000)

    assert refused(partial(not_charged, doubtful, person), provider_a) == "not_finance_here"
    assert refused(partial(decided, mismatched, REFUND_ALL, person), provider_a) == "not_finance_here"


@pytest.mark.parametrize("reason", ["", "   ", "ok"])
def test_nothing_is_decided_without_a_reason(
    restaurant: Restaurant, provider_a: ScriptedGateway, finance: User, reason: str
) -> None:
    doubtful, mismatched = in_doubt(restaurant, provider_a), captured(restaurant, provider_a, 90_000)

    assert refused(partial(not_charged, doubtful, finance, reason), provider_a) == "no_reason"
    assert refused(partial(decided, mismatched, REFUND_ALL, finance, reason), provider_a) == "no_reason"


def test_an_admin_decides_too(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    payment = not_charged(in_doubt(restaurant, provider_a), staff(restaurant, Role.ADMIN))

    assert payment.status == PaymentStatus.FAILED


def _locked_out(person: User) -> User:
    person.is_active = False
    person.save()
    return person


def _dismissed(person: User) -> User:
    Membership.objects.filter(user=person).delete()
    return person


def test_giving_another_amount_back_counts_among_the_refunds_of_an_hour(
    restaurant: Restaurant, provider_a: ScriptedGateway, finance: User, settings: Any
) -> None:
    settings.STEWARD_REFUNDS_PER_HOUR = 1
    payments = [captured(restaurant, provider_a, 96_000) for _ in range(2)]

    with structlog.contextvars.bound_contextvars(request_id="of a page"):
        decided(payments[0], REFUND_DIFFERENCE, finance)
        with pytest.raises(RefundRefused) as refused:
            decided(payments[1], REFUND_ALL, finance)

    assert refused.value.code == "too_many_refunds"
