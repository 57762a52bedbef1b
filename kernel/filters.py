"""Filters that a page sets by its address and nobody chooses: seen, and taken away, only where they are set."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest


class AddressFilter(admin.SimpleListFilter):
    """One value of one lookup. Its parameter is the lookup, unless it says another."""

    lookup = ""

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        value = self.value()
        return [] if value is None else [(value, self.words(value))]

    def words(self, value: str) -> str:
        return value.replace("_", " ") or "none"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset if value is None else queryset.filter(**{self.lookup or str(self.parameter_name): value})


class CurrencyFilter(AddressFilter):
    title = "currency"
    parameter_name = "currency"


class AnyStatusFilter(AddressFilter):
    """Several at once, where the list's own filter knows one."""

    title = "any of these statuses"
    parameter_name = "statuses"

    def words(self, value: str) -> str:
        return " or ".join(value.replace("_", " ").split(","))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset if value is None else queryset.filter(status__in=value.split(","))
