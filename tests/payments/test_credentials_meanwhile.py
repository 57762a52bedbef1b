"""New credentials come into use in the moment in which a charge begins: it is sent to one contract, and asked there."""

from __future__ import annotations

import time as wall
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from django.db import connection, connections

from accounts.models import User
from kernel.crashpoints import CrashPoint
from payments.models import Payment, ProviderAccount
from payments.services import attempts, providers
from payments.services.attempts import begin_attempt, run_payment
from payments.services.providers import Provider, candidates_for_payment
from payments.services.sweeps import sweep_payments
from tests.factories import accepted, order_of
from tests.payments.test_credential_changes import (
    NEW_KEY,
    NOT_FOUND,
    OLD_KEY,
    account,
    admin,
    answer,
    ask,
    gateway,
    in_use,
    lead,
    refused,
)
from tests.payments.words import TIMED_OUT
from tests.scripted import ScriptedGateway
from tests.time_machine import ShiftedClock

__all__ = ["account", "admin", "gateway", "lead"]  # Fixtures.
PATIENCE = 10.0


@pytest.fixture
def contracts(gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch) -> dict[str, ScriptedGateway]:
    """Each key leads to books of its own."""
    made = {key: ScriptedGateway(facts=gateway.facts) for key in (OLD_KEY, NEW_KEY)}
    made[NEW_KEY].look_ups.append(NOT_FOUND)
    provider = Provider(facts=gateway.facts, build=lambda _, credentials: made[credentials["api_key"]])
    monkeypatch.setitem(providers.PROVIDERS, "a", provider)
    return made


@pytest.fixture
def asked(account: ProviderAccount, contracts: dict[str, ScriptedGateway], admin: User) -> ProviderAccount:
    """A second person is being asked about the new key."""
    ask(account, admin)
    return account


@pytest.fixture
def payment(asked: ProviderAccount) -> Payment:
    return accepted(order_of(asked.restaurant))


@pytest.mark.django_db
def test_what_was_chosen_before_is_sent_with_what_is_in_use_now(
    payment: Payment,
    contracts: dict[str, ScriptedGateway],
    lead: User,
    monkeypatch: pytest.MonkeyPatch,
    time: ShiftedClock,
) -> None:
    """Sent with the old key and its answer lost, it would be asked about, and charged, at the new contract as well."""
    read = candidates_for_payment

    def agreed_to_behind_it(payment_id: object) -> object:
        monkeypatch.setattr(attempts, "candidates_for_payment", read)
        candidates = read(payment.pk)
        answer(lead)
        return candidates

    monkeypatch.setattr(attempts, "candidates_for_payment", agreed_to_behind_it)
    for contract in contracts.values():
        contract.charges.append(TIMED_OUT)
        contract.look_ups.clear()
        contract.look_ups.extend([NOT_FOUND] * 12)

    run_payment(payment_id=payment.pk)
    for _ in range(12):
        time.advance(seconds=61)
        sweep_payments(width=1)

    assert in_use(ProviderAccount.objects.get(provider="a"))["api_key"] == NEW_KEY
    assert contracts[OLD_KEY].count("charge") == 0
    assert contracts[NEW_KEY].count("charge") > 0


@pytest.mark.django_db(transaction=True)
def test_what_began_first_is_seen_by_whoever_agrees(
    payment: Payment, asked: ProviderAccount, lead: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is written and not committed yet: whoever agrees waits for it, and is refused."""

    def agreeing() -> str:
        try:
            return refused(lambda: answer(lead))
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        pending: list[Future[str]] = []

        def hold(point: CrashPoint) -> None:
            if point == CrashPoint.CHARGE_BEFORE_COMMIT and not pending:
                pending.append(pool.submit(agreeing))
                wait_until_somebody_waits()

        monkeypatch.setattr(attempts, "crashpoint", hold)
        begin_attempt(payment_id=payment.pk)
        assert pending[0].result() == "stale"

    assert in_use(asked)["api_key"] == OLD_KEY
    assert Payment.objects.get(pk=payment.pk).attempts.count() == 1


def wait_until_somebody_waits() -> None:
    until = wall.monotonic() + PATIENCE
    with connections["default"].cursor() as cursor:
        while wall.monotonic() < until:
            cursor.execute("SELECT COUNT(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
            wall.sleep(0.01)
    raise AssertionError("Nobody waited: the two do not know of each other.")
