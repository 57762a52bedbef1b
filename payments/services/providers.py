"""Which providers exist, how their gateways are built and guarded, and what state they are in."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.conf import settings

from kernel import clock
from kernel.modes import Mode
from kernel.statements import Statement
from payments.gateways import cash, simulated
from payments.gateways.breaker import BreakerBoard, BreakerSettings, BreakerState
from payments.gateways.contract import Gateway, GatewayFacts
from payments.gateways.guard import Circuits, GuardedGateway, Operation, circuits
from payments.gateways.misconfigured import MisconfiguredGateway
from payments.models import ProviderAccount, Route
from payments.services.outside import assert_outside_database
from payments.services.routing import Candidate, Forced

logger = logging.getLogger(__name__)


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


# What building a gateway says of credentials that miss something, or have something of another kind.
_UNUSABLE = (KeyError, TypeError, ValueError, AttributeError)


def gateway_for(account: ProviderAccount, *, forced: Forced | None = None) -> GuardedGateway:
    """Reads an operator's word where the caller has not, so it is called while the database is at hand."""
    provider = PROVIDERS[account.provider]
    gateway = _built(account, account.credentials)
    if provider.facts.is_manual:
        return GuardedGateway(gateway=gateway, assert_outside_transaction=assert_outside_database)
    return GuardedGateway(
        gateway=gateway,
        assert_outside_transaction=assert_outside_database,
        breakers=circuits_of(account),
        account=own_circuits_of(account),
        forced=forced_circuits(account) if forced is None else forced,
    )


def gateway_with(account: ProviderAccount, credentials: Mapping[str, Any]) -> GuardedGateway:
    """To try them: whatever is answered, no circuit learns of it, and none keeps anybody from asking."""
    gateway = _built(account, credentials)
    return GuardedGateway(gateway=gateway, assert_outside_transaction=assert_outside_database)


def _built(account: ProviderAccount, credentials: Mapping[str, Any]) -> Gateway:
    """What is entered wrong is found out before anything is sent, or is taken for a doubt."""
    provider = PROVIDERS[account.provider]
    if provider.facts.is_simulated and account.mode == Mode.LIVE:
        return MisconfiguredGateway(facts=provider.facts, message="A simulated provider takes no live payment.")
    try:
        return provider.build(provider.facts, credentials)
    except _UNUSABLE as error:
        # Without its words, which may be a secret's.
        words = {"account": str(account.pk), "provider": account.provider, "error": type(error).__name__}
        logger.error("credentials_unusable", extra=words)
        return MisconfiguredGateway(facts=provider.facts, message="This account's credentials cannot be used.")


def is_usable(account: ProviderAccount) -> bool:
    """Whether anything could be sent for it. Nothing is, and nothing is logged: pages ask as well."""
    provider = PROVIDERS.get(account.provider)
    if provider is None or (provider.facts.is_simulated and account.mode == Mode.LIVE):
        return False
    try:
        provider.build(provider.facts, account.credentials)
    except _UNUSABLE:
        return False
    return True


def circuits_of(account: ProviderAccount) -> Circuits:
    """One set for all restaurants of a provider: an outage is everybody's."""
    return circuits(_board(), f"{account.provider}:{account.mode}", settings=_thresholds(account))


def _thresholds(account: ProviderAccount) -> BreakerSettings:
    """A slip in one account's thresholds must not close the till of its restaurant, nor keep anybody from asking."""
    try:
        return BreakerSettings(**account.breaker)
    except (TypeError, ValueError) as error:
        logger.error("breaker_settings_unusable", extra={"account": str(account.pk), "error": str(error)})
        return BreakerSettings()


# The newest word that still lasts counts: it is read last.
_WORDS = Statement(
    """SELECT operation, state FROM payments_breakeroverride
        WHERE provider = %s AND mode = %s AND expires_at > %s ORDER BY created_at"""
)


def forced_circuits(account: ProviderAccount) -> Forced:
    """An operator's word over the circuits, operation by operation."""
    said = _WORDS.read([account.provider, account.mode, clock.now()])
    words = {Operation(operation): state for operation, state in said}
    return {operation: BreakerState(state) for operation, state in words.items() if state}


_CHAIN = """
    SELECT {{r}}, {{c}}, (SELECT w.state FROM payments_breakeroverride w
                           WHERE w.provider = c.provider AND w.mode = r.mode
                             AND w.operation = %(operation)s AND w.expires_at > %(now)s
                           ORDER BY w.created_at DESC LIMIT 1)
      FROM {} s
      JOIN payments_route r ON r.restaurant_id = s.restaurant_id AND r.mode = s.mode
      JOIN payments_provideraccount c ON c.id = r.account_id
     WHERE s.id = %(subject)s AND r.enabled AND c.enabled ORDER BY r.position"""
_CHAIN_OF_ORDER = Statement(_CHAIN.format("orders_order"), r=Route, c=ProviderAccount)
_CHAIN_OF_PAYMENT = Statement(_CHAIN.format("payments_payment"), r=Route, c=ProviderAccount)


def candidates_for_order(order_id: UUID) -> list[Candidate]:
    return _candidates(_CHAIN_OF_ORDER, order_id)


def candidates_for_payment(payment_id: UUID) -> list[Candidate]:
    return _candidates(_CHAIN_OF_PAYMENT, payment_id)


def _candidates(chain: Statement, subject: UUID) -> list[Candidate]:
    """The chain of the subject's restaurant and mode, with each provider's state, read before any lock."""
    clock.keep_true()
    rows = chain.read({"subject": subject, "operation": Operation.CHARGE.value, "now": clock.now()})
    return [_candidate(route, account, word or "") for route, account, word in rows if account.provider in PROVIDERS]


def _candidate(route: Route, account: ProviderAccount, forced: str) -> Candidate:
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
        paused=not facts.is_manual and not word and not _would_allow(own_circuits_of(account), word),
        forced=word,
    )


def _would_allow(of: Circuits, word: Forced) -> bool:
    if Operation.CHARGE in word:
        return word[Operation.CHARGE] is BreakerState.CLOSED
    return of[Operation.CHARGE].would_allow()


def own_circuits_of(account: ProviderAccount) -> Circuits:
    """One restaurant's revoked key, or its rate limit, closes no other restaurant's till. Too many to be measured."""
    return circuits(_board(), f"{account.provider}:{account.mode}:{account.pk}", is_measured=False)


def close_circuits_of(account: ProviderAccount) -> None:
    """What refused its old credentials is asked at once, and not when the pause is over."""
    for breaker in own_circuits_of(account).values():
        breaker.close()


@lru_cache(maxsize=1)
def _board() -> BreakerBoard:
    """One per process: what a circuit remembers outlives the payment."""
    return BreakerBoard(redis_url=settings.REDIS_URL)
