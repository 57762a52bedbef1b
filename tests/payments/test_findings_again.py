"""What a third reader found, so that it stays found: each of these was once false."""

from __future__ import annotations

from datetime import timedelta

import pytest

from accounts.models import Restaurant, Role
from events.actors import GUEST
from events.models import Event
from failures.models import Case
from failures.services.facts import CaseRefused
from failures.services.working import dismiss_case
from kernel import crashpoints
from kernel.crashpoints import CrashPoint
from kernel.money import Money
from orders.models import Order
from payments.gateways.contract import (
    Answer,
    ErrorCode,
    LookUpResult,
    Outcome,
    RefundFact,
)
from payments.models import Attempt, NextAction, Payment, PaymentStatus, Refund, RefundStatus
from payments.services.attempts import resend_attempt, run_payment
from payments.services.cash import CashTaken, take_cash_against_doubt
from payments.services.evidence import Evidence, Finding, Source
from payments.services.mismatches import MismatchChoice
from payments.services.operators import resolve_mismatch
from payments.services.payments import cancel_payment, retry_payment
from payments.services.refund_requests import request_refund
from payments.services.refund_settlement import settle_refund
from payments.services.refusals import CashRefused
from payments.services.settlement import settle_attempt
from payments.services.sweeps import sweep_payments, sweep_refunds, sweep_watches
from tests.factories import accepted, order_of, paid, staff
from tests.payments.words import DECLINED, DUE, INR, REFUSED, TIMED_OUT, UNREACHABLE, news, waiting
from tests.scripted import ScriptedGateway, outcome, succeeded
from tests.time_machine import ShiftedClock
from tests.two_people import record_refund_made

PENDING = outcome(Outcome.PENDING)


def doubted_until_resend(restaurant: Restaurant, time: ShiftedClock) -> Payment:
    payment = paid(order_of(restaurant))
    attempt = Attempt.objects.get(payment=payment)
    for _ in range(2):
        time.jump_to(max(attempt.invisible_until, time.now() + timedelta(seconds=3)))
        settle_attempt(attempt_id=attempt.pk, evidence=Evidence(source=Source.LOOK_UP, finding=Finding.NOT_FOUND))
    assert Payment.objects.get(pk=payment.pk).next_action == NextAction.RESEND
    return payment


def test_no_second_provider_while_the_resend_is_under_way(
    restaurant: Restaurant, provider_a: ScriptedGateway, provider_b: ScriptedGateway, time: ShiftedClock
) -> None:
    provider_a.charges.append(TIMED_OUT)
    payment = doubted_until_resend(restaurant, time)
    attempt = Attempt.objects.get()
    done: list[int] = []

    def message(point: CrashPoint) -> None:  # Between the commit of the resend and its bytes.
        if point == CrashPoint.CHARGE_AFTER_COMMIT and not done:
            done.append(1)
            no = Evidence(source=Source.NOTICE, finding=Finding.DECLINED, code=ErrorCode.PROVIDER_ERROR)
            settle_attempt(attempt_id=attempt.pk, evidence=no)
            run_payment(payment_id=payment.pk)  # Another worker's sweep.

    previous = crashpoints.install(message)
    try:
        sweep_payments(width=1)
    finally:
        crashpoints.install(previous)
    assert (provider_a.count("charge"), provider_b.count("charge")) == (2, 0)


