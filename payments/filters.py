"""Filters of the console's lists of payments and attempts: those that people choose, and those that a page leads to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest

from kernel.console import restaurants_seen_by
from kernel.filters import AddressFilter
from payments.days import DayWord, on_day
from payments.models import Attempt
from payments.reason_words import reason_in_words
from payments.services.providers import PROVIDERS
from payments.tries import Try, of_try


class DayFilter(admin.SimpleListFilter):
    """By the business day of each row's own restaurant. A date in the address is a day as well."""

    title = "business day"
    parameter_name = "day"

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        words = [word.value for word in DayWord]
        value = self.value()
        return [(each, each) for each in (*words, *([value] if value and value not in words else []))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not value:
            return queryset
        try:
            return queryset.filter(on_day(restaurants_seen_by(request), value))
        except ValueError as error:
            raise IncorrectLookupParameters from error


class TryFilter(AddressFilter):
    """One or several."""

    title = "paid"
    parameter_name = "paid_on"

    def words(self, value: str) -> str:
        words = dict(Try.choices)
        return " or ".join(words.get(each, each) for each in value.split(","))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset if value is None else of_try(queryset, *value.split(","))


class FailureFilter(AddressFilter):
    title = "reason of failure"
    parameter_name = "failure_code"

    def words(self, value: str) -> str:
        return reason_in_words(value) or "none"


class BeganFilter(AddressFilter):
    """From one moment up to another, written as ISO 8601 writes an interval. It does not move on with the clock."""

    title = "began"
    parameter_name = "began"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        value = self.value()
        return [] if value is None else [(value, _interval_in_words(value, _wall_of(request)))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Attempt]) -> QuerySet[Attempt]:
        value = self.value()
        if value is None:
            return queryset
        begins, ends = read_interval(value)
        return queryset.filter(created_at__gte=begins, created_at__lt=ends)


def _wall_of(request: HttpRequest) -> ZoneInfo:
    """By the clock on the wall, as the rows below are, where all that this person sees have one."""
    zones = set(restaurants_seen_by(request).order_by().values_list("time_zone", flat=True).distinct()[:2])
    return ZoneInfo(zones.pop() if len(zones) == 1 else "UTC")


def _interval_in_words(value: str, zone: ZoneInfo) -> str:
    try:
        begins, ends = (moment.astimezone(zone) for moment in read_interval(value))
    except OverflowError as error:
        raise IncorrectLookupParameters from error
    day = "" if begins.date() == ends.date() else f"{ends:%d %b} "
    return f"{begins:%d %b %H:%M:%S} – {day}{ends:%H:%M:%S %Z}"


def written_interval(begins: datetime, ends: datetime) -> str:
    return f"{begins.astimezone(UTC).isoformat()}/{ends.astimezone(UTC).isoformat()}"


def read_interval(value: str) -> tuple[datetime, datetime]:
    try:
        begins, ends = (datetime.fromisoformat(each).astimezone(UTC) for each in value.split("/"))
    except (ValueError, OverflowError) as error:
        raise IncorrectLookupParameters from error
    return begins, ends


class ProviderFilter(admin.SimpleListFilter):
    title = "provider"
    parameter_name = "provider"

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        return [(name, name.replace("_", " ")) for name in PROVIDERS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Attempt]) -> QuerySet[Attempt]:
        value = self.value()
        return queryset.filter(account__provider=value) if value else queryset
