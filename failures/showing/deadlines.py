"""How long a case has waited, against the time within which somebody should have looked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from failures.models import WAITING, Case, CaseKind
from failures.showing.causes import CAUSES
from kernel.shown import Tone

# From then on it is seen that it hurries.
_HALF = 2
_TWO = 2
_UNITS = ((timedelta(days=1), "days"), (timedelta(hours=1), "h"), (timedelta(minutes=1), "min"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    words: str
    tone: Tone


def waiting_of(case: Case, *, now: datetime) -> Waiting:
    within, age = CAUSES[CaseKind(case.kind)].within, now - case.opened_at
    if not case.is_waiting:
        return Waiting(words="ended", tone=Tone.QUIET)
    if case.snoozed_until is not None and case.snoozed_until > now:
        return Waiting(words=f"put off for {in_words(case.snoozed_until - now)}", tone=Tone.QUIET)
    if age > within:
        return Waiting(words=f"overdue by {in_words(age - within)}", tone=Tone.BAD)
    tone = Tone.WAIT if age * _HALF > within else Tone.GOOD
    return Waiting(words=f"{in_words(within - age)} left", tone=tone)


def is_overdue(now: datetime) -> Q:
    """As `waiting_of` says it, for a list: what waits longer than its kind may, and was not put off."""
    is_late = Q()
    for kind, cause in CAUSES.items():
        is_late |= Q(kind=kind, opened_at__lt=now - cause.within)
    return is_late & Q(status__in=WAITING) & ~Q(snoozed_until__isnull=False, snoozed_until__gt=now)


def in_words(time: timedelta) -> str:
    """In the largest unit of which there are two: nobody plans a day by its minutes."""
    unit, name = next(((unit, name) for unit, name in _UNITS if round(time / unit) >= _TWO), _UNITS[-1])
    return f"{max(1, round(time / unit))} {name}"
