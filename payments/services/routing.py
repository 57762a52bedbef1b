"""Which provider takes this attempt, and why: one pure function over what was read before the lock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from payments.gateways.breaker import BreakerState
from payments.gateways.contract import GatewayFacts
from payments.gateways.guard import Operation
from payments.models import ProviderAccount

# An operator's word over a provider's circuits.
Forced = Mapping[Operation, BreakerState]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One route with the state of its provider."""

    position: int
    account: ProviderAccount
    facts: GatewayFacts
    methods: tuple[str, ...] = ()
    currencies: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    min_minor: int | None = None
    max_minor: int | None = None
    breaker_open: bool = False
    paused: bool = False
    forced: Forced = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What has to be charged."""

    method: str
    currency: str
    amount_minor: int
    channel: str
    provider: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    account: ProviderAccount | None
    facts: GatewayFacts | None
    why: dict[str, Any]
    forced: Forced = field(default_factory=dict)

    @property
    def may_help_later(self) -> bool:
        """Something that fits is only switched off for the moment."""
        return any(entry["skipped"] in _FOR_THE_MOMENT for entry in self.why["candidates"])


_FOR_THE_MOMENT = {"breaker open", "the account rests"}


def choose(*, candidates: Sequence[Candidate], wish: Wish, tried: Iterable[UUID]) -> Choice:
    """The first candidate in the chain that fits, works and was not tried in this round."""
    spent = set(tried)
    seen: list[dict[str, Any]] = []
    for candidate in sorted(candidates, key=lambda each: each.position):
        skipped = _why_not(candidate, wish, spent)
        seen.append({"position": candidate.position, "provider": candidate.account.provider, "skipped": skipped})
        if not skipped:
            why = {"candidates": seen, "chosen": candidate.account.provider, "rule": f"position {candidate.position}"}
            return Choice(account=candidate.account, facts=candidate.facts, why=why, forced=candidate.forced)
    return Choice(account=None, facts=None, why={"candidates": seen, "chosen": "", "rule": "no candidate is left"})


def fits(candidate: Candidate, wish: Wish) -> bool:
    """Whether the route could ever take it, whatever the provider's state is now."""
    return not _mismatch(candidate, wish)


def _why_not(candidate: Candidate, wish: Wish, tried: set[UUID]) -> str:
    if mismatch := _mismatch(candidate, wish):
        return mismatch
    if candidate.account.pk in tried:
        return "tried already"
    if candidate.paused:
        return "the account rests"
    return "breaker open" if candidate.breaker_open else ""


def _mismatch(candidate: Candidate, wish: Wish) -> str:
    if wish.provider and candidate.account.provider != wish.provider:
        return "another provider was asked for"
    if wish.method not in (candidate.methods or candidate.facts.methods) or wish.method not in candidate.facts.methods:
        return "method"
    allowed = candidate.currencies or candidate.facts.currencies
    if allowed and wish.currency not in allowed:
        return "currency"
    if candidate.channels and wish.channel not in candidate.channels:
        return "channel"
    too_small = candidate.min_minor is not None and wish.amount_minor < candidate.min_minor
    too_large = candidate.max_minor is not None and wish.amount_minor > candidate.max_minor
    return "amount" if too_small or too_large else ""
