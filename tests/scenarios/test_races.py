"""Many at once, with real connections: the invariants hold whoever wins."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from accounts.models import Restaurant, Role
from events.actors import GUEST
from kernel.errors import ServiceError
from kernel.money import Money
from payments import tasks
from payments.models import Attempt, Payment, PaymentStatus, Refund
from payments.services.cash import CashTaken, confirm_cash, take_cash_against_doubt
from payments.services.evidence import Evidence, Finding, Source
from payments.services.lookups import look_up_payment
from payments.services.payments import cancel_payment, pay
from payments.services.refund_requests import request_refund
from payments.services.settlement import settle_attempt
from tests.factories import accepted, draft_for, order_of, paid, staff
from tests.scenarios.conftest import World
from tests.scenarios.sandbox_process import SandboxProcess

THREADS = 16  # More wait in line than the pool has connections: that is how it is in production, too.


def at_once(count: int, act: Callable[[int], Any]) -> Counter[str]:
    """All start together. Returns how often each came out: "done", or a refusal's code."""
    gate = threading.Barrier(min(count, THREADS))

    def one(number: int) -> str:
        if number < THREADS:
            gate.wait()
        try:
            act(number)
        except ServiceError as refused:
            return refused.code
        finally:
            connection.close()
        return "done"

    with ThreadPoolExecutor(max_workers=THREADS) as pool:
        return Counter(pool.map(one, range(count)))


def test_50_creations_for_one_order_take_its_total_once(
    restaurant: Restaurant, world: World, b: SandboxProcess
) -> None:
    order = order_of(restaurant)
    draft = draft_for(order, instrument="sim_ok")

    ends = at_once(50, lambda _: pay(draft=draft, actor=GUEST))

    assert ends["done"] == 1
    assert sum(ends.values()) == 50
    assert set(ends) <= {"done", "already_covered", "being_paid"}
    assert Payment.objects.get().status == PaymentStatus.COMPLETED
    assert world.sandboxes["sandbox_a"].books()[order.reference]["captured"] == {"INR": 84_000}
    world.rest()
    world.assert_books_agree()


def test_50_shares_of_one_order_never_exceed_it(restaurant: Restaurant, world: World) -> None:
    order = order_of(restaurant, 100_000)
    draft = draft_for(order, instrument="sim_ok", amount_minor=30_000)

    ends = at_once(50, lambda _: pay(draft=draft, actor=GUEST))

    assert ends["done"] == 3
    assert world.sandboxes["sandbox_a"].books()[order.reference]["captured"] == {"INR": 90_000}
    world.rest()
    world.assert_books_agree()


def test_50_confirmations_of_the_same_cash_complete_it_once(restaurant: Restaurant, world: World) -> None:
    payment = paid(order_of(restaurant), method="cash")
    waiters = [staff(restaurant, Role.WAITER) for _ in range(5)]
    taken = CashTaken(amount_minor=84_000, added_tip_minor=1_000)

    ends = at_once(50, lambda n: confirm_cash(payment_id=payment.pk, waiter=waiters[n % 5], taken=taken))

    assert ends == {"done": 1, "not_waiting": 49}
    payment = Payment.objects.get()
    assert (payment.status, payment.tip_minor) == (PaymentStatus.COMPLETED, 1_000)
    world.rest()
    world.assert_books_agree()


@pytest.mark.parametrize("amount", [84_000, 30_000, 4_201])
def test_20_racing_refunds_never_give_back_more_than_was_captured(
    restaurant: Restaurant, world: World, amount: int
) -> None:
    payment = paid(order_of(restaurant), instrument="sim_ok")
    world.lose_webhooks()

    ends = at_once(
        20, lambda _: request_refund(payment_id=payment.pk, amount_minor=amount, reason="cold food", actor=GUEST)
    )
    world.rest()

    assert ends["done"] == min(20, 84_000 // amount)
    assert ends["more_than_left"] + ends["bad_amount"] + ends["done"] == 20
    assert Attempt.objects.get().refunded_minor == ends["done"] * amount
    assert Refund.objects.filter(status="completed").count() == ends["done"]
    world.assert_books_agree()


def test_two_workers_and_a_sweep_on_one_payment_charge_it_once(
    restaurant: Restaurant, world: World, b: SandboxProcess
) -> None:
    world.lose_webhooks()
    for _ in range(5):
        order = order_of(restaurant)
        payment = accepted(order, instrument="sim_ok")

        at_once(3, lambda _: tasks.sweep_payments())

        attempt = Attempt.objects.get(payment=payment)
        assert Payment.objects.get(pk=payment.pk).status == PaymentStatus.COMPLETED
        assert world.sandboxes["sandbox_a"].sends(str(attempt.pk)) == 1
        assert b.is_untouched_by(order.reference)
    world.rest()
    world.assert_books_agree()


def test_everybody_at_once_on_a_doubt(restaurant: Restaurant, world: World) -> None:
    """A notice, look-ups, the guest who gives up and a second waiter: one completion, nothing twice."""
    world.lose_webhooks()
    order = order_of(restaurant)
    payment = paid(order, instrument="sim_5xx_after_effect")
    attempt = Attempt.objects.get()
    news = Evidence(source=Source.NOTICE, finding=Finding.SUCCEEDED, money=Money(84_000, "INR"))
    acts: list[Callable[[], Any]] = [
        lambda: settle_attempt(attempt_id=attempt.pk, evidence=news),
        lambda: look_up_payment(payment_id=payment.pk),
        lambda: cancel_payment(payment_id=payment.pk, actor=GUEST),
        tasks.sweep_payments,
    ]

    at_once(16, lambda number: acts[number % 4]())
    world.rest()

    assert Payment.objects.get().status == PaymentStatus.COMPLETED
    assert Refund.objects.count() == 0
    assert world.sandboxes["sandbox_a"].books()[order.reference]["captured"] == {"INR": 84_000}
    world.assert_books_agree()


def test_a_waiter_and_a_late_provider_race_for_the_same_bill(restaurant: Restaurant, world: World) -> None:
    """Whoever settles first is kept; the other money goes back."""
    world.lose_webhooks()
    for _ in range(5):
        order = order_of(restaurant)
        payment = paid(order, instrument="sim_5xx_after_effect")
        waiter = staff(restaurant, Role.WAITER)
        acts: list[Callable[[], Any]] = [
            lambda payment=payment, waiter=waiter: take_cash_against_doubt(  # type: ignore[misc]  # Bound per round.
                payment_id=payment.pk, person=waiter, reason="leaving", taken=CashTaken(amount_minor=84_000)
            ),
            lambda payment=payment: look_up_payment(payment_id=payment.pk),  # type: ignore[misc]  # Bound per round.
        ]

        at_once(2, lambda number, acts=acts: acts[number]())  # type: ignore[misc]  # Bound per round.

        assert Payment.objects.get(pk=payment.pk).status == PaymentStatus.COMPLETED
    world.rest()
    world.assert_books_agree()
    kept = Attempt.objects.filter(capture="kept")
    assert kept.count() == 5
