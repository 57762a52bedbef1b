"""Claims: due rows are leased, skipping what others hold. A claim that never comes back is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, models, transaction
from django.db.models import F, Q

from kernel import clock
from kernel.crashpoints import CrashPoint, crashpoint
from payments.models import Attempt, InboundNotice, Payment, Refund
from payments.services import timing

# Rows a sweep works on at once. Each may take a whole provider deadline, and all must end inside their lease.
WIDTH = 8
# A claimed notice or watched attempt is due again after this, should its worker die.
SHORT_LEASE_FACTOR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    id: UUID
    action: str
    token: UUID
    claims: int


def claim_payments(*, limit: int = WIDTH) -> list[Claim]:
    return _claim_machines(Payment, limit)


def claim_refunds(*, limit: int = WIDTH) -> list[Claim]:
    return _claim_machines(Refund, limit)


def claim_watched_attempts(*, limit: int = WIDTH) -> list[UUID]:
    """No lease: a watch reads, and settling is idempotent. The time is moved on, so that two rarely ask."""
    return _claim_by_time(Attempt, "watch_at", limit)


def claim_notices(*, limit: int = WIDTH) -> list[UUID]:
    return _claim_by_time(InboundNotice, "next_action_at", limit)


def _claim_machines(model: type[Payment] | type[Refund], limit: int) -> list[Claim]:
    now = clock.now()
    free = Q(lease_until__isnull=True) | Q(lease_until__lte=now)
    with transaction.atomic():
        _one_claimer_at_a_time(model)
        busy, full = _busy(model)
        rows: list[Any] = list(
            model._default_manager.select_for_update(skip_locked=True, of=("self",))
            .filter(free, next_action_at__lte=now)
            .exclude(account__in=full)
            .exclude(account__concurrency=0)
            .order_by("next_action_at")
            .values("id", "next_action", "claims", "account", "account__concurrency")[:limit]
        )
        claims = _lease(model, _within_caps(rows, busy))
    if claims:
        crashpoint(CrashPoint.CLAIM_AFTER_COMMIT)
    return claims


def _one_claimer_at_a_time(model: type[Payment] | type[Refund]) -> None:
    """For some milliseconds: two that count at once would both see room below a cap. No money rests on it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"claim {model._meta.db_table}"])


Busy = Counter[UUID]


def _busy(model: type[Payment] | type[Refund]) -> tuple[Busy, list[UUID]]:
    """How many leases each account carries over all workers, and which carry all they may."""
    rows = list(
        model._default_manager.filter(lease_until__gt=clock.now(), next_action_at__isnull=False, account__isnull=False)
        .values_list("account", "account__concurrency")
        .annotate(count=models.Count("id"))
    )
    full = [account for account, cap, count in rows if count >= cap]
    return Counter({account: count for account, _, count in rows}), full


def _within_caps(rows: Sequence[dict[str, Any]], busy: Busy) -> list[dict[str, Any]]:
    """A provider that recovers is not trampled: the leases at an account count against its cap."""
    chosen = []
    for row in rows:
        account = row["account"]
        if account is None or busy[account] < row["account__concurrency"]:
            busy[account] += 1
            chosen.append(row)
    return chosen


def _lease(model: type[Payment] | type[Refund], rows: Sequence[dict[str, Any]]) -> list[Claim]:
    """One token for the batch: it is compared row by row."""
    token = clock.new_id()
    model._default_manager.filter(pk__in=[row["id"] for row in rows]).update(
        lease_token=token, lease_until=clock.now() + timing.lease(), claims=F("claims") + 1
    )
    return [Claim(id=row["id"], action=row["next_action"], token=token, claims=row["claims"] + 1) for row in rows]


def _claim_by_time(model: type[Attempt] | type[InboundNotice], column: str, limit: int) -> list[UUID]:
    now = clock.now()
    with transaction.atomic():
        ids = list(
            model._default_manager.select_for_update(skip_locked=True)
            .filter(**{f"{column}__lte": now})
            .order_by(column)
            .values_list("id", flat=True)[:limit]
        )
        if ids:
            later = now + timing.lease() * SHORT_LEASE_FACTOR
            model._default_manager.filter(pk__in=ids).update(**{column: later})
    return ids
