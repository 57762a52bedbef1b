"""The restaurant that is filled: its people, its accounts at the sandbox providers, its routes. Test mode only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from accounts.models import CHECKERS, Membership, Restaurant, Role, User
from failures.generated.dice import Ids
from kernel.modes import Mode
from orders.models import Order
from payments.models import Payment, ProviderAccount, Route

CALLED = "generated"  # The beginning of each generated order's client reference.
# Nothing listens there: a clock that asks gets no answer, and nothing is decided by it.
_NOWHERE = "http://127.0.0.1:9"
_CREDENTIALS = {"base_url": _NOWHERE, "api_key": "generated", "webhook_secrets": ["generated-and-of-no-use-to-anybody"]}
_FOUNDED_MS = 1_735_689_600_000  # With 2025, before anything that is generated today.
_ACCOUNTS = (("sandbox_a", "Sandbox A", 190), ("sandbox_b", "Sandbox B", 240), ("cash", "Cash", 0))
_PEOPLE = (
    ("finance", Role.FINANCE),
    ("finance2", Role.FINANCE),
    ("lead", Role.FINANCE_LEAD),
    ("auditor", Role.AUDITOR),
    ("waiter", Role.WAITER),
    ("waiter2", Role.WAITER),
    ("waiter3", Role.WAITER),
    ("admin", Role.ADMIN),
)


class GenerationRefused(Exception):
    """Nothing was written. It is said to whoever sits at the terminal, and to nobody over HTTP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    restaurant: Restaurant
    accounts: Mapping[str, ProviderAccount]
    office: tuple[User, ...]
    waiters: tuple[User, ...]
    checkers: tuple[User, ...]

    @property
    def id(self) -> UUID:
        return self.restaurant.pk


def furnish(slug: str) -> House:
    """What is there already stays as it is. A password has to be given to whoever wants to sign in."""
    _check_that_it_is_a_toy()
    named = {"id": _id(slug, 0), "name": slug.replace("-", " ").title()}
    restaurant, _ = Restaurant.objects.get_or_create(slug=slug, defaults=named)
    _check_that_it_is_ours(restaurant)
    people = {name: _person(restaurant, place, name, role) for place, (name, role) in enumerate(_PEOPLE, start=10)}
    return House(
        restaurant=restaurant,
        accounts={each[0]: _account(restaurant, place, *each) for place, each in enumerate(_ACCOUNTS, start=1)},
        office=tuple(people[name] for name, role in _PEOPLE if role in {Role.FINANCE, Role.FINANCE_LEAD}),
        waiters=tuple(people[name] for name, role in _PEOPLE if role == Role.WAITER),
        checkers=tuple(people[name] for name, role in _PEOPLE if role in CHECKERS),
    )


def _check_that_it_is_a_toy() -> None:
    live = {"mode": Mode.LIVE}
    if Payment.objects.filter(**live).exists() or ProviderAccount.objects.filter(**live).exists():
        raise GenerationRefused(
            "This installation takes live payments, or is about to. Made-up ones belong into a database of their own."
        )


def _check_that_it_is_ours(restaurant: Restaurant) -> None:
    others = Order.objects.filter(restaurant=restaurant).exclude(client_reference__startswith=f"{CALLED}-")
    if others.exists():
        raise GenerationRefused(
            f"{restaurant.name} has orders of its own. Say --restaurant with a name that nobody has yet."
        )


def _id(slug: str, place: int) -> UUID:
    """Of its name: whoever is generated twice is the same one, and so are all rows that name him."""
    return UUID(Ids(f"house {slug}").text(place, _FOUNDED_MS))


def _person(restaurant: Restaurant, place: int, name: str, role: Role) -> User:
    known = {"id": _id(restaurant.slug, place), "is_staff": role != Role.WAITER}
    user, created = User.objects.get_or_create(username=f"{restaurant.slug}-{name}", defaults=known)
    if created:
        user.set_unusable_password()
        user.save(update_fields=["password"])
    Membership.objects.get_or_create(user=user, restaurant=restaurant, defaults={"role": role})
    return user


def _account(restaurant: Restaurant, position: int, provider: str, label: str, fee_bps: int) -> ProviderAccount:
    credentials: Any = _CREDENTIALS if provider != "cash" else {}
    account, _ = ProviderAccount.objects.get_or_create(
        restaurant=restaurant,
        mode=Mode.TEST,
        label=label,
        defaults={
            "id": _id(restaurant.slug, position),
            "provider": provider,
            "fee_bps": fee_bps,
            "credentials": credentials,
        },
    )
    Route.objects.get_or_create(restaurant=restaurant, mode=Mode.TEST, position=position, defaults={"account": account})
    return account