def test_no_second_refund_while_the_first_is_under_way(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    payment = paid(order_of(restaurant))
    refund = request_refund(payment_id=payment.pk, amount_minor=30_000, reason="cold food", actor=GUEST)
    provider_a.refunds.append(TIMED_OUT)
    sweep_refunds(width=1)
    for _ in range(2):
        time.jump_to(max(Refund.objects.get().invisible_until or time.now(), time.now() + timedelta(seconds=3)))
        settle_refund(refund_id=refund.pk, evidence=Evidence(source=Source.LOOK_UP, finding=Finding.NOT_FOUND))
    assert Refund.objects.get().next_action == NextAction.RESEND
    done: list[int] = []

    def message(point: CrashPoint) -> None:
        if point == CrashPoint.REFUND_AFTER_COMMIT and not done:
            done.append(1)
            settle_refund(refund_id=refund.pk, evidence=Evidence(source=Source.NOTICE, finding=Finding.DECLINED))
            assert Refund.objects.get().status == RefundStatus.PROCESSING  # Its sender is about to know.
            assert Attempt.objects.get().refunding_minor == 30_000

    previous = crashpoints.install(message)
    try:
        sweep_refunds(width=1)
    finally:
        crashpoints.install(previous)
    assert (Attempt.objects.get().refunded_minor, done) == (30_000, [1])


@pytest.mark.parametrize("kind", ["not_sent", "unknown"])
def test_nobody_is_sent_to_long_after_the_guest_s_time(
    restaurant: Restaurant, provider_a: ScriptedGateway, provider_b: ScriptedGateway, time: ShiftedClock, kind: str
) -> None:
    if kind == "not_sent":
        provider_a.charges.append(UNREACHABLE)
        provider_b.charges.append(UNREACHABLE)
        paid(order_of(restaurant))
        assert Payment.objects.get().next_action == NextAction.RESEND
    else:
        provider_a.charges.append(TIMED_OUT)
        doubted_until_resend(restaurant, time)
    sent = provider_a.count("charge") + provider_b.count("charge")
    time.advance(hours=12)  # The clock stood still.
    sweep_payments(width=1)
    assert provider_a.count("charge") + provider_b.count("charge") == sent


def late_40k(restaurant: Restaurant, provider_a: ScriptedGateway, order: Order) -> Attempt:
    provider_a.charges.append(DECLINED)
    failed = paid(order, amount_minor=42_000)
    return Attempt.objects.get(payment=failed)


def test_late_money_that_covers_one_share_leaves_the_other_payable(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    order = order_of(restaurant)
    late = late_40k(restaurant, provider_a, order)
    first = accepted(order, amount_minor=42_000)
    provider_a.charges.append(PENDING)
    second = paid(order, amount_minor=42_000)
    news(late, Money(42_000, INR))  # 42k of the 84k are covered: one of the two shares is still wanted.
    assert Payment.objects.get(pk=second.pk).close_wanted
    run_payment(payment_id=first.pk)
    assert Payment.objects.get(pk=first.pk).failure_code == ""  # 42 000 are due.


def test_what_is_withdrawn_already_is_withdrawn_first(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    order = order_of(restaurant)
    late = late_40k(restaurant, provider_a, order)
    provider_a.charges.append(PENDING)
    old = paid(order, amount_minor=42_000)
    cancel_payment(payment_id=old.pk, actor=GUEST)  # Waits for the provider to close it.
    young = accepted(order, amount_minor=42_000)
    news(late, Money(42_000, INR))
    assert Payment.objects.get(pk=young.pk).failure_code == ""


def test_a_doubt_about_a_refund_that_once_was_slow_has_a_case(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    payment = paid(order_of(restaurant))
    refund = request_refund(payment_id=payment.pk, reason="cold food", actor=GUEST)
    provider_a.refunds.append(PENDING)
    sweep_refunds(width=1)
    time.advance(minutes=16)
    settle_refund(refund_id=refund.pk, evidence=Evidence(source=Source.LOOK_UP, finding=Finding.PENDING))
    assert waiting() == ["refund_in_doubt"]
    settle_refund(refund_id=refund.pk, evidence=Evidence(source=Source.NOTICE, finding=Finding.SUCCEEDED, money=DUE))
    assert waiting() == []
    time.advance(days=2)
    settle_refund(refund_id=refund.pk, evidence=Evidence(source=Source.NOTICE, finding=Finding.DECLINED))
    for _ in range(30):
        time.jump_to(Refund.objects.get().next_action_at or time.now())
        sweep_refunds(width=1)  # Nobody answers, for a day.
    assert waiting() == ["refund_in_doubt"]


def test_a_bounce_after_a_failed_difference_is_no_poison(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    provider_a.charges.append(succeeded(Money(50_000, INR)))
    payment = paid(order_of(restaurant), amount_minor=40_000)
    resolve_mismatch(
        payment_id=payment.pk,
        choice=MismatchChoice.REFUND_DIFFERENCE,
        person=staff(restaurant, Role.FINANCE),
        reason="Too much was taken.",
    )
    provider_a.refunds.append(REFUSED)
    sweep_refunds(width=1)
    Attempt.objects.update(watch_at=None)
    refund = request_refund(payment_id=payment.pk, reason="wrong card", actor=GUEST, reopens_order=True)
    sweep_refunds(width=1)
    assert Refund.objects.get(pk=refund.pk).status == RefundStatus.COMPLETED
    settle_refund(refund_id=refund.pk, evidence=Evidence(source=Source.LOOK_UP, finding=Finding.DECLINED))


def test_what_comes_back_of_a_surplus_can_be_given_back(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    provider_a.charges.append(DECLINED)
    payment = paid(order_of(restaurant))
    first = Attempt.objects.get()
    retry_payment(payment_id=payment.pk, actor=GUEST)
    sweep_payments(width=1)
    news(first, refunds=(RefundFact(reference="auto-1", money=Money(30_000, INR), succeeded=True),))
    sweep_refunds(width=1)
    assert Attempt.objects.get(pk=first.pk).refunded_minor == 84_000
    theirs = Refund.objects.get(provider_reference="auto-1")
    settle_refund(refund_id=theirs.pk, evidence=Evidence(source=Source.LOOK_UP, finding=Finding.DECLINED))
    assert "surplus" in waiting()  # (a) 30k that are not ours are held, and the case of the surplus is closed.


def test_what_comes_back_of_a_surplus_can_be_asked_for(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    provider_a.charges.append(DECLINED)
    payment = paid(order_of(restaurant))
    first = Attempt.objects.get()
    retry_payment(payment_id=payment.pk, actor=GUEST)
    sweep_payments(width=1)
    news(first, refunds=(RefundFact(reference="auto-1", money=Money(30_000, INR), succeeded=True),))
    sweep_refunds(width=1)
    theirs = Refund.objects.get(provider_reference="auto-1")
    settle_refund(refund_id=theirs.pk, evidence=Evidence(source=Source.LOOK_UP, finding=Finding.DECLINED))
    request_refund(payment_id=payment.pk, attempt_id=first.pk, reason="not ours", actor=GUEST)  # IntegrityError


def test_a_provider_s_own_refund_can_be_confirmed_by_a_person(
    restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    paid(order_of(restaurant))
    news(Attempt.objects.get(), refunds=(RefundFact(reference="cb-1", money=Money(30_000, INR), succeeded=True),))
    theirs = Refund.objects.get()
    settle_refund(refund_id=theirs.pk, evidence=Evidence(source=Source.NOTICE, finding=Finding.DECLINED))
    assert Refund.objects.get().next_action == NextAction.LOOK_UP
    record_refund_made(refund_id=theirs.pk, person=staff(restaurant, Role.FINANCE), reason="I see it there.")


def test_an_order_that_is_paid_anew_says_so(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    order = order_of(restaurant)
    payment = paid(order)
    request_refund(payment_id=payment.pk, reason="wrong card", actor=GUEST, reopens_order=True)
    sweep_refunds(width=1)
    paid(order)
    assert Order.objects.get().payment_state == "paid"
    assert Event.objects.filter(type="order.paid").count() == 2


def test_late_money_that_went_back_already_pays_for_nothing(
    restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    provider_a.charges.append(DECLINED)
    order = order_of(restaurant)
    paid(order)
    first = Attempt.objects.get()
    second = accepted(order)
    news(first, refunds=(RefundFact(reference="auto-1", money=DUE, succeeded=True),))
    assert Payment.objects.get(pk=second.pk).status != PaymentStatus.FAILED


def test_a_bounce_withdraws_what_somebody_is_about_to_pay(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    order = order_of(restaurant)
    payment = paid(order)
    refund = request_refund(payment_id=payment.pk, reason="wrong card", actor=GUEST, reopens_order=True)
    sweep_refunds(width=1)
    provider_a.charges.append(PENDING)
    second = paid(order)
    settle_refund(refund_id=refund.pk, evidence=Evidence(source=Source.LOOK_UP, finding=Finding.DECLINED))
    second = Payment.objects.get(pk=second.pk)
    # Either the order stays open for the second guest, or the second guest is not asked any more.
    assert Order.objects.get().payment_state != "paid" or second.close_wanted


def test_a_provider_s_refund_that_is_reversed_in_its_books_is_noticed(
    restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    paid(order_of(restaurant))
    attempt = Attempt.objects.get()
    news(attempt, refunds=(RefundFact(reference="cb-1", money=Money(30_000, INR), succeeded=True),))
    news(attempt, refunds=(RefundFact(reference="cb-1", money=Money(30_000, INR), succeeded=False),))
    assert Refund.objects.get().next_action == NextAction.LOOK_UP or "contradiction" in waiting()


def test_cash_against_the_doubt_of_a_finished_payment_is_refused_by_name(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    provider_a.charges.append(DECLINED)
    payment = paid(order_of(restaurant))
    first = Attempt.objects.get()
    retry_payment(payment_id=payment.pk, actor=GUEST)
    provider_a.charges.append(TIMED_OUT)
    sweep_payments(width=1)
    news(first)
    with pytest.raises(CashRefused):
        take_cash_against_doubt(
            payment_id=payment.pk,
            person=staff(restaurant, Role.WAITER),
            reason="wants to go",
            taken=CashTaken(amount_minor=84_000),
        )


def test_a_refund_that_fails_while_the_charge_is_watched_is_looked_for_again(
    restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    payment = paid(order_of(restaurant))
    one = request_refund(payment_id=payment.pk, amount_minor=30_000, reason="cold food", actor=GUEST)
    two = request_refund(payment_id=payment.pk, amount_minor=20_000, reason="cold food", actor=GUEST)
    no = Evidence(source=Source.LOOK_UP, finding=Finding.DECLINED)
    settle_refund(refund_id=one.pk, evidence=no)
    provider_a.look_ups.append(LookUpResult(answer=Answer.SUCCEEDED, money=DUE))
    done: list[int] = []

    def meanwhile(point: CrashPoint) -> None:
        if point == CrashPoint.SETTLE_AFTER_COMMIT and not done:
            done.append(1)
            settle_refund(refund_id=two.pk, evidence=no)

    previous = crashpoints.install(meanwhile)
    try:
        sweep_watches(width=1)
    finally:
        crashpoints.install(previous)
    assert Attempt.objects.get().watch_at is not None


def test_a_case_about_an_ended_refund_stays_while_it_is_asked_about(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    payment = paid(order_of(restaurant))
    refund = request_refund(payment_id=payment.pk, reason="cold food", actor=GUEST)
    sweep_refunds(width=1)
    settle_refund(refund_id=refund.pk, evidence=Evidence(source=Source.NOTICE, finding=Finding.DECLINED))
    for _ in range(9):
        time.jump_to(Refund.objects.get().next_action_at or time.now())
        sweep_refunds(width=1)  # Nobody answers.
    assert waiting() == ["refund_in_doubt"]

    with pytest.raises(CaseRefused):
        dismiss_case(case_id=Case.objects.get().pk, person=staff(restaurant, Role.FINANCE), reason="Looks fine to me.")


def test_a_difference_that_an_earlier_refund_bounced_after_b_paid(
    restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    """The second guest's pending payment after a bounce is charged and given back: 84k asked twice."""
    order = order_of(restaurant)
    payment = paid(order)
    refund = request_refund(payment_id=payment.pk, reason="wrong card", actor=GUEST, reopens_order=True)
    sweep_refunds(width=1)
    provider_a.charges.append(PENDING)
    second = paid(order)
    settle_refund(refund_id=refund.pk, evidence=Evidence(source=Source.LOOK_UP, finding=Finding.DECLINED))
    news(Attempt.objects.get(payment=second))
    assert "surplus" not in waiting()


@pytest.mark.parametrize("answer", [Answer.PENDING, Answer.NOT_FOUND, Answer.DECLINED])
def test_a_look_up_that_outlived_its_lease_takes_nothing_from_whoever_sends_now(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock, answer: Answer
) -> None:
    """It was paused for longer than its lease; meanwhile another worker has begun to send again (I12)."""
    provider_a.charges.append(TIMED_OUT)
    payment = paid(order_of(restaurant))
    time.advance(seconds=5)
    provider_a.look_ups.append(LookUpResult(answer=answer))

    def sent_again_meanwhile(point: CrashPoint) -> None:
        if point == CrashPoint.LOOK_UP_AFTER_ANSWER:
            time.advance(minutes=1)
            Payment.objects.update(next_action=NextAction.RESEND, lease_until=None, lease_token=None)
            assert resend_attempt(payment_id=payment.pk) is not None

    previous = crashpoints.install(sent_again_meanwhile)
    try:
        sweep_payments(width=1)
    finally:
        crashpoints.install(previous)

    payment = Payment.objects.get()
    assert (payment.is_leased, Attempt.objects.get().status) == (True, "unknown")
