"""Which providers exist, how their gateways are built and guarded, and what state they are in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet, Subquery

from kernel import clock
from orders.models import Order
from payments.gateways import cash, simulated
from payments.gateways.breaker import BreakerBoard, BreakerSettings, BreakerState
from payments.gateways.contract import Gateway, GatewayFacts
from payments.gateways.guard import Circuits, GuardedGateway, Operation, circuits
from payments.models import BreakerOverride, Payment, ProviderAccount, Route
from payments.services.outside import assert_outside_database
from payments.services.routing import Candidate, Forced


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    facts: GatewayFacts
    build: Callable[[GatewayFacts, Mapping[str, Any]], Gateway]  # From its facts and an account's credentials.


def _simulated(facts: GatewayFacts, credentials: Mapping[str, Any]) -> Gateway:
    said = simulated.SimulatedCredentials(
        base_url=credentials["base_url"],
        api_key=credentials["api_key"],
        webhook_secrets=tuple(credentials["webhook_secrets"]),
        notify_url=credentials.get("notify_url", ""),
    )
    seconds = float(settings.STEWARD_PROVIDER_DEADLINE_SECONDS)
    return simulated.SimulatedGateway(credentials=said, facts=facts, total_seconds=seconds)


def _cash(facts: GatewayFacts, _: Mapping[str, Any]) -> Gateway:
    return cash.CashGateway(facts=facts)


# One line a provider. What it can do is in its facts; nothing else asks for its name.
PROVIDERS: dict[str, Provider] = {
    "sandbox_a": Provider(facts=replace(simulated.FACTS, name="sandbox_a"), build=_simulated),
    "sandbox_b": Provider(facts=replace(simulated.FACTS, name="sandbox_b"), build=_simulated),
    "cash": Provider(facts=cash.FACTS, build=_cash),
}


def facts_of(account: ProviderAccount) -> GatewayFacts:
    return PROVIDERS[account.provider].facts


def gateway_for(account: ProviderAccount, *, forced: Forced | None = None) -> GuardedGateway:
    """Reads an operator's word where the caller has not, so it is called while the database is at hand."""
    provider = PROVIDERS[account.provider]
    gateway = provider.build(provider.facts, account.credentials)
    if provider.facts.is_manual:
        return GuardedGateway(gateway=gateway, assert_outside_transaction=assert_outside_database)
    return GuardedGateway(
        gateway=gateway,
        assert_outside_transaction=assert_outside_database,
        breakers=circuits_of(account),
        account=_circuits_of_account(account),
        forced=forced_circuits(account) if forced is None else forced,
    )


def circuits_of(account: ProviderAccount) -> Circuits:
    """One set for all restaurants of a provider: an outage is everybody's."""
    return circuits(_board(), f"{account.provider}:{account.mode}", settings=BreakerSettings(**account.breaker))


def forced_circuits(account: ProviderAccount) -> Forced:
    """An operator's word over the circuits, operation by operation; the newest that still lasts counts."""
    lasting = BreakerOverride.objects.filter(
        provider=account.provider, mode=account.mode, expires_at__gt=clock.now()
    ).order_by("created_at")
    words = {Operation(each.operation): each.state for each in lasting}
    return {operation: BreakerState(state) for operation, state in words.items() if state}


def candidates_for_order(order_id: UUID) -> list[Candidate]:
    return _candidates(Order.objects.filter(pk=order_id))


def candidates_for_payment(payment_id: UUID) -> list[Candidate]:
    return _candidates(Payment.objects.filter(pk=payment_id))


def _candidates(subject: QuerySet[Any]) -> list[Candidate]:
    """The chain of the subject's restaurant and mode, with each provider's state, read before any lock."""
    clock.keep_true()
    mine = subject.filter(restaurant=OuterRef("restaurant"), mode=OuterRef("mode"))
    word = BreakerOverride.objects.filter(
        provider=OuterRef("account__provider"),
        mode=OuterRef("mode"),
        operation=Operation.CHARGE,
        expires_at__gt=clock.now(),
    ).order_by("-created_at")
    routes = (
        Route.objects.filter(Exists(mine), enabled=True, account__enabled=True)
        .select_related("account")
        .annotate(forced=Subquery(word.values("state")[:1]))
    )
    return [_candidate(route, route.forced or "") for route in routes if route.account.provider in PROVIDERS]


def _candidate(route: Route, forced: str) -> Candidate:
    account = route.account
    facts = facts_of(account)
    word: Forced = {Operation.CHARGE: BreakerState(forced)} if forced else {}
    return Candidate(
        position=route.position,
        account=account,
        facts=facts,
        methods=tuple(route.methods),
        currencies=tuple(route.currencies),
        channels=tuple(route.channels),
        min_minor=route.min_minor,
        max_minor=route.max_minor,
        breaker_open=not facts.is_manual and not _would_allow(circuits_of(account), word),
        paused=not facts.is_manual and not word and not _would_allow(_circuits_of_account(account), word),
        forced=word,
    )


def _would_allow(of: Circuits, word: Forced) -> bool:
    if Operation.CHARGE in word:
        return word[Operation.CHARGE] is BreakerState.CLOSED
    return of[Operation.CHARGE].would_allow()


def _circuits_of_account(account: ProviderAccount) -> Circuits:
    """One restaurant's revoked key, or its rate limit, closes no other restaurant's till. Too many to be measured."""
    return circuits(_board(), f"{account.provider}:{account.mode}:{account.pk}", is_measured=False)


@lru_cache(maxsize=1)
def _board() -> BreakerBoard:
    """One per process: what a circuit remembers outlives the payment."""
    return BreakerBoard(redis_url=settings.REDIS_URL)
