"""New credentials come into use in the moment in which a charge begins: it is sent to one contract, and asked there."""

from __future__ import annotations

import time as wall
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import pytest
from django.db import connection, connections

from accounts.models import User
from events.actors import GUEST
from kernel.crashpoints import CrashPoint
from payments.models import NextAction, Payment, ProviderAccount
from payments.services import attempts, providers, refunds
from payments.services.account_trials import REMEMBERED_FOR
from payments.services.attempts import begin_attempt, resend_attempt, run_payment
from payments.services.providers import Provider, candidates_for_payment
from payments.services.refund_requests import request_refund
from payments.services.refunds import begin_refund
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
from tests.payments.words import TIMED_OUT, UNREACHABLE
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


@dataclass
class Meanwhile:
    """A second person agrees just before a send is committed: they wait for it, and see it then."""

    lead: User
    monkeypatch: pytest.MonkeyPatch

    def answered(self, module: ModuleType, before: CrashPoint, send: Callable[[], Any]) -> str:
        with ThreadPoolExecutor(1) as pool:
            pending: list[Future[str]] = []

            def hold(point: CrashPoint) -> None:
                if point == before and not pending:
                    pending.append(pool.submit(self._agree))
                    wait_until_somebody_waits()

            self.monkeypatch.setattr(module, "crashpoint", hold)
            assert send() is not None
            return pending[0].result()

    def _agree(self) -> str:
        try:
            return refused(lambda: answer(self.lead))
        finally:
            connection.close()


@pytest.fixture
def meanwhile(lead: User, monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    return Meanwhile(lead, monkeypatch)


@pytest.mark.django_db(transaction=True)
class TestWhatBeganFirstIsSeenByWhoeverAgrees:
    """It is written and not committed yet: whoever agrees waits for it, and is refused."""

    def test_a_charge(self, payment: Payment, asked: ProviderAccount, meanwhile: Meanwhile) -> None:
        begin = partial(begin_attempt, payment_id=payment.pk)

        assert meanwhile.answered(attempts, CrashPoint.CHARGE_BEFORE_COMMIT, begin) == "stale"
        assert in_use(asked)["api_key"] == OLD_KEY
        assert Payment.objects.get(pk=payment.pk).attempts.count() == 1

    def test_a_charge_that_is_sent_again(
        self, payment: Payment, asked: ProviderAccount, contracts: dict[str, ScriptedGateway], meanwhile: Meanwhile
    ) -> None:
        """It provably never left, so that nothing was undecided at the old ones until then."""
        ProviderAccount.objects.exclude(pk=asked.pk).update(enabled=False)
        contracts[OLD_KEY].charges.append(UNREACHABLE)
        run_payment(payment_id=payment.pk)
        assert Payment.objects.get(pk=payment.pk).next_action == NextAction.RESEND

        again = partial(resend_attempt, payment_id=payment.pk)

        assert meanwhile.answered(attempts, CrashPoint.CHARGE_BEFORE_COMMIT, again) == "stale"
        assert in_use(asked)["api_key"] == OLD_KEY

    def test_a_refund(
        self,
        account: ProviderAccount,
        contracts: dict[str, ScriptedGateway],
        admin: User,
        meanwhile: Meanwhile,
        time: ShiftedClock,
    ) -> None:
        """Of a charge that is too old to compare any credentials by."""
        payment = accepted(order_of(account.restaurant))
        run_payment(payment_id=payment.pk)
        time.advance(days=REMEMBERED_FOR.days + 1)
        ask(account, admin)
        refund = request_refund(payment_id=payment.pk, reason="The soup was cold.", actor=GUEST)

        begin = partial(begin_refund, refund_id=refund.pk)

        assert meanwhile.answered(refunds, CrashPoint.REFUND_BEFORE_COMMIT, begin) == "stale"
        assert in_use(account)["api_key"] == OLD_KEY


def wait_until_somebody_waits() -> None:
    until = wall.monotonic() + PATIENCE
    with connections["default"].cursor() as cursor:
        while wall.monotonic() < until:
            cursor.execute("SELECT COUNT(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
            wall.sleep(0.01)
    raise AssertionError("Nobody waited: the two do not know of each other.")
