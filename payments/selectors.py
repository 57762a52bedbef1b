"""Reads for edges: accounts, payments and refunds of somebody, and how providers did lately."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db.models import Aggregate, Count, FloatField, Q, QuerySet

from kernel import clock
from kernel.modes import Mode
from payments.models import Attempt, AttemptStatus, Payment, ProviderAccount, Refund
from payments.models.attempt import LIVE

METRICS_WINDOW = timedelta(minutes=15)  # What the desk and routing mean by "lately".
TOP_CODES = 5


class Percentile(Aggregate):
    """A percentile that was really measured, computed by PostgreSQL."""

    function = "percentile_disc"
    template = "%(function)s(%(fraction)s) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = FloatField()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderMetrics:
    provider: str
    attempts: int
    succeeded: int
    declined: int
    in_doubt: int
    not_sent: int
    p50_ms: float | None
    p95_ms: float | None
    top_codes: tuple[tuple[str, int], ...]

    @property
    def success_rate(self) -> float | None:
        """Of the attempts whose end is known. A decline is an answer, so it counts below the line."""
        known = self.succeeded + self.declined
        return self.succeeded / known if known else None


def account_at(*, provider: str, account_id: UUID) -> ProviderAccount | None:
    """Disabled or not: what was charged while it was enabled is still spoken of."""
    return ProviderAccount.objects.filter(pk=account_id, provider=provider).first()


def payments_of(
    *, restaurant_id: UUID, mode: Mode, owner_id: UUID | None = None, payment_id: UUID | None = None
) -> QuerySet[Payment]:
    """Of a restaurant; with an owner this guest's only, with a payment this one only."""
    rows = Payment.objects.filter(restaurant_id=restaurant_id, mode=mode).select_related("order", "account")
    if owner_id is not None:
        rows = rows.filter(order__owner_id=owner_id)
    return rows if payment_id is None else rows.filter(pk=payment_id)


def refunds_of(*, restaurant_id: UUID, mode: Mode, owner_id: UUID | None = None) -> QuerySet[Refund]:
    rows = Refund.objects.filter(restaurant_id=restaurant_id, mode=mode)
    return rows if owner_id is None else rows.filter(payment__order__owner_id=owner_id)


def attempts_by_payment(payments: Sequence[Payment]) -> dict[UUID, list[Attempt]]:
    found: dict[UUID, list[Attempt]] = {payment.pk: [] for payment in payments}
    attempts = Attempt.objects.filter(payment__in=list(found)).select_related("account").order_by("number")
    for attempt in attempts:
        found[attempt.payment_id].append(attempt)
    return found


def attempts_under_way(account_id: UUID) -> int:
    """Those that are still asked about by themselves: by way of what is due, which is few, and not of all."""
    live = Attempt.objects.filter(account=account_id, status__in=LIVE)
    return live.filter(payment__next_action_at__isnull=False).count()


def payments_due() -> QuerySet[Payment]:
    return Payment.objects.filter(next_action_at__lte=clock.now()).order_by("next_action_at")


def provider_metrics(*, restaurant_id: UUID, mode: Mode, window: timedelta = METRICS_WINDOW) -> list[ProviderMetrics]:
    recent = Attempt.objects.filter(restaurant_id=restaurant_id, mode=mode, created_at__gte=clock.now() - window)
    rows = recent.values("account__provider").annotate(
        attempts=Count("id"),
        well=Count("id", filter=Q(status__in=[AttemptStatus.SUCCEEDED, AttemptStatus.LATE_SUCCESS])),
        refused=Count("id", filter=Q(status=AttemptStatus.DECLINED)),
        doubtful=Count("id", filter=Q(status=AttemptStatus.UNKNOWN)),
        unsent=Count("id", filter=Q(status=AttemptStatus.NOT_SENT)),
        p50=Percentile("latency_ms", fraction=0.5),
        p95=Percentile("latency_ms", fraction=0.95),
    )
    return [
        ProviderMetrics(
            provider=row["account__provider"],
            attempts=row["attempts"],
            succeeded=row["well"],
            declined=row["refused"],
            in_doubt=row["doubtful"],
            not_sent=row["unsent"],
            p50_ms=row["p50"],
            p95_ms=row["p95"],
            top_codes=_top_codes(recent, row["account__provider"]),
        )
        for row in rows.order_by("account__provider")
    ]


def _top_codes(attempts: QuerySet[Attempt], provider: str) -> tuple[tuple[str, int], ...]:
    rows = (
        attempts.filter(account__provider=provider)
        .exclude(error_code="")
        .values_list("error_code")
        .annotate(count=Count("id"))
        .order_by("-count", "error_code")
    )
    return tuple((code, count) for code, count in rows[:TOP_CODES])
