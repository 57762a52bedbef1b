"""A restaurant's chain: in which order its providers are tried, and for what. It is said as a whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.models import Restaurant, User
from events.actors import Actor
from events.audit import Deed, audited
from kernel.modes import Mode
from kernel.money import MAX_MINOR, is_currency
from kernel.texts import check_reason
from orders.models import Channel
from payments.models import Method, ProviderAccount, Route
from payments.services.configuring import can_be_paid, check_can_be_paid, lock_configuration
from payments.services.providers import PROVIDERS
from payments.services.refusals import ProviderRefused

# Each is read for each payment, and nobody oversees more: a method or two at each of a few providers.
MOST_ROUTES = 30
_SAID = ("account_id", "methods", "currencies", "channels", "min_minor", "max_minor", "enabled")


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteDraft:
    """One place in the chain, as a person says it. Empty words and bounds mean: any."""

    account_id: UUID
    methods: tuple[str, ...] = ()
    currencies: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    min_minor: int | None = None
    max_minor: int | None = None
    enabled: bool = True


def set_chain(
    *,
    restaurant: Restaurant,
    mode: Mode,
    chain: Sequence[RouteDraft],
    seen: str,
    person: User,
    reason: str,
    nobody_can_pay: bool = False,
) -> None:
    """These routes in this order, and no others. `seen` is the mark of the chain that was looked at.

    A payment reads the chain when it begins an attempt, whole and once: it meets the one before or the one after. What
    is under way already goes on with its own account. No row points to a route, so that all of them are written anew.
    """
    check_reason(reason, refusal=ProviderRefused)
    with transaction.atomic():
        lock_configuration(restaurant.pk, person=person)
        _check_seen(restaurant.pk, mode, seen)
        _check_chain(restaurant.pk, mode, chain)
        is_confirmed = nobody_can_pay or not can_be_paid(restaurant.pk, mode)
        with audited(_deed(restaurant.pk, mode, person, reason)):
            Route.objects.filter(restaurant=restaurant, mode=mode).delete()
            Route.objects.bulk_create(_routes(restaurant, mode, chain))
            check_can_be_paid(restaurant.pk, mode, is_confirmed=is_confirmed)


def mark_of(routes: Iterable[Route]) -> str:
    """The same for the same chain: what a page has seen."""
    return hashlib.sha256(json.dumps([_said_of(route) for route in routes]).encode()).hexdigest()


def chain_subject(restaurant_id: UUID, mode: Mode) -> str:
    """What the audit calls a chain."""
    return f"{restaurant_id}:{mode}"


def _routes(restaurant: Restaurant, mode: Mode, chain: Sequence[RouteDraft]) -> list[Route]:
    return [
        Route(
            restaurant=restaurant,
            mode=mode,
            position=position,
            account_id=draft.account_id,
            methods=list(draft.methods),
            currencies=list(draft.currencies),
            channels=list(draft.channels),
            min_minor=draft.min_minor,
            max_minor=draft.max_minor,
            enabled=draft.enabled,
        )
        for position, draft in enumerate(chain, start=1)
    ]


def _check_seen(restaurant_id: UUID, mode: Mode, seen: str) -> None:
    if mark_of(Route.objects.filter(restaurant=restaurant_id, mode=mode)) != seen:
        raise ProviderRefused("Somebody changed this chain since you opened it. Look again.", code="changed_meanwhile")


def _check_chain(restaurant_id: UUID, mode: Mode, chain: Sequence[RouteDraft]) -> None:
    if len(chain) > MOST_ROUTES:
        raise ProviderRefused(f"A chain has at most {MOST_ROUTES} routes.", code="too_many_routes")
    accounts = ProviderAccount.objects.filter(restaurant=restaurant_id, mode=mode).defer("credentials")
    known = {account.pk: account for account in accounts}
    for place, draft in enumerate(chain):
        account = known.get(draft.account_id)
        if account is None:
            raise ProviderRefused(
                "This is no account of this restaurant in this mode.", field=f"{place}.account", code="unknown_account"
            )
        _check_words(account, draft, place)
        _check_bounds(draft, place)


def _check_words(account: ProviderAccount, draft: RouteDraft, place: int) -> None:
    """What could never be chosen is a slip: such a route looks as if it were one, and takes nothing."""
    provider = PROVIDERS.get(account.provider)
    for method in draft.methods:
        if method not in Method.values or (provider and method not in provider.facts.methods):
            raise ProviderRefused(
                f"{account.label} takes no {method}.", field=f"{place}.methods", code="unknown_method"
            )
    for currency in draft.currencies:
        if not is_currency(currency):
            raise ProviderRefused(
                f"{currency!r} is not a currency code, such as INR.",
                field=f"{place}.currencies",
                code="unknown_currency",
            )
        if provider and provider.facts.currencies and currency not in provider.facts.currencies:
            raise ProviderRefused(
                f"{account.label} takes no {currency}.", field=f"{place}.currencies", code="unknown_currency"
            )
    for channel in draft.channels:
        if channel not in Channel.values:
            raise ProviderRefused(
                f"There is no channel {channel!r}.", field=f"{place}.channels", code="unknown_channel"
            )


def _check_bounds(draft: RouteDraft, place: int) -> None:
    for name, bound in (("least", draft.min_minor), ("most", draft.max_minor)):
        if bound is not None and not 0 <= bound <= MAX_MINOR:
            raise ProviderRefused(
                "A bound is an amount that is not negative.", field=f"{place}.{name}", code="bad_amount"
            )
    if draft.min_minor is not None and draft.max_minor is not None and draft.min_minor > draft.max_minor:
        raise ProviderRefused(
            "No amount is above the one bound and below the other.", field=f"{place}.most", code="bad_bounds"
        )


def _deed(restaurant_id: UUID, mode: Mode, person: User, reason: str) -> Deed:
    return Deed(
        actor=Actor.user(person),
        action="set_chain",
        subject_kind="chain",
        subject_id=chain_subject(restaurant_id, mode),
        picture=partial(_picture, restaurant_id, mode),
        restaurant_id=restaurant_id,
        mode=mode,
        reason=reason,
    )


def _picture(restaurant_id: UUID, mode: Mode) -> dict[str, Any]:
    routes = Route.objects.filter(restaurant=restaurant_id, mode=mode)
    return {"chain": [_said_of(route) for route in routes]}


def _said_of(route: Route) -> dict[str, Any]:
    said = {name: getattr(route, name) for name in _SAID}
    return {"position": route.position, **said, "account_id": str(route.account_id)}
