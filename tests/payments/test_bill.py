"""The bill's arithmetic over any history, and the locks under which it is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.models import Restaurant
from kernel import clock
from orders.models import Order, OrderStatus, PaymentState
from payments.models import Attempt, AttemptStatus, Capture, Payment, PaymentStatus
from payments.services.bill import Bill, lock_bill_of_attempt, lock_bill_of_order, lock_bill_of_payment
from tests.factories import accepted, order_of, paid
from tests.scripted import ScriptedGateway

# Two cores may be shared by many: how long an example takes says nothing about it.
unhurried = settings(deadline=None)
HOLDING_ITS_SHARE = (PaymentStatus.PENDING, PaymentStatus.PROCESSING)


@dataclass
class Share:
    """What became of one share: the money that moved, and how much of it moved back again."""

    amount: int
    tip: int
    status: PaymentStatus
    capture: Capture
    returned: int = 0
    reopened: int = 0

    @property
    def captured(self) -> int:
        return self.amount + self.tip if self.capture else 0


@st.composite
def shares(draw: st.DrawFn) -> Share:
    amount, tip = draw(st.integers(1, 100_000)), draw(st.integers(0, 20_000))
    capture = draw(st.sampled_from(Capture))
    returned = draw(st.sampled_from([0, amount + tip]) | st.integers(0, amount + tip)) if capture else 0
    reopened = draw(st.integers(0, min(amount, returned)))
    return Share(amount, tip, draw(st.sampled_from(PaymentStatus)), capture, returned, reopened)


bills = st.tuples(st.integers(1, 300_000), st.lists(shares(), max_size=6))


def bill_of(total: int, history: list[Share], *, status: OrderStatus = OrderStatus.PLACED) -> Bill:
    order = Order(id=clock.new_id(), total_minor=total, status=status)
    bill = Bill(order=order)
    for share in history:
        payment = Payment(order=order, amount_minor=share.amount, tip_minor=share.tip, status=share.status)
        bill.payments.append(payment)
        bill.attempts.append(
            Attempt(
                payment=payment,
                amount_minor=share.amount + share.tip,
                tip_minor=share.tip,
                capture=share.capture,
                captured_minor=share.captured,
                refunded_minor=share.returned,
                reopened_minor=share.reopened,
            )
        )
    return bill


def kept(history: list[Share]) -> list[Share]:
    return [share for share in history if share.capture == Capture.KEPT]


@unhurried
@given(bills)
def test_due_is_the_total_without_what_was_kept_and_not_reopened(case: tuple[int, list[Share]]) -> None:
    total, history = case

    assert bill_of(total, history).due_minor == total - sum(share.amount - share.reopened for share in kept(history))


@unhurried
@given(bills)
def test_free_is_what_is_due_and_reserved_by_nobody(case: tuple[int, list[Share]]) -> None:
    total, history = case
    bill = bill_of(total, history)

    reserved = sum(share.amount for share in history if share.status in HOLDING_ITS_SHARE)
    assert bill.free_minor == bill.due_minor - reserved <= bill.due_minor


@unhurried
@given(bills)
def test_only_kept_money_pays(case: tuple[int, list[Share]]) -> None:
    total, history = case

    assert bill_of(total, history).due_minor == bill_of(total, kept(history)).due_minor
    assert bill_of(total, history).payment_state == bill_of(total, kept(history)).payment_state


@unhurried
@given(bills, st.integers(0, 20_000))
def test_a_tip_never_pays_for_food(case: tuple[int, list[Share]], more: int) -> None:
    total, history = case
    before = bill_of(total, history).due_minor

    for share in history:
        share.tip += more

    assert bill_of(total, history).due_minor == before


@unhurried
@given(bills)
def test_a_refund_alone_makes_nothing_payable_again(case: tuple[int, list[Share]]) -> None:
    total, history = case
    before = bill_of(total, history)

    for share in history:
        share.returned = share.captured

    after = bill_of(total, history)
    assert (after.due_minor, after.free_minor) == (before.due_minor, before.free_minor)


@unhurried
@given(bills, st.integers(1, 100_000))
def test_what_is_reopened_is_payable_again_to_the_unit(case: tuple[int, list[Share]], amount: int) -> None:
    total, history = case
    one = Share(amount, 0, PaymentStatus.COMPLETED, Capture.KEPT)
    before = bill_of(total, [*history, one])

    one.returned = one.reopened = amount

    after = bill_of(total, [*history, one])
    assert after.due_minor == before.due_minor + amount
    assert after.free_minor == before.free_minor + amount


@unhurried
@given(bills)
def test_the_payment_state_says_what_the_numbers_say(case: tuple[int, list[Share]]) -> None:
    total, history = case
    bill = bill_of(total, history)
    captured, returned = sum(s.captured for s in kept(history)), sum(s.returned for s in kept(history))

    if captured and captured == returned:
        expected = PaymentState.REFUNDED
    elif bill.due_minor <= 0:
        expected = PaymentState.PAID
    elif bill.due_minor < total:
        expected = PaymentState.PART_PAID
    else:
        expected = PaymentState.UNPAID
    assert bill.payment_state == expected


@unhurried
@given(st.integers(1, 300_000), st.lists(st.integers(1, 100_000), max_size=6))
def test_shares_that_are_accepted_while_something_is_free_never_exceed_the_total(total: int, wishes: list[int]) -> None:
    history: list[Share] = []

    for wish in wishes:
        if wish <= bill_of(total, history).free_minor:
            history.append(Share(wish, 0, PaymentStatus.PROCESSING, Capture.NONE))
    for share in history:
        share.status, share.capture = PaymentStatus.COMPLETED, Capture.KEPT

    settled = bill_of(total, history)
    assert settled.due_minor == settled.free_minor == total - sum(share.amount for share in history) >= 0


EXAMPLES = [
    pytest.param([], 84_000, 84_000, PaymentState.UNPAID, id="nothing happened"),
    pytest.param([(84_000, 6_000, 0, 0)], 0, 0, PaymentState.PAID, id="paid with a tip"),
    pytest.param([(50_000, 0, 0, 0)], 34_000, 34_000, PaymentState.PART_PAID, id="a share is paid"),
    pytest.param([(84_000, 0, 4_000, 0)], 0, 0, PaymentState.PAID, id="a part went back"),
    pytest.param([(84_000, 0, 84_000, 0)], 0, 0, PaymentState.REFUNDED, id="all went back"),
    pytest.param([(84_000, 6_000, 84_000, 0)], 0, 0, PaymentState.PAID, id="all but the tip went back"),
    pytest.param([(84_000, 0, 4_000, 4_000)], 4_000, 4_000, PaymentState.PART_PAID, id="a part is payable again"),
    pytest.param([(84_000, 0, 84_000, 84_000)], 84_000, 84_000, PaymentState.REFUNDED, id="all is payable again"),
    pytest.param([(84_000, 0, 84_000, 84_000), (84_000, 0, 0, 0)], 0, 0, PaymentState.PAID, id="and was paid again"),
]


@pytest.mark.parametrize(("moved", "due", "free", "state"), EXAMPLES)
def test_examples_to_read(moved: list[tuple[int, int, int, int]], due: int, free: int, state: PaymentState) -> None:
    history = [
        Share(amount, tip, PaymentStatus.COMPLETED, Capture.KEPT, returned, reopened)
        for amount, tip, returned, reopened in moved
    ]

    bill = bill_of(84_000, history)

    assert (bill.due_minor, bill.free_minor, bill.payment_state) == (due, free, state)


def test_less_captured_than_the_tip_pays_nothing_and_owes_nothing() -> None:
    """A human kept a mismatch that does not even cover the tip."""
    bill = bill_of(84_000, [Share(100, 6_000, PaymentStatus.COMPLETED, Capture.KEPT)])
    bill.attempts[0].captured_minor = 5_000

    assert bill.due_minor == 84_000


@pytest.mark.parametrize("status", OrderStatus)
def test_every_order_but_a_cancelled_one_is_payable(status: OrderStatus) -> None:
    assert bill_of(84_000, [], status=status).is_payable == (status != OrderStatus.CANCELLED)


def test_the_live_attempt_of_a_payment_is_its_own() -> None:
    bill = bill_of(84_000, [Share(1_000, 0, PaymentStatus.PROCESSING, Capture.NONE)] * 2)
    first, second = bill.payments

    assert bill.live_attempt_of(first) == bill.attempts[0]
    assert bill.attempts_of(second) == [bill.attempts[1]]
    assert not bill.has_kept(first)
    bill.attempts[0].not_sent()
    assert bill.live_attempt_of(first) is None
    assert bill.live_attempt_of(second) == bill.attempts[1]
    assert bill.attempts[0].status == AttemptStatus.NOT_SENT


def _inside_a_transaction(lock: Callable[[UUID], Bill], subject: UUID) -> Bill:
    with transaction.atomic():
        return lock(subject)


def test_a_bill_is_read_under_its_locks_in_their_one_order(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    order = order_of(restaurant)
    first, second = paid(order, amount_minor=50_000), accepted(order, amount_minor=10_000)
    attempt = Attempt.objects.get()
    paid(order_of(restaurant))

    for lock, subject in (
        (lock_bill_of_order, order.pk),
        (lock_bill_of_payment, second.pk),
        (lock_bill_of_attempt, attempt.pk),
    ):
        with CaptureQueriesContext(connection) as asked:
            bill = _inside_a_transaction(lock, subject)
        locking = [query["sql"] for query in asked if "FOR UPDATE" in query["sql"]]
        assert [sql.split(" FROM ")[1].split()[0].strip('"') for sql in locking] == [
            "orders_order",
            "payments_payment",
            "payments_attempt",
        ]
        assert {payment.pk for payment in bill.payments} == {first.pk, second.pk}
        assert (bill.due_minor, bill.free_minor) == (34_000, 24_000)
        # One object a row: two that count versions apart would overwrite each other.
        assert all(payment.order is bill.order for payment in bill.payments)
        assert bill.attempt(attempt.pk).payment is bill.payment(first.pk)


def test_an_order_without_payments_has_an_empty_bill(restaurant: Restaurant) -> None:
    bill = _inside_a_transaction(lock_bill_of_order, order_of(restaurant).pk)

    assert (bill.payments, bill.attempts, bill.free_minor) == ([], [], 84_000)
