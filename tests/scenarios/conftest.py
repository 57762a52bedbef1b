"""Two sandbox providers as processes, the real tasks, and one question at the end: do the books agree?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.db.models import Min, Sum
from django.db.models.functions import Greatest
from pytest_django.live_server_helper import LiveServer

from accounts.models import Restaurant
from failures.invariants import offences
from kernel import clock
from payments import tasks
from payments.models import Attempt, InboundNotice, Payment, ProviderAccount, Refund
from tests.factories import RestaurantFactory, routed
from tests.scenarios.sandbox_process import API_KEY, WEBHOOK_SECRET, SandboxProcess
from tests.scenarios.stack import Stack
from tests.time_machine import ShiftedClock

# Waits of the sandbox (a slow answer, a late webhook) at a fiftieth: what decides is their order, not their length.
SCALE = "0.02"
MAX_ROUNDS = 400  # Five days of look-ups need about 150; more is a payment that never comes to rest.


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """All of `make run`, with its state in the test's folder `var`."""
    running = Stack(tmp_path / "var")
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, SandboxProcess]]:
    started = {
        name: SandboxProcess(name, tmp_path_factory.mktemp(name), "--delay-scale", SCALE)
        for name in ("sandbox_a", "sandbox_b")
    }
    yield started
    for process in started.values():
        process.stop()


@pytest.fixture
def a(processes: dict[str, SandboxProcess]) -> Iterator[SandboxProcess]:
    yield processes["sandbox_a"]
    _make_well(processes["sandbox_a"])


@pytest.fixture
def b(processes: dict[str, SandboxProcess]) -> Iterator[SandboxProcess]:
    yield processes["sandbox_b"]
    _make_well(processes["sandbox_b"])


def _make_well(sandbox: SandboxProcess) -> None:
    sandbox.set_mode("ok")
    sandbox.steer_look_ups("refuse", times=0)


@pytest.fixture(autouse=True)
def _short_deadlines(settings: Any) -> None:
    """The same proportions as in production, at a tenth."""
    settings.STEWARD_PROVIDER_DEADLINE_SECONDS = 1
    settings.STEWARD_REQUEST_BUDGET_SECONDS = 2
    settings.STEWARD_LEASE_SECONDS = 7


@pytest.fixture
def restaurant(transactional_db: None, live_server: LiveServer, a: SandboxProcess, b: SandboxProcess) -> Restaurant:
    restaurant = RestaurantFactory.create()
    for account, sandbox in zip(routed(restaurant, "sandbox_a", "sandbox_b", "cash"), (a, b), strict=False):
        account.credentials = {
            "base_url": sandbox.url,
            "api_key": API_KEY,
            "webhook_secrets": [WEBHOOK_SECRET],
            "notify_url": f"{live_server.url}/webhooks/{account.provider}/{account.pk}",
        }
        account.save()
    return restaurant


# A row that a dead worker still holds is nobody's before its lease is over.
_FREE_AND_DUE = Greatest("next_action_at", "lease_until")


class World:
    """Everything that goes on by itself: the tasks, and time."""

    def __init__(self, time: ShiftedClock, *sandboxes: SandboxProcess) -> None:
        self.time = time
        self.sandboxes = {sandbox.name: sandbox for sandbox in sandboxes}

    def lose_webhooks(self) -> None:
        """From now on the providers know no address of ours."""
        for account in ProviderAccount.objects.exclude(provider="cash"):
            account.credentials = {**account.credentials, "notify_url": ""}
            account.save()

    def tick(self) -> int:
        """One tick of each of beat's entries."""
        return sum(
            task() for task in (tasks.sweep_payments, tasks.sweep_refunds, tasks.sweep_watches, tasks.sweep_notices)
        )

    def go_on(self) -> bool:
        """To the next moment at which something is due, and through it. False: everything is at rest."""
        due = self._next_due()
        if due is None:
            return False
        self.time.jump_to(due)
        self.tick()
        return True

    def rest(self) -> None:
        """Until no row asks for anything any more, closed attempts' late-money windows included."""
        for _ in range(MAX_ROUNDS):
            if not self.go_on():
                return
        raise AssertionError(f"Not at rest after {MAX_ROUNDS} rounds; next due {self._next_due()}.")

    def _next_due(self) -> datetime | None:
        times = [
            *Payment.objects.filter(next_action_at__isnull=False).aggregate(due=Min(_FREE_AND_DUE)).values(),
            *Refund.objects.filter(next_action_at__isnull=False).aggregate(due=Min(_FREE_AND_DUE)).values(),
            *Attempt.objects.aggregate(due=Min("watch_at")).values(),
            *InboundNotice.objects.aggregate(due=Min("next_action_at")).values(),
        ]
        return min((at for at in times if at is not None), default=None)

    def assert_books_agree(self) -> None:
        """The one assertion that matters: captures − refunds per order at the provider are ours, and I1–I20 hold."""
        for name, sandbox in self.sandboxes.items():
            theirs = {
                reference: sum(order["captured"].values()) - sum(order["refunded"].values())
                for reference, order in sandbox.books().items()
            }
            ours = (
                Attempt.objects.filter(account__provider=name)
                .values("payment__order__reference")
                .annotate(net=Sum("captured_minor") - Sum("refunded_minor"))
            )
            for row in ours:
                reference = row["payment__order__reference"]
                assert row["net"] == theirs.get(reference, 0), f"{name} and we differ about order {reference}"
        assert list(offences(now=clock.now())) == []


@pytest.fixture
def world(restaurant: Restaurant, time: ShiftedClock, a: SandboxProcess, b: SandboxProcess) -> World:
    return World(time, a, b)
