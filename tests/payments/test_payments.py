"""Accepting payments: shares that can never exceed what is due, holds, withdrawals, retries, refusals."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import Restaurant, Role
from events.actors import GUEST
from events.models import Event, Transition
from failures.models import Case, CaseKind, CaseStatus
from kernel.money import Money
from orders.models import OrderStatus
from orders.services import cancel_order
from payments.gateways.contract import Answer, CancelAnswer, CancelResult, ErrorCode, LookUpResult, Outcome
from payments.models import Attempt, AttemptStatus, NextAction, Payment, PaymentStatus, Refund
from payments.services.cash import CashTaken, confirm_cash, hand_over_refund
from payments.services.payments import (
    cancel_payment,
    expire_payment,
    extend_hold,
    reserve_share,
    retry_payment,
    start_payment,
)
from payments.services.refusals import CashRefused, PaymentRefused
from payments.services.sweeps import sweep_payments, sweep_refunds
from tests.factories import accepted, draft_for, order_of, paid, staff
from tests.scripted import ScriptedGateway, outcome
from tests.time_machine import ShiftedClock


def test_shares_never_exceed_what_is_due(restaurant: Restaurant) -> None:
    order = order_of(restaurant, 90_000)
    accepted(order, amount_minor=30_000)
    paid(order, amount_minor=30_000)

    with pytest.raises(PaymentRefused) as refused:
        accepted(order, amount_minor=30_001)

    assert (refused.value.code, refused.value.field) == ("more_than_due", "amount")
    assert accepted(order).amount_minor == 30_000


REFUSALS: list[tuple[dict[str, Any], str, str]] = [
    ({"amount_minor": 0}, "bad_amount", "amount"),
    ({"amount_minor": -5}, "bad_amount", "amount"),
    ({"amount_minor": 84_001}, "more_than_due", "amount"),
    ({"amount_minor": 840.0}, "not_an_integer", "amount"),
    ({"amount_minor": True}, "not_an_integer", "amount"),
    ({"tip_minor": -1}, "bad_amount", "amount"),
    ({"tip_minor": 10**12 + 1}, "bad_amount", "amount"),
    ({"currency": "USD"}, "wrong_currency", "currency"),
    ({"method": "cheque"}, "unknown_method", "method"),
    ({"method": "wallet"}, "no_provider", "method"),
    ({"provider": "nobody"}, "unknown_provider", "provider"),
]


@pytest.mark.parametrize(("wish", "code", "field"), REFUSALS)
def test_what_cannot_be_paid_is_refused_and_nothing_is_written(
    restaurant: Restaurant, provider_a: ScriptedGateway, wish: dict[str, Any], code: str, field: str
) -> None:
    order = order_of(restaurant)
    before = (Event.objects.count(), Transition.objects.count())

    with pytest.raises(PaymentRefused) as refused:
        paid(order, **wish)

    assert (refused.value.code, refused.value.field) == (code, field)
    assert Payment.objects.count() == 0
    assert (Event.objects.count(), Transition.objects.count()) == before
    assert provider_a.asked == []


def test_a_covered_and_a_cancelled_order_cannot_be_paid(restaurant: Restaurant) -> None:
    covered, cancelled = order_of(restaurant), order_of(restaurant)
    paid(covered)
    cancel_order(order_id=cancelled.pk, actor=GUEST)

    with pytest.raises(PaymentRefused, match="paid already"):
        paid(covered)
    with pytest.raises(PaymentRefused, match="is cancelled"):
        paid(cancelled)


def test_a_share_that_nobody_pays_is_freed_when_its_hold_ends(restaurant: Restaurant, time: ShiftedClock) -> None:
    order = order_of(restaurant)
    payment = reserve_share(draft=draft_for(order), actor=GUEST)
    with pytest.raises(PaymentRefused, match="being paid right now"):
        accepted(order)

    expire_payment(payment_id=payment.pk)
    assert Payment.objects.get().status == PaymentStatus.PENDING
    time.advance(minutes=4)
    extend_hold(payment_id=payment.pk, actor=GUEST)
    time.advance(minutes=4)
    sweep_payments(width=1)
    assert Payment.objects.get().status == PaymentStatus.PENDING
    time.advance(minutes=2)
    sweep_payments(width=1)

    payment = Payment.objects.get()
    assert (payment.status, payment.failure_code) == (PaymentStatus.FAILED, "expired")
    assert accepted(order).amount_minor == 84_000


def test_withdrawing_a_pending_payment_asks_the_provider_to_close_it_first(
    restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    provider_a.charges.append(outcome(Outcome.PENDING))
    payment = paid(order_of(restaurant))

    cancel_payment(payment_id=payment.pk, actor=GUEST)
    assert Payment.objects.get().status == PaymentStatus.PROCESSING
    sweep_payments(width=1)

    payment = Payment.objects.get()
    assert (payment.status, payment.failure_code) == (PaymentStatus.FAILED, "cancelled")
    assert Attempt.objects.get().status == AttemptStatus.CANCELLED
    assert provider_a.count("cancel") == 1


@pytest.mark.parametrize("answer", [CancelAnswer.NOT_POSSIBLE, CancelAnswer.NO_ANSWER, CancelAnswer.TOO_LATE])
def test_a_payment_that_cannot_be_closed_stays_open_until_a_look_up_says_unpaid(
    restaurant: Restaurant, provider_a: ScriptedGateway, answer: CancelAnswer
) -> None:
    provider_a.charges.append(outcome(Outcome.PENDING))
    payment = paid(order_of(restaurant))
    cancel_payment(payment_id=payment.pk, actor=GUEST)
    provider_a.cancels.append(CancelResult(answer=answer))

    sweep_payments(width=1)

    payment = Payment.objects.get()
    assert (payment.status, payment.next_action) == (PaymentStatus.PROCESSING, NextAction.CANCEL)
    assert payment.next_action_at is not None


def test_time_over_and_a_look_up_that_says_unpaid_expires_the_attempt(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    provider_a.charges.append(outcome(Outcome.PENDING))
    paid(order_of(restaurant))
    time.jump_to(Attempt.objects.get().expires_at)
    provider_a.look_ups.extend([LookUpResult(answer=Answer.PENDING)] * 2)
    provider_a.cancels.append(CancelResult(answer=CancelAnswer.NOT_POSSIBLE))

    sweep_payments(width=1)
    sweep_payments(width=1)

    payment = Payment.objects.get()
    assert (payment.status, payment.failure_code) == (PaymentStatus.FAILED, "expired")
    assert Attempt.objects.get().status == AttemptStatus.EXPIRED


def test_a_doubt_cannot_be_withdrawn(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    payment = paid(order_of(restaurant))

    cancel_payment(payment_id=payment.pk, actor=GUEST)

    payment = Payment.objects.get()
    assert (payment.status, payment.in_doubt, payment.next_action) == ("processing", True, NextAction.LOOK_UP)


def test_the_guest_tries_again_with_another_card(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    provider_a.charges.append(outcome(Outcome.DECLINED, ErrorCode.EXPIRED_CARD))
    payment = paid(order_of(restaurant))

    retry_payment(payment_id=payment.pk, actor=GUEST, instrument="another")
    sweep_payments(width=1)

    payment = Payment.objects.get()
    assert (payment.status, payment.round, payment.failure_code) == (PaymentStatus.COMPLETED, 2, "")
    sent = [request for verb, request in provider_a.asked if verb == "charge"]
    assert [request.instrument for request in sent] == ["", "another"]
    assert sent[0].key != sent[1].key


@pytest.mark.parametrize(
    ("amount", "then", "code"),
    [
        (84_000, Outcome.SUCCEEDED, "already_covered"),
        (1_000, Outcome.SUCCEEDED, "share_taken"),
        (84_000, Outcome.UNKNOWN, "being_paid"),
        (1_000, Outcome.UNKNOWN, "being_paid"),
    ],
)
def test_a_retry_is_refused_when_its_share_was_taken_meanwhile(
    restaurant: Restaurant, provider_a: ScriptedGateway, amount: int, then: Outcome, code: str
) -> None:
    """It names no amount, so that no field of it is wrong."""
    provider_a.charges.append(outcome(Outcome.DECLINED, ErrorCode.EXPIRED_CARD))
    order = order_of(restaurant)
    failed = paid(order)
    provider_a.charges.append(outcome(then, money=Money(amount, "INR")))
    paid(order, amount_minor=amount)

    with pytest.raises(PaymentRefused) as refused:
        retry_payment(payment_id=failed.pk, actor=GUEST)

    assert (refused.value.code, refused.value.field) == (code, "")
    assert Payment.objects.get(pk=failed.pk).status == PaymentStatus.FAILED


def test_a_cancelled_order_gives_kept_money_back_and_withdraws_the_rest(
    restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    order = order_of(restaurant)
    paid(order, amount_minor=50_000, tip_minor=500)
    waiting = accepted(order, amount_minor=10_000)

    assert cancel_order(order_id=order.pk, actor=GUEST).status == OrderStatus.CANCELLED
    sweep_refunds(width=1)

    assert Refund.objects.get().total_minor == 50_500
    assert Payment.objects.get(pk=waiting.pk).status == PaymentStatus.FAILED
    assert provider_a.count("refund") == 1


def test_a_held_share_is_charged_when_its_guest_has_chosen(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    payment = reserve_share(draft=draft_for(order_of(restaurant)), actor=GUEST)
    sweep_payments(width=1)
    assert provider_a.asked == []

    start_payment(payment_id=payment.pk, actor=GUEST, instrument="chosen")
    sweep_payments(width=1)

    assert Payment.objects.get().status == PaymentStatus.COMPLETED
    assert [request.instrument for _, request in provider_a.asked] == ["chosen"]
    with pytest.raises(PaymentRefused):
        start_payment(payment_id=payment.pk, actor=GUEST)


def test_the_cash_of_a_cancelled_order_is_handed_back_by_a_named_person(restaurant: Restaurant) -> None:
    order = order_of(restaurant)
    payment = paid(order, method="cash")
    waiter = staff(restaurant, Role.WAITER)
    confirm_cash(payment_id=payment.pk, waiter=waiter, taken=CashTaken(amount_minor=84_000))
    cancel_order(order_id=order.pk, actor=GUEST)
    assert Case.objects.get().kind == CaseKind.CASH_REFUND

    hand_over_refund(refund_id=Refund.objects.get().pk, person=waiter)

    assert Attempt.objects.get().refunded_minor == 84_000
    assert Case.objects.get().status == CaseStatus.RESOLVED
    with pytest.raises(CashRefused):
        hand_over_refund(refund_id=Refund.objects.get().pk, person=waiter)


def test_a_send_again_that_comes_after_the_keys_lifetime_is_not_sent(
    restaurant: Restaurant, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    paid(order_of(restaurant))
    Payment.objects.update(next_action=NextAction.RESEND)
    time.advance(hours=30)

    assert sweep_payments(width=1) == 1

    assert provider_a.count("charge") == 1
    assert Payment.objects.get().next_action == NextAction.LOOK_UP


def test_nothing_is_sent_again_for_a_cancelled_order(
    restaurant: Restaurant, provider_a: ScriptedGateway, provider_b: ScriptedGateway, time: ShiftedClock
) -> None:
    refused = outcome(Outcome.NOT_SENT, ErrorCode.UNREACHABLE)
    provider_a.charges.append(refused)
    provider_b.charges.append(refused)
    order = order_of(restaurant)
    payment = paid(order)
    assert payment.next_action == NextAction.RESEND

    cancel_order(order_id=order.pk, actor=GUEST)
    time.advance(minutes=1)
    sweep_payments(width=1)

    assert Payment.objects.get().status == PaymentStatus.FAILED
    assert provider_a.count("charge") + provider_b.count("charge") == 2
