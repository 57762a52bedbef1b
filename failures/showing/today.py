"""The console's first page: what waits for people, what is in doubt, and what came in on the day that now runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Case as If
from django.db.models import Count, Min, Q, Sum, Value, When

from accounts.models import Approval, Restaurant, User
from failures.models import WAITING, Case
from failures.selectors import approvals_for, pending_approvals
from failures.showing.day import DayShown, day_shown
from failures.showing.figures import Figure, List, figure
from failures.showing.lights import LightShown, light_shown
from failures.sums import CASE_CURRENCY, CASE_MINOR
from kernel import clock
from kernel.modes import Mode
from kernel.totals import Total
from payments.figures import day_of, in_doubt, returns_of
from payments.models import ProviderAccount
from payments.outlooks import Outlook
from payments.services.provider_lights import provider_lights


@dataclass(frozen=True, slots=True, kw_only=True)
class Today:
    needs: Figure
    put_off: Figure
    oldest: datetime | None  # Of all that wait, also of what is put off.
    doubtful_payments: Figure
    doubtful_refunds: Figure
    approvals: Figure
    all_approvals: Figure
    lights: list[LightShown]
    day: DayShown


def first_mode(restaurants: Sequence[Restaurant]) -> Mode:
    """Real money first. Where nobody can be charged yet, what is tried out."""
    live = ProviderAccount.objects.filter(restaurant__in=restaurants, mode=Mode.LIVE)
    return Mode.LIVE if live.exists() else Mode.TEST


def today_of(outlook: Outlook, *, person: User) -> Today:
    now, mode = clock.now(), outlook.mode
    approvals = _waited_for(outlook, person)
    waiting = _needing_somebody(outlook, now)
    doubts = in_doubt(outlook)
    return Today(
        needs=figure(waiting.now, List.CASES, mode),
        put_off=figure(waiting.put_off, List.CASES, mode, which="put_off"),
        oldest=waiting.oldest,
        doubtful_payments=figure(doubts.payments, List.PAYMENTS, mode, in_doubt__exact="1"),
        doubtful_refunds=figure(doubts.refunds, List.REFUNDS, mode, in_doubt__exact="1"),
        approvals=figure(approvals.mine, List.APPROVALS, mode, answer="mine"),
        all_approvals=figure(approvals.waiting, List.APPROVALS, mode),
        lights=[light_shown(light, mode=mode, now=now) for light in provider_lights(outlook, now=now)],
        day=day_shown(day_of(outlook), returns_of(outlook), mode=mode),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    now: Total
    put_off: Total
    oldest: datetime | None


def _needing_somebody(outlook: Outlook, now: datetime) -> _Waiting:
    """What the queue shows to whoever opens it, and what was put off: that needs nobody yet, and waits all the same."""
    is_off = If(When(snoozed_until__gt=now, then=Value(value=True)), default=Value(value=False))
    rows = list(
        Case.objects.filter(outlook.asked, status__in=WAITING)
        .annotate(is_off=is_off, currency=CASE_CURRENCY)
        .values_list("is_off", "currency")
        .annotate(rows=Count("pk"), minor=Sum(CASE_MINOR), oldest=Min("opened_at"))
    )
    awake, put_off = (
        Total.of((currency, count, minor) for was_off, currency, count, minor, _ in rows if was_off is is_off)
        for is_off in (False, True)
    )
    return _Waiting(now=awake, put_off=put_off, oldest=min((opened for *_, opened in rows), default=None))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Approvals:
    waiting: Total
    mine: Total


def _waited_for(outlook: Outlook, person: User) -> _Approvals:
    """Of all that wait for a second person: for how many this one is it."""
    is_mine = Count("pk", filter=Q(pk__in=approvals_for(person).values("pk")))
    rows = pending_approvals(Approval.objects.filter(outlook.asked)).aggregate(all=Count("pk"), mine=is_mine)
    return _Approvals(waiting=Total(count=rows["all"]), mine=Total(count=rows["mine"]))
