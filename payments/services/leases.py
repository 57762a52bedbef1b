"""Claims: due rows are leased, skipping what others hold. A claim that never comes back is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from kernel import clock
from kernel.crashpoints import CrashPoint, crashpoint
from kernel.statements import Statement
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


_ANY_DUE = "SELECT 1 FROM {table} m WHERE {is_due} LIMIT 1"
_DUE = """
    SELECT m.id, m.next_action, m.claims, c.provider, c.mode
      FROM {table} m LEFT JOIN payments_provideraccount c ON c.id = m.account_id
     WHERE {is_due} AND (c.id IS NULL OR c.provider || ' ' || c.mode <> ALL(%(full)s))
     ORDER BY m.next_action_at LIMIT %(limit)s FOR UPDATE OF m SKIP LOCKED"""
_IS_DUE = "m.next_action_at <= %(now)s AND (m.lease_until IS NULL OR m.lease_until <= %(now)s)"
_LEASE = """
    UPDATE {table} SET lease_token = %(token)s, lease_until = %(until)s, claims = {counted}
     WHERE id = ANY(%(ids)s) RETURNING id"""
_HELD = "SELECT account_id FROM {table} WHERE lease_until > %(now)s AND next_action_at IS NOT NULL AND claims > 0"
_BUSY = """
    SELECT c.provider, c.mode, count(*) FROM ({held}) h LEFT JOIN payments_provideraccount c ON c.id = h.account_id
     GROUP BY c.provider, c.mode"""
_TURN = """
    SELECT m.id, m.{claims} FROM {table} m WHERE m.{due} <= %(now)s
     ORDER BY m.{due} LIMIT %(limit)s FOR UPDATE SKIP LOCKED"""
# A row that nobody can set aside is claimed for ever; its counter must not end the claims of all others.
_COUNTED = "LEAST({claims} + 1, 1000)"
_LATER = "UPDATE {table} SET {due} = %(later)s, {claims} = {counted} WHERE id = ANY(%(ids)s) RETURNING id"
_ONE_AT_A_TIME = Statement("SELECT pg_advisory_xact_lock(hashtext('claim'))")


class _Queue:
    """What is said to a table whose rows are leased."""

    def __init__(self, model: type[Payment] | type[Refund]) -> None:
        table = model._meta.db_table
        self.any_due = Statement(_ANY_DUE.format(table=table, is_due=_IS_DUE))
        self.due = Statement(_DUE.format(table=table, is_due=_IS_DUE))
        self.lease = Statement(_LEASE.format(table=table, counted=_COUNTED.format(claims="claims")))
        self.held = _HELD.format(table=table)


class _Turns:
    """What is said to a table whose rows are due again and again."""

    def __init__(self, model: type[Attempt] | type[InboundNotice], *, due: str, claims: str) -> None:
        names = {"table": model._meta.db_table, "due": due, "claims": claims}
        names["counted"] = _COUNTED.format(**names)
        self.due, self.later = Statement(_TURN.format(**names)), Statement(_LATER.format(**names))


_WATCHES = _Turns(Attempt, due="watch_at", claims="watch_claims")
_NOTICES = _Turns(InboundNotice, due="next_action_at", claims="claims")
_PAYMENTS, _REFUNDS = _Queue(Payment), _Queue(Refund)
_BUSY_PLACES = Statement(_BUSY.format(held=f"{_PAYMENTS.held} UNION ALL {_REFUNDS.held}"))


def claim_payments(*, limit: int = WIDTH) -> list[Claim]:
    return _claim_machines(_PAYMENTS, limit)


def claim_refunds(*, limit: int = WIDTH) -> list[Claim]:
    return _claim_machines(_REFUNDS, limit)


def claim_watched_attempts(*, limit: int = WIDTH) -> list[Turn]:
    """No lease: a watch reads, and settling is idempotent. The time is moved on, so that two rarely ask."""
    return _claim_by_time(_WATCHES, limit)


def claim_notices(*, limit: int = WIDTH) -> list[Turn]:
    return _claim_by_time(_NOTICES, limit)


def _claim_machines(queue: _Queue, limit: int) -> list[Claim]:
    now = clock.now()
    if not queue.any_due.read({"now": now}):
        return []  # Most ticks find nothing: they look at one index, and nobody waits for them.
    with transaction.atomic():
        # For some milliseconds: two that count at once would both see room below a cap. No money rests on it.
        _ONE_AT_A_TIME.read([])
        busy = _busy()
        full = [" ".join(place) for place in busy if not _has_room(place, busy)]
        rows = queue.due.read({"now": now, "full": full, "limit": limit})
        claims = _lease(queue, _within_caps(rows, busy))
    if claims:
        crashpoint(CrashPoint.CLAIM_AFTER_COMMIT)
    return claims


# Provider and mode: what recovers is one company, however many restaurants have a contract with it.
Place = tuple[str, str]


def _busy() -> Counter[Place]:
    """How many claims each provider carries, over all restaurants and workers, charges and refunds together.

    Guests who pay right now are none of them: they must not keep anybody from asking about a doubt.
    """
    return Counter({(provider, mode): count for provider, mode, count in _BUSY_PLACES.read({"now": clock.now()})})


def _has_room(place: Place, busy: Counter[Place]) -> bool:
    """Before its first attempt a payment is nowhere; and people are not trampled by rows."""
    provider = PROVIDERS.get(place[0])
    called = provider is not None and not provider.facts.is_manual
    return not called or busy[place] < settings.STEWARD_PROVIDER_CONCURRENCY


def _within_caps(rows: Sequence[tuple[Any, ...]], busy: Counter[Place]) -> list[tuple[UUID, str, int]]:
    """A provider that recovers is not trampled: no more rows at once than its cap leaves room for."""
    chosen = []
    for row, action, claims, provider, mode in rows:
        if _has_room((provider, mode), busy):
            busy[provider, mode] += 1
            chosen.append((row, action, claims))
    return chosen


def _lease(queue: _Queue, chosen: Sequence[tuple[UUID, str, int]]) -> list[Claim]:
    """One token for the batch: it is compared row by row."""
    token = clock.new_id()
    queue.lease.read({"token": token, "until": clock.now() + timing.lease(), "ids": [row for row, _, _ in chosen]})
    return [Claim(id=row, action=action, token=token, claims=claims + 1) for row, action, claims in chosen]


def _claim_by_time(turns: _Turns, limit: int) -> list[Turn]:
    now = clock.now()
    with transaction.atomic():
        rows = turns.due.read({"now": now, "limit": limit})
        if rows:
            turns.later.read({"later": now + timing.lease(), "ids": [row for row, _ in rows]})
    if rows:
        crashpoint(CrashPoint.TURN_AFTER_COMMIT)
    return [Turn(id=row, claims=claims + 1) for row, claims in rows]
