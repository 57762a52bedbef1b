"""SIGKILL at every phase boundary, in a web process and in a worker: each payment ends right, once."""

from __future__ import annotations

import os
import signal
import time
from datetime import timedelta

import pytest

from accounts.models import Restaurant
from events.actors import GUEST
from kernel import clock
from kernel.crashpoints import CrashPoint
from payments.models import Attempt, NextAction, Payment, PaymentStatus, ProviderAccount, Refund, RefundStatus
from payments.services.payments import cancel_payment
from payments.services.refund_requests import request_refund
from sandbox.notices import webhook
from tests.factories import accepted, order_of, paid
from tests.scenarios import other_process
from tests.scenarios.conftest import World
from tests.scenarios.sandbox_process import WEBHOOK_SECRET, SandboxProcess

IN_A_REQUEST = [
    CrashPoint.ACCEPT_BEFORE_COMMIT,
    CrashPoint.ACCEPT_AFTER_COMMIT,
    CrashPoint.CHARGE_AFTER_ANSWER,
    CrashPoint.SETTLE_BEFORE_COMMIT,
    CrashPoint.SETTLE_AFTER_COMMIT,
]
IN_A_WORKER = [
    CrashPoint.CLAIM_AFTER_COMMIT,
    CrashPoint.CHARGE_BEFORE_COMMIT,
    CrashPoint.CHARGE_AFTER_COMMIT,
    CrashPoint.CHARGE_AFTER_ANSWER,
    CrashPoint.SETTLE_BEFORE_COMMIT,
    CrashPoint.SETTLE_AFTER_COMMIT,
]
IN_A_REFUND = [
    CrashPoint.CLAIM_AFTER_COMMIT,
    CrashPoint.REFUND_BEFORE_COMMIT,
    CrashPoint.REFUND_AFTER_COMMIT,
    CrashPoint.REFUND_AFTER_ANSWER,
    CrashPoint.REFUND_SETTLE_BEFORE_COMMIT,
    CrashPoint.REFUND_SETTLE_AFTER_COMMIT,
]
ELSEWHERE = [CrashPoint.LOOK_UP_AFTER_ANSWER, CrashPoint.CANCEL_AFTER_ANSWER, CrashPoint.NOTICE_AFTER_STORE]
# From the restart to the next action: nothing may wait for a broker's visibility time-out.
RECOVERY = timedelta(seconds=60)


def test_every_crash_point_has_its_crash() -> None:
    assert {*IN_A_REQUEST, *IN_A_WORKER, *IN_A_REFUND, *ELSEWHERE} == set(CrashPoint)


@pytest.mark.parametrize("webhooks", [True, False], ids=["webhooks", "no_webhooks"])
@pytest.mark.parametrize("point", IN_A_REQUEST)
def test_a_web_process_dies_in_a_charge(
    restaurant: Restaurant, world: World, b: SandboxProcess, point: CrashPoint, webhooks: bool
) -> None:
    order = order_of(restaurant)
    if not webhooks:
        world.lose_webhooks()

    assert other_process.run("pay_order", crash_at=point, order=order.pk, token="sim_ok") == -9

    if point == CrashPoint.ACCEPT_BEFORE_COMMIT:
        assert Payment.objects.count() == 0
        paid(order, instrument="sim_ok")
    else:
        _assert_recovers_in_time(Payment.objects.get())
    world.rest()
    _assert_charged_once(world, b, order.reference)


@pytest.mark.parametrize("point", IN_A_WORKER)
def test_a_worker_dies_in_a_charge(restaurant: Restaurant, world: World, b: SandboxProcess, point: CrashPoint) -> None:
    order = order_of(restaurant)
    world.lose_webhooks()
    accepted(order, instrument="sim_ok")

    assert other_process.run("work", crash_at=point) == -9

    _assert_recovers_in_time(Payment.objects.get())
    world.rest()
    _assert_charged_once(world, b, order.reference)


