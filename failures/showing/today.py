"""The console's first page: what waits for people, what is in doubt, and what came in on the day that now runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min, Q, Sum

from failures.models import WAITING, Case, CaseStatus
from failures.showing.day import DayShown, day_shown
from failures.showing.figures import Figure, List, figure
from failures.showing.lights import LightShown, light_shown
from failures.sums import PAYMENT_CURRENCY, PAYMENT_MINOR
from kernel import clock
from kernel.totals import Total
from payments.figures import day_of, in_doubt
from payments.scopes import Scope
from payments.services.provider_lights import provider_lights

_ANY = "all"  # The queue shows every case, also those that were put off.


@dataclass(frozen=True, slots=True, kw_only=True)
class Today:
    needs: Figure
    oldest: datetime | None
    doubtful_payments: Figure
    doubtful_refunds: Figure
    approvals: Figure
    lights: list[LightShown]
    day: DayShown


def today_of(scope: Scope) -> Today:
    now, mode = clock.now(), scope.mode
    waiting, oldest = _needing_somebody(scope, now)
    doubts = in_doubt(scope)
    return Today(
        needs=figure(waiting, List.CASES, mode),
        oldest=oldest,
        doubtful_payments=figure(doubts.payments, List.PAYMENTS, mode, in_doubt__exact="1"),
        doubtful_refunds=figure(doubts.refunds, List.REFUNDS, mode, in_doubt__exact="1"),
        approvals=figure(
            _waiting_for_approval(scope),
            List.CASES,
            mode,
            which=_ANY,
            status__exact=CaseStatus.WAITING_SECOND_PERSON.value,
        ),
        lights=[light_shown(light, mode=mode, now=now) for light in provider_lights(scope, now=now)],
        day=day_shown(day_of(scope), mode=mode),
    )


def _needing_somebody(scope: Scope, now: datetime) -> tuple[Total, datetime | None]:
    """What the queue shows to whoever opens it: what was put off needs nobody yet."""
    cases = Case.objects.filter(scope.asked, status__in=WAITING).exclude(snoozed_until__gt=now)
    rows = list(
        cases.annotate(currency=PAYMENT_CURRENCY)
        .values_list("currency")
        .annotate(rows=Count("pk"), minor=Sum(PAYMENT_MINOR), oldest=Min("opened_at"))
    )
    total = Total.of((currency, count, minor) for currency, count, minor, _ in rows)
    return total, min((opened for *_, opened in rows), default=None)


def _waiting_for_approval(scope: Scope) -> Total:
    cases = Case.objects.filter(scope.asked & Q(status=CaseStatus.WAITING_SECOND_PERSON))
    return Total(count=cases.count())
