"""Claims: due rows are leased, skipping what others hold. A claim that never comes back is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import F, Q

from kernel import clock
from kernel.crashpoints import CrashPoint, crashpoint
from payments.models import Attempt, InboundNotice, Payment, Refund
from payments.services import timing
from payments.services.providers import PROVIDERS

# Rows a sweep works on at once. Each may take a whole provider deadline, and all must end inside their lease.
WIDTH = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    id: UUID
    action: str
    token: UUID
    claims: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A claim of what needs no lease: acting twice on it does nothing twice. It is due again after as long as one."""

    id: UUID
    claims: int


def claim_payments(*, limit: int = WIDTH) -> list[Claim]:
    return _claim_machines(Payment, limit)


def claim_refunds(*, limit: int = WIDTH) -> list[Claim]:
    return _claim_machines(Refund, limit)


def claim_watched_attempts(*, limit: int = WIDTH) -> list[Turn]:
    """No lease: a watch reads, and settling is idempotent. The time is moved on, so that two rarely ask."""
    return _claim_by_time(Attempt, "watch_at", "watch_claims", limit)


def claim_notices(*, limit: int = WIDTH) -> list[Turn]:
    return _claim_by_time(InboundNotice, "next_action_at", "claims", limit)


def _claim_machines(model: type[Payment] | type[Refund], limit: int) -> list[Claim]:
    now = clock.now()
    free = Q(lease_until__isnull=True) | Q(lease_until__lte=now)
    due = model._default_manager.filter(free, next_action_at__lte=now)
    if not due.exists():
        return []  # Most ticks find nothing: they look at one index, and nobody waits for them.
    with transaction.atomic():
        _one_claimer_at_a_time()
        busy = _busy()
        rows: list[Any] = list(
            due.select_for_update(skip_locked=True, of=("self",))
            .exclude(_at_full_providers(busy))
            .order_by("next_action_at")
            .values("id", "next_action", "claims", "account__provider", "account__mode")[:limit]
        )
        claims = _lease(model, _within_caps(rows, busy))
    if claims:
        crashpoint(CrashPoint.CLAIM_AFTER_COMMIT)
    return claims


def _one_claimer_at_a_time() -> None:
    """For some milliseconds: two that count at once would both see room below a cap. No money rests on it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('claim'))")


# Provider and mode: what recovers is one company, however many restaurants have a contract with it.
Place = tuple[str, str]


def _busy() -> Counter[Place]:
    """How many claims each provider carries, over all restaurants and workers, charges and refunds together.

    Guests who pay right now are none of them: they must not keep anybody from asking about a doubt.
    """
    busy: Counter[Place] = Counter()
    for provider, mode, count in _leased_at(Payment).union(_leased_at(Refund), all=True):
        busy[provider, mode] += count
    return busy


def _leased_at(model: type[Payment] | type[Refund]) -> models.QuerySet[Any, Any]:
    leased = model._default_manager.filter(lease_until__gt=clock.now(), next_action_at__isnull=False, claims__gt=0)
    return leased.values_list("account__provider", "account__mode").annotate(count=models.Count("id"))


def _has_room(place: Place, busy: Counter[Place]) -> bool:
    """Before its first attempt a payment is nowhere; and people are not trampled by rows."""
    provider = PROVIDERS.get(place[0])
    called = provider is not None and not provider.facts.is_manual
    return not called or busy[place] < settings.STEWARD_PROVIDER_CONCURRENCY


def _at_full_providers(busy: Counter[Place]) -> Q:
    full = Q(pk__in=[])
    for place in busy:
        if not _has_room(place, busy):
            full |= Q(account__isnull=False, account__provider=place[0], account__mode=place[1])
    return full


def _within_caps(rows: Sequence[dict[str, Any]], busy: Counter[Place]) -> list[dict[str, Any]]:
    """A provider that recovers is not trampled: no more rows at once than its cap leaves room for."""
    chosen = []
    for row in rows:
        place = (row["account__provider"], row["account__mode"])
        if _has_room(place, busy):
            busy[place] += 1
            chosen.append(row)
    return chosen


def _lease(model: type[Payment] | type[Refund], rows: Sequence[dict[str, Any]]) -> list[Claim]:
    """One token for the batch: it is compared row by row."""
    token = clock.new_id()
    model._default_manager.filter(pk__in=[row["id"] for row in rows]).update(
        lease_token=token, lease_until=clock.now() + timing.lease(), claims=F("claims") + 1
    )
    return [Claim(id=row["id"], action=row["next_action"], token=token, claims=row["claims"] + 1) for row in rows]


def _claim_by_time(model: type[Attempt] | type[InboundNotice], due: str, count: str, limit: int) -> list[Turn]:
    now = clock.now()
    with transaction.atomic():
        rows = list(
            model._default_manager.select_for_update(skip_locked=True)
            .filter(**{f"{due}__lte": now})
            .order_by(due)
            .values_list("id", count)[:limit]
        )
        if rows:
            later = now + timing.lease()
            model._default_manager.filter(pk__in=[row for row, _ in rows]).update(**{due: later, count: F(count) + 1})
    if rows:
        crashpoint(CrashPoint.TURN_AFTER_COMMIT)
    return [Turn(id=row, claims=claims + 1) for row, claims in rows]
