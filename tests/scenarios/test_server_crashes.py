"""SIGKILL at the phase boundaries inside the servers themselves: Celery's and gunicorn's processes, not stand-ins."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from accounts.models import Restaurant
from events.actors import GUEST
from kernel import clock
from kernel.crashpoints import CrashPoint
from payments.models import Attempt, InboundNotice, NoticeState, Payment, PaymentStatus, ProviderAccount, Refund
from payments.services.payments import cancel_payment
from payments.services.refund_requests import request_refund
from sandbox.notices import Webhook, webhook
from tests.factories import accepted, order_of, paid
from tests.scenarios.conftest import World
from tests.scenarios.sandbox_process import WEBHOOK_SECRET, SandboxProcess
from tests.scenarios.servers import START_SECONDS, celery_worker, gunicorn
from tests.scenarios.test_crashes import IN_A_REFUND, IN_A_WORKER

# From the crash on, whatever the broker does with the message that was being worked on.
RECOVERY_SECONDS = 60.0
IN_A_WEBHOOK = [CrashPoint.NOTICE_AFTER_STORE, CrashPoint.SETTLE_BEFORE_COMMIT, CrashPoint.SETTLE_AFTER_COMMIT]


def ended() -> bool:
    """Each payment and each refund, one way or the other."""
    payments = Payment.objects.exclude(status__in=[PaymentStatus.COMPLETED, PaymentStatus.FAILED])
    return not payments.exists() and not Refund.objects.filter(finished_at__isnull=True).exists()


def survives(world: World, point: CrashPoint, folder: Path) -> None:
    with celery_worker(point=point, folder=folder) as server:
        server.wait_until(lambda: server.has_died, seconds=START_SECONDS)
        server.wait_until(ended, seconds=RECOVERY_SECONDS)
    world.assert_books_agree()


@pytest.mark.slow
@pytest.mark.parametrize("point", IN_A_WORKER)
def test_celery_is_killed_in_a_charge(
    restaurant: Restaurant, world: World, b: SandboxProcess, tmp_path: Path, point: CrashPoint
) -> None:
    order = order_of(restaurant)
    world.lose_webhooks()
    accepted(order, instrument="sim_ok")

    survives(world, point, tmp_path)

    assert Payment.objects.get().status == PaymentStatus.COMPLETED
    assert world.sandboxes["sandbox_a"].books()[order.reference]["captured"] == {"INR": 84_000}
    assert b.is_untouched_by(order.reference)


@pytest.mark.slow
@pytest.mark.parametrize("point", IN_A_REFUND)
def test_celery_is_killed_in_a_refund(restaurant: Restaurant, world: World, tmp_path: Path, point: CrashPoint) -> None:
    payment = paid(order_of(restaurant), instrument="sim_ok")
    world.lose_webhooks()
    request_refund(payment_id=payment.pk, amount_minor=30_000, reason="cold food", actor=GUEST)

    survives(world, point, tmp_path)

    assert Attempt.objects.get().refunded_minor == 30_000


@pytest.mark.slow
def test_celery_is_killed_in_a_look_up(restaurant: Restaurant, world: World, tmp_path: Path) -> None:
    world.lose_webhooks()
    paid(order_of(restaurant), instrument="sim_5xx_after_effect")

    survives(world, CrashPoint.LOOK_UP_AFTER_ANSWER, tmp_path)

    assert Payment.objects.get().status == PaymentStatus.COMPLETED


@pytest.mark.slow
def test_celery_is_killed_while_it_closes_an_attempt(restaurant: Restaurant, world: World, tmp_path: Path) -> None:
    world.lose_webhooks()
    payment = paid(order_of(restaurant), instrument="sim_pending_for_ever")
    cancel_payment(payment_id=payment.pk, actor=GUEST)

    survives(world, CrashPoint.CANCEL_AFTER_ANSWER, tmp_path)

    assert Payment.objects.get().failure_code == "cancelled"


@pytest.mark.slow
@pytest.mark.parametrize("point", IN_A_WEBHOOK)
def test_gunicorn_is_killed_with_a_webhook_in_its_hand(
    restaurant: Restaurant, world: World, a: SandboxProcess, tmp_path: Path, point: CrashPoint
) -> None:
    """The provider hears nothing and sends it again; the next process says 200, and the money counts once."""
    order = order_of(restaurant)
    world.lose_webhooks()
    paid(order, instrument="sim_5xx_after_effect")
    charge = a.books()[order.reference]["charges"][0]
    sent = webhook("charge.succeeded", charge, url="", secret=WEBHOOK_SECRET, due_at=clock.now().timestamp())

    with gunicorn(point=point, folder=tmp_path) as (server, address):
        server.wait_until(lambda: answers(address), seconds=START_SECONDS)
        with pytest.raises(httpx.TransportError):
            deliver(address, sent)
        assert server.has_died
        server.wait_until(lambda: answers(address), seconds=START_SECONDS)
        assert deliver(address, sent).status_code == 200

    assert Payment.objects.get().status == PaymentStatus.COMPLETED
    assert InboundNotice.objects.get().state == NoticeState.APPLIED
    assert Attempt.objects.get().captured_minor == 84_000
    world.assert_books_agree()


def answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/healthz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def deliver(address: str, sent: Webhook) -> httpx.Response:
    account = ProviderAccount.objects.get(provider="sandbox_a")
    url = f"{address}/webhooks/sandbox_a/{account.pk}"
    # Streamed, as a proxy may do it: in chunks, and without a length.
    return httpx.post(url, content=iter([sent.body]), headers=dict(sent.headers), trust_env=False)
