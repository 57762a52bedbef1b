"""What every trial stands on: a restaurant, its people, two providers with books, a clock; put back in milliseconds."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pgtrigger
from django.apps import apps
from django.db import connection, transaction

from accounts.models import Restaurant, Role, User
from kernel import clock
from payments.gateways.breaker import BreakerBoard
from payments.models import ProviderAccount
from payments.services import providers
from sandbox.notices import Webhook
from tests.clients import Caller
from tests.factories import RestaurantFactory, routed, secrets_of, staff
from tests.sim.clock import SeedClock
from tests.sim.database import Reader
from tests.sim.providers import NAMES, SimProvider, first_credentials, usual_facts

# Restaurants, people and accounts stay: they are what is raced at, not what is raced for.
_STAYING = {
    *("accounts_restaurant", "accounts_user", "accounts_membership", "accounts_apikey", "accounts_usertoken"),
    *("payments_provideraccount", "payments_route"),
}
_APPS = ("accounts", "events", "failures", "orders", "payments")
# PostgreSQL keeps what was deleted until somebody sweeps, and each trial would read past more of it.
TRIALS_BETWEEN_SWEEPS = 100


@dataclass(frozen=True)
class Moment:
    """Everything that a trial may change, as it was."""

    rows: dict[str, bytes]
    time: dict[str, Any]
    providers: dict[str, dict[str, Any]]


class Ground:
    def __init__(self, cut: Callable[[str], None], reader: Reader) -> None:
        self.reader = reader
        self.clock = SeedClock(0)
        self.providers = {name: SimProvider(usual_facts(name), clock=self.clock, cut=cut) for name in NAMES}
        self.restaurant: Restaurant
        self.waiter: User
        self.finance: User
        self.lead: User
        self.accounts: dict[str, ProviderAccount] = {}
        self.secrets: dict[Caller, str] = {}  # Of who may call the API.
        self._tables = [
            model._meta.db_table
            for app in _APPS
            for model in apps.get_app_config(app).get_models()
            if model._meta.db_table not in _STAYING
        ]
        self._trials = 0

    def settle_in(self) -> None:
        self.restaurant = RestaurantFactory.create()
        self.accounts = {account.provider: account for account in routed(self.restaurant, *NAMES, "cash")}
        for name in NAMES:
            self.accounts[name].credentials = first_credentials(name)
            self.accounts[name].save(update_fields=["credentials"])
        self.waiter, self.finance = staff(self.restaurant, Role.WAITER), staff(self.restaurant, Role.FINANCE)
        self.lead = staff(self.restaurant, Role.FINANCE_LEAD)
        self.secrets = secrets_of(self.restaurant)

    def keep(self) -> Moment:
        with transaction.atomic():
            rows = {table: self._copied(table) for table in self._tables}
        return Moment(
            rows={table: copied for table, copied in rows.items() if copied},
            time=copy.deepcopy(vars(self.clock)),
            providers={name: _copied_state(vars(each.sandbox.provider)) for name, each in self.providers.items()},
        )

    def put_back(self, moment: Moment) -> None:
        """The rows, the hour and the providers' books; circuits forget what they saw."""
        self._sweep_the_floor()
        with pgtrigger.ignore(), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("; ".join(f"DELETE FROM {table}" for table in self._tables))  # noqa: S608  Names of ours.
            for table, rows in moment.rows.items():
                with cursor.cursor.copy(f"COPY {table} FROM STDIN") as copier:
                    copier.write(rows)
        vars(self.clock).update(copy.deepcopy(moment.time))
        for name, provider in self.providers.items():
            vars(provider.sandbox.provider).update(_copied_state(moment.providers[name]))
            provider.arrivals.clear()
        board = BreakerBoard()
        providers._board = lambda: board  # type: ignore[assignment]  # Until `on_this_ground` puts the real one back.

    def take_mail(self) -> list[tuple[str, Webhook]]:
        return [(name, news) for name, provider in self.providers.items() for news in provider.sandbox.take_webhooks()]

    def clear(self) -> None:
        self.put_back(Moment(rows={}, time=vars(SeedClock(0)), providers=self._empty))

    @property
    def _empty(self) -> dict[str, dict[str, Any]]:
        fresh = (SimProvider(usual_facts(name), clock=self.clock, cut=_nobody) for name in self.providers)
        return {provider.name: vars(provider.sandbox.provider) for provider in fresh}

    def _copied(self, table: str) -> bytes:
        with connection.cursor() as cursor, cursor.cursor.copy(f"COPY {table} TO STDOUT") as copier:
            return b"".join(bytes(part) for part in copier)

    def _sweep_the_floor(self) -> None:
        self._trials += 1
        if self._trials % TRIALS_BETWEEN_SWEEPS == 0:
            with connection.cursor() as cursor:
                cursor.execute(f"VACUUM ANALYZE {', '.join(self._tables)}")


def _nobody(place: str) -> None:
    """Nothing that can be cut."""


def _copied_state(state: dict[str, Any]) -> dict[str, Any]:
    """All but the lock, which cannot be copied and holds nothing."""
    return copy.deepcopy(state, {id(state["lock"]): state["lock"]})


@contextmanager
def on_this_ground(cut: Callable[[str], None], reader: Reader) -> Iterator[Ground]:
    """The product's clock, providers and circuits are the trial's; what was there before is put back."""
    ground = Ground(cut, reader)
    previous_clock, previous_board = clock.install(ground.clock), providers._board
    before = dict(providers.PROVIDERS)
    providers.PROVIDERS.update({name: provider.registered() for name, provider in ground.providers.items()})
    ground.settle_in()
    try:
        yield ground
    finally:
        providers.PROVIDERS.clear()
        providers.PROVIDERS.update(before)
        providers._board = previous_board
        clock.install(previous_clock)
