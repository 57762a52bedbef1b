"""Who is there every evening: our restaurant and its neighbour, their people, and their accounts at two providers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from accounts.models import Membership, Restaurant, Role, User
from kernel import clock
from payments.models import ProviderAccount
from tests.factories import routed
from tests.sim.clock import SeedClock
from tests.sim.database import Reader, empty_everything
from tests.sim.providers import NAMES, first_credentials

# The neighbour's own secret, at each provider: valid, and worth nothing about our money.
NEIGHBOUR_SECRET = "webhook-secret-of-the-neighbour"
# An evening has few calls, and what happens around an open circuit has to happen in it.
NERVOUS = {"minimum_calls": 2, "window_seconds": 1800.0}


@dataclass(frozen=True, kw_only=True)
class House:
    restaurant: Restaurant
    accounts: dict[str, ProviderAccount]
    neighbours_accounts: dict[str, ProviderAccount]
    waiters: tuple[User, User]
    finance: tuple[User, User]
    operator: User
    lead: User  # Agrees to what one of finance saw.


def house(reader: Reader) -> House:
    """Built once in a database, because it costs as much as an evening in it."""
    if not reader.rows("SELECT 1 FROM accounts_restaurant WHERE slug = 'ours'"):
        _build.cache_clear()
        empty_everything()
    built = _build()
    for name, account in built.accounts.items():
        if account.credentials != first_credentials(name):
            account.credentials = first_credentials(name)
            account.save(update_fields=["credentials"])
    return built


@cache
def _build() -> House:
    previous = clock.install(SeedClock(0))  # The same ids in every process.
    try:
        ours, neighbour = (Restaurant.objects.create(slug=slug, name=slug) for slug in ("ours", "neighbour"))
        theirs = _accounts(neighbour)
        for account in theirs.values():
            account.credentials = {"webhook_secrets": [NEIGHBOUR_SECRET]}
            account.save(update_fields=["credentials"])
        return House(
            restaurant=ours,
            accounts=_accounts(ours),
            neighbours_accounts=theirs,
            waiters=(_person(ours, Role.WAITER, 1), _person(ours, Role.WAITER, 2)),
            finance=(_person(ours, Role.FINANCE, 1), _person(ours, Role.FINANCE, 2)),
            operator=User.objects.create(username="operator", is_staff=True, is_superuser=True),
            lead=_person(ours, Role.FINANCE_LEAD, 1),
        )
    finally:
        clock.install(previous)


def _accounts(restaurant: Restaurant) -> dict[str, ProviderAccount]:
    called = {account.provider: account for account in routed(restaurant, *NAMES, "cash") if account.provider in NAMES}
    for account in called.values():
        account.breaker = NERVOUS
        account.save(update_fields=["breaker"])
    return called


def _person(restaurant: Restaurant, role: Role, number: int) -> User:
    user = User.objects.create(username=f"{role}-{number}")
    Membership.objects.create(user=user, restaurant=restaurant, role=role)
    return user
