"""Provider A is down: B takes over at once, A is left alone, and one process finds out when it is back."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from accounts.models import Restaurant
from payments.gateways.breaker import BreakerBoard
from payments.models import Attempt, AttemptStatus, Payment, PaymentStatus, ProviderAccount
from payments.services import providers
from tests.factories import accepted, order_of, paid
from tests.scenarios import other_process
from tests.scenarios.conftest import World
from tests.scenarios.jobs import open_the_gate
from tests.scenarios.sandbox_process import SandboxProcess

THRESHOLD = {"minimum_calls": 3, "window_seconds": 60, "failure_rate": 0.5, "cool_down_seconds": 3}
REFUSING_SECONDS = 2.5


@pytest.fixture
def redis_url() -> str:
    """A database of this worker's own, so that what one test's providers did closes no other test's circuits."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    base, _, _ = os.environ["REDIS_URL"].rpartition("/")
    return f"{base}/{int(worker) + 1}"


@pytest.fixture
def shared(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[redis.Redis]:
    """The circuits in Redis, shared with the other processes."""
    client = redis.Redis.from_url(redis_url)
    client.flushdb()
    board = BreakerBoard(redis_url=redis_url)
    monkeypatch.setattr(providers, "_board", lambda: board)
    ProviderAccount.objects.filter(provider="sandbox_a").update(breaker=THRESHOLD)
    yield client
    client.flushdb()
    client.close()


def test_a_refusing_provider_is_replaced_at_once_and_then_skipped_without_a_call(
    restaurant: Restaurant, world: World, shared: redis.Redis, a: SandboxProcess
) -> None:
    a.set_mode("refusing", seconds=REFUSING_SECONDS)

    payments = [paid(order_of(restaurant), instrument="sim_ok") for _ in range(5)]

    assert {payment.status for payment in payments} == {PaymentStatus.COMPLETED}
    firsts = [list(Attempt.objects.filter(payment=payment).order_by("number")) for payment in payments]
    assert [len(attempts) for attempts in firsts] == [2, 2, 2, 1, 1]
    assert {attempts[-1].account.provider for attempts in firsts} == {"sandbox_b"}
    skipped = firsts[-1][0].routing["candidates"][0]
    assert skipped == {"position": 1, "provider": "sandbox_a", "skipped": "breaker open"}
    assert Attempt.objects.filter(status=AttemptStatus.NOT_SENT).count() == 3
    world.rest()
    world.assert_books_agree()


def test_after_the_cool_down_one_probe_goes_out_although_4_processes_ask(
    restaurant: Restaurant, world: World, shared: redis.Redis, redis_url: str, *, a: SandboxProcess, tmp_path: Path
) -> None:
    b = world.sandboxes["sandbox_b"]
    a.set_mode("refusing", seconds=REFUSING_SECONDS)
    for _ in range(3):
        paid(order_of(restaurant), instrument="sim_ok")
    time.sleep(THRESHOLD["cool_down_seconds"] + 0.2)
    a.set_mode("slow", delay_seconds=0.8)  # Well again, and slow enough that all four ask while the probe is out.
    orders = [order_of(restaurant) for _ in range(4)]

    started = [
        other_process.start("pay_order_at_the_gate", redis_url=redis_url, order=order.pk, token="sim_ok", gate=tmp_path)
        for order in orders
    ]
    open_the_gate(tmp_path, people=len(started))
    for process in started:
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 0, said

    at_a = [order for order in orders if not a.is_untouched_by(order.reference)]
    at_b = [order for order in orders if not b.is_untouched_by(order.reference)]
    assert (len(at_a), len(at_b)) == (1, 3)
    assert Payment.objects.filter(status=PaymentStatus.COMPLETED).count() == 7
    a.set_mode("ok")
    world.rest()
    world.assert_books_agree()


def test_without_redis_a_local_circuit_takes_over_and_payments_go_on(
    restaurant: Restaurant, world: World, a: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = BreakerBoard(redis_url="redis://127.0.0.1:1/0")  # Nobody listens there.
    monkeypatch.setattr(providers, "_board", lambda: board)
    ProviderAccount.objects.filter(provider="sandbox_a").update(breaker=THRESHOLD)
    a.set_mode("refusing", seconds=REFUSING_SECONDS)

    payments = [paid(order_of(restaurant), instrument="sim_ok") for _ in range(5)]

    assert {payment.status for payment in payments} == {PaymentStatus.COMPLETED}
    assert Attempt.objects.filter(status=AttemptStatus.NOT_SENT).count() == 3
    world.rest()
    world.assert_books_agree()


def test_a_flushed_redis_loses_nothing(
    restaurant: Restaurant, world: World, shared: redis.Redis, a: SandboxProcess
) -> None:
    a.set_mode("refusing", seconds=REFUSING_SECONDS)
    for _ in range(3):
        paid(order_of(restaurant), instrument="sim_ok")
    waiting = [accepted(order_of(restaurant), instrument="sim_ok") for _ in range(3)]

    shared.flushdb()
    world.tick()

    assert {Payment.objects.get(pk=payment.pk).status for payment in waiting} == {PaymentStatus.COMPLETED}
    assert Attempt.objects.filter(status=AttemptStatus.NOT_SENT).count() == 3  # It still knows that A is down.
    world.rest()
    world.assert_books_agree()
