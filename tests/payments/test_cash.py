"""Cash: once, exact, by staff of this restaurant, who is named."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from accounts.models import Membership, Restaurant, Role, User
from events.actors import GUEST
from events.models import Transition
from failures.models import Case
from kernel.money import Money
from orders.models import Order, PaymentState
from orders.services import cancel_order
from payments.gateways.contract import ErrorCode, Outcome
from payments.models import Attempt, AttemptStatus, Capture, Payment, PaymentStatus, Refund, RefundStatus
from payments.services.cash import (
    CashTaken,
    confirm_cash,
    hand_over_refund,
    record_cash_refund,
    take_cash_against_doubt,
)
from payments.services.evidence import Evidence, Finding, Source
from payments.services.payments import cancel_payment, retry_payment
from payments.services.refund_requests import request_refund
from payments.services.refusals import CashRefused
from payments.services.settlement import settle_attempt
from payments.services.sweeps import sweep_payments, sweep_refunds
from tests.factories import RestaurantFactory, order_of, paid, staff
from tests.payments.words import news
from tests.scripted import ScriptedGateway, outcome


@pytest.fixture
def waiting(restaurant: Restaurant) -> Payment:
    payment = paid(order_of(restaurant), method="cash")
    assert payment.status == PaymentStatus.PROCESSING
    return payment


def test_a_waiter_confirms_the_exact_amount_with_a_tip(restaurant: Restaurant, waiting: Payment) -> None:
    waiter = staff(restaurant, Role.WAITER)
    taken = CashTaken(amount_minor=84_000, added_tip_minor=6_000, given_minor=100_000)

    payment = confirm_cash(payment_id=waiting.pk, waiter=waiter, taken=taken)

    assert (payment.status, payment.tip_minor) == (PaymentStatus.COMPLETED, 6_000)
    attempt = Attempt.objects.get()
    assert (attempt.captured_minor, attempt.tip_minor, attempt.cash_given_minor) == (90_000, 6_000, 100_000)
    assert Order.objects.get().payment_state == PaymentState.PAID
    assert Transition.objects.get(subject_id=attempt.pk, to_status="succeeded").actor_id == str(waiter.pk)


def test_confirming_twice_is_refused(restaurant: Restaurant, waiting: Payment) -> None:
    waiter = staff(restaurant, Role.WAITER)
    confirm_cash(payment_id=waiting.pk, waiter=waiter, taken=CashTaken(amount_minor=84_000))

    with pytest.raises(CashRefused) as refused:
        confirm_cash(payment_id=waiting.pk, waiter=waiter, taken=CashTaken(amount_minor=84_000))

    assert refused.value.code == "not_waiting"


def test_no_cash_is_taken_for_a_share_that_late_money_has_paid(
    restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    """The bill has room for it, and its attempt still waits for a waiter: until the watch has closed it."""
    provider_a.charges.append(outcome(Outcome.DECLINED, ErrorCode.CARD_DECLINED))
    payment = paid(order_of(restaurant), amount_minor=40_000)
    retry_payment(payment_id=payment.pk, actor=GUEST, method="cash")
    sweep_payments(width=1)
    late = Attempt.objects.order_by("number")[0]
    news(late, Money(40_000, "INR"))

    with pytest.raises(CashRefused) as refused:
        confirm_cash(payment_id=payment.pk, waiter=staff(restaurant, Role.WAITER), taken=CashTaken(amount_minor=40_000))

    assert refused.value.code == "not_waiting"
    assert list(Attempt.objects.filter(capture=Capture.KEPT)) == [late]


@pytest.mark.parametrize(
    ("taken", "code"),
    [
        (CashTaken(amount_minor=83_999), "not_exact"),
        (CashTaken(amount_minor=84_001), "not_exact"),
        (CashTaken(amount_minor=84_000, added_tip_minor=-1), "bad_amount"),
        (CashTaken(amount_minor=84_000, added_tip_minor=1_000, given_minor=84_000), "given_too_little"),
    ],
)
def test_what_does_not_add_up_is_refused(restaurant: Restaurant, waiting: Payment, taken: CashTaken, code: str) -> None:
    with pytest.raises(CashRefused) as refused:
        confirm_cash(payment_id=waiting.pk, waiter=staff(restaurant, Role.WAITER), taken=taken)

    assert refused.value.code == code
    assert Attempt.objects.get().status == AttemptStatus.PENDING


def test_only_staff_of_this_restaurant_take_cash(restaurant: Restaurant, waiting: Payment) -> None:
    elsewhere = staff(RestaurantFactory.create(), Role.WAITER)
    customer = staff(restaurant, Role.CUSTOMER)
    gone = staff(restaurant, Role.WAITER)
    Membership.objects.filter(user=gone).delete()

    for person in (elsewhere, customer, gone):
        with pytest.raises(CashRefused) as refused:
            confirm_cash(payment_id=waiting.pk, waiter=person, taken=CashTaken(amount_minor=84_000))
        assert refused.value.code == "not_staff_here"


def test_a_cash_request_can_be_withdrawn(restaurant: Restaurant, waiting: Payment) -> None:
    cancel_payment(payment_id=waiting.pk, actor=GUEST)
    sweep_payments(width=1)

    payment = Payment.objects.get()
    assert (payment.status, payment.failure_code) == (PaymentStatus.FAILED, "cancelled")
    assert Attempt.objects.get().status == AttemptStatus.CANCELLED


def test_no_cash_is_taken_for_a_cancelled_order(restaurant: Restaurant, waiting: Payment) -> None:
    cancel_order(order_id=waiting.order_id, actor=GUEST)

    with pytest.raises(CashRefused) as refused:
        confirm_cash(payment_id=waiting.pk, waiter=staff(restaurant, Role.WAITER), taken=CashTaken(amount_minor=84_000))

    assert refused.value.code == "order_cancelled"


def test_cash_against_a_doubt_releases_it_and_late_money_goes_back(
    restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    payment = paid(order_of(restaurant))
    doubtful = Attempt.objects.get()

    payment = take_cash_against_doubt(
        payment_id=payment.pk,
        person=staff(restaurant, Role.WAITER),
        reason="The guest has to leave.",
        taken=CashTaken(amount_minor=84_000),
    )

    assert (payment.status, payment.in_doubt) == (PaymentStatus.COMPLETED, False)
    assert Attempt.objects.get(pk=doubtful.pk).status == AttemptStatus.RELEASED
    late = Evidence(source=Source.NOTICE, finding=Finding.SUCCEEDED, money=Money(84_000, "INR"))
    settle_attempt(attempt_id=doubtful.pk, evidence=late)
    sweep_refunds(width=1)
    doubtful = Attempt.objects.get(pk=doubtful.pk)
    assert (doubtful.status, doubtful.capture) == (AttemptStatus.LATE_SUCCESS, Capture.SURPLUS)
    assert doubtful.refunded_minor == 84_000
    assert Case.objects.filter(kind="surplus").count() == 1


def test_no_cash_is_taken_against_a_doubt_about_a_cancelled_order(
    restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    """It is said that the order is cancelled, not that nobody here takes cash."""
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    payment = paid(order_of(restaurant))
    cancel_order(order_id=payment.order_id, actor=GUEST)

    with pytest.raises(CashRefused) as refused:
        take_cash_against_doubt(
            payment_id=payment.pk,
            person=staff(restaurant, Role.WAITER),
            reason="The guest has to leave.",
            taken=CashTaken(amount_minor=84_000),
        )

    assert refused.value.code == "order_cancelled"


def test_cash_is_refunded_by_a_named_person_in_one_step(restaurant: Restaurant, waiting: Payment) -> None:
    waiter = staff(restaurant, Role.WAITER)
    confirm_cash(payment_id=waiting.pk, waiter=waiter, taken=CashTaken(amount_minor=84_000))

    record_cash_refund(payment_id=waiting.pk, person=waiter, reason="cold food", amount_minor=4_000)

    assert Attempt.objects.get().refunded_minor == 4_000
    assert (Refund.objects.get().status, Refund.objects.get().requested_by) == ("completed", str(waiter.pk))


def test_a_cash_refund_is_not_handed_over_for_money_that_came_by_card(restaurant: Restaurant) -> None:
    payment = paid(order_of(restaurant))

    with pytest.raises(CashRefused) as refused:
        record_cash_refund(payment_id=payment.pk, person=staff(restaurant, Role.WAITER), reason="cold food")

    assert refused.value.code == "not_cash"
    assert Refund.objects.count() == 0


def test_two_waiters_hand_over_one_cash_refund_once(restaurant: Restaurant, waiting: Payment) -> None:
    waiters = [staff(restaurant, Role.WAITER) for _ in range(2)]
    confirm_cash(payment_id=waiting.pk, waiter=waiters[0], taken=CashTaken(amount_minor=84_000))
    refund = request_refund(payment_id=waiting.pk, reason="cold food", actor=GUEST)
    gate = threading.Barrier(2)

    def hand_over(waiter: User) -> str:
        try:
            gate.wait()
            hand_over_refund(refund_id=refund.pk, person=waiter)
        except CashRefused as refused:
            return refused.code
        finally:
            connection.close()
        return "done"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(hand_over, waiters)) == ["done", "not_waiting"]
    assert Attempt.objects.get().refunded_minor == 84_000
    by = Transition.objects.get(subject_id=refund.pk, to_status=RefundStatus.COMPLETED).actor_id
    assert by in {str(waiter.pk) for waiter in waiters}