@pytest.mark.parametrize("point", IN_A_REFUND)
def test_a_worker_dies_in_a_refund(restaurant: Restaurant, world: World, point: CrashPoint) -> None:
    payment = paid(order_of(restaurant), instrument="sim_ok")
    world.lose_webhooks()
    request_refund(payment_id=payment.pk, amount_minor=30_000, reason="cold food", actor=GUEST)

    assert other_process.run("work", crash_at=point) == -9

    world.rest()
    assert Refund.objects.get().status == RefundStatus.COMPLETED
    assert Attempt.objects.get().refunded_minor == 30_000
    world.assert_books_agree()


def test_a_worker_dies_in_a_look_up(restaurant: Restaurant, world: World, b: SandboxProcess) -> None:
    order = order_of(restaurant)
    world.lose_webhooks()
    paid(order, instrument="sim_5xx_after_effect")
    Payment.objects.update(next_action_at=clock.now())

    assert other_process.run("work", crash_at=CrashPoint.LOOK_UP_AFTER_ANSWER) == -9

    world.rest()
    _assert_charged_once(world, b, order.reference)


def test_a_worker_dies_after_the_provider_closed_an_attempt(restaurant: Restaurant, world: World) -> None:
    world.lose_webhooks()
    payment = paid(order_of(restaurant), instrument="sim_pending_for_ever")
    cancel_payment(payment_id=payment.pk, actor=GUEST)

    assert other_process.run("work", crash_at=CrashPoint.CANCEL_AFTER_ANSWER) == -9

    world.rest()
    payment = Payment.objects.get()
    assert (payment.status, payment.next_action) == (PaymentStatus.FAILED, NextAction.NONE)
    world.assert_books_agree()


def test_a_web_process_dies_with_a_notice_in_its_hand(
    restaurant: Restaurant, world: World, a: SandboxProcess, b: SandboxProcess
) -> None:
    order = order_of(restaurant)
    world.lose_webhooks()
    payment = paid(order, instrument="sim_5xx_after_effect")
    charge = a.books()[order.reference]["charges"][0]
    sent = webhook("charge.succeeded", charge, url="", secret=WEBHOOK_SECRET, due_at=clock.now().timestamp())
    account = ProviderAccount.objects.get(provider="sandbox_a")
    notice = {"account": account.pk, "headers": dict(sent.headers), "body": sent.body.decode()}

    assert other_process.run("receive", crash_at=CrashPoint.NOTICE_AFTER_STORE, **notice) == -9
    assert Payment.objects.get().in_doubt
    world.tick()

    assert Payment.objects.get(pk=payment.pk).status == PaymentStatus.COMPLETED
    _assert_charged_once(world, b, order.reference)


def test_a_worker_that_was_paused_past_its_lease_sends_nothing(
    restaurant: Restaurant, world: World, a: SandboxProcess, b: SandboxProcess
) -> None:
    order = order_of(restaurant)
    world.lose_webhooks()
    worker = other_process.start(
        "pay_order", crash_at=f"{CrashPoint.ACCEPT_AFTER_COMMIT}:1:stop", order=order.pk, token="sim_ok"
    )
    os.waitid(os.P_PID, worker.pid, os.WSTOPPED | os.WNOWAIT)
    attempt = Attempt.objects.get()

    time.sleep(8)  # Longer than its lease of 7 s, in real time: the other process has its own clock.
    os.kill(worker.pid, signal.SIGCONT)
    worker.communicate(timeout=30)

    assert a.sends(str(attempt.pk)) == 0
    assert Attempt.objects.get().status in {"sent", "unknown"}
    world.rest()
    _assert_charged_once(world, b, order.reference)


def _assert_recovers_in_time(payment: Payment) -> None:
    if payment.status == PaymentStatus.PROCESSING:
        assert payment.next_action_at is not None
        assert payment.next_action_at - clock.now() <= RECOVERY


def _assert_charged_once(world: World, b: SandboxProcess, reference: str) -> None:
    payment = Payment.objects.get()
    assert payment.status == PaymentStatus.COMPLETED
    order = world.sandboxes["sandbox_a"].books()[reference]
    assert order["captured"] == {"INR": payment.charge_minor}
    assert b.is_untouched_by(reference)
    world.assert_books_agree()
