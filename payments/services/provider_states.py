"""How the providers of a restaurant are: their circuits, an operator's word over them, and what they did lately."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from kernel.modes import Mode
from payments.models import ProviderAccount
from payments.selectors import METRICS_WINDOW, ProviderMetrics, provider_metrics
from payments.services.providers import PROVIDERS, circuits_of, facts_of, forced_circuits


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderState:
    provider: str
    label: str
    enabled: bool
    is_manual: bool
    methods: tuple[str, ...]
    circuits: Mapping[str, str]
    forced: Mapping[str, str]
    metrics: ProviderMetrics | None


def provider_states(*, restaurant_id: UUID, mode: Mode) -> list[ProviderState]:
    metrics = {each.provider: each for each in provider_metrics(restaurant_id=restaurant_id, mode=mode)}
    accounts = ProviderAccount.objects.filter(restaurant_id=restaurant_id, mode=mode, provider__in=list(PROVIDERS))
    return [_state(account, metrics.get(account.provider)) for account in accounts.order_by("provider", "label")]


def _state(account: ProviderAccount, metrics: ProviderMetrics | None) -> ProviderState:
    facts = facts_of(account)
    forced = {} if facts.is_manual else forced_circuits(account)
    circuits = {} if facts.is_manual else circuits_of(account)
    return ProviderState(
        provider=account.provider,
        label=account.label,
        enabled=account.enabled,
        is_manual=facts.is_manual,
        methods=tuple(sorted(facts.methods)),
        circuits={operation.value: breaker.peek().value for operation, breaker in circuits.items()},
        forced={operation.value: state.value for operation, state in forced.items()},
        metrics=metrics,
    )


METRICS_MINUTES = int(METRICS_WINDOW.total_seconds()) // 60
