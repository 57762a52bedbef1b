"""Business days of several restaurants at once: each has its zone, and its hour at which a day begins."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db.models import Q

from accounts.models import Restaurant
from kernel import clock
from payments.statistics import beginning_of, business_day


class DayWord(StrEnum):
    """A day that is another date tomorrow, and may be another one in the next zone."""

    TODAY = "today"
    YESTERDAY = "yesterday"


def on_day(restaurants: Iterable[Restaurant], said: str) -> Q:
    """Rows that began on that business day of their own restaurant: one range of an index for each pair of bounds.

    A word, or a date such as 2026-11-27; anything else is a ValueError.
    """
    day_of = _days(said)
    of_bounds: dict[tuple[datetime, datetime], list[Any]] = defaultdict(list)
    for restaurant in restaurants:
        day = day_of(restaurant)
        bounds = _bounds(day, restaurant)
        of_bounds[bounds].append(restaurant.pk)
    asked = Q(pk__in=[])
    for (begins, ends), mine in of_bounds.items():
        asked |= Q(restaurant_id__in=mine, created_at__gte=begins, created_at__lt=ends)
    return asked


def _bounds(day: date, restaurant: Restaurant) -> tuple[datetime, datetime]:
    try:
        return beginning_of(day, restaurant), beginning_of(day + timedelta(days=1), restaurant)
    except OverflowError as error:
        raise ValueError(f"{day} is beyond the calendar.") from error


def _days(said: str) -> Callable[[Restaurant], date]:
    if said not in set(DayWord):
        day = date.fromisoformat(said)
        return lambda _: day
    moment, before = clock.now(), timedelta(days=1 if said == DayWord.YESTERDAY else 0)
    return lambda restaurant: business_day(moment, restaurant) - before
