"""Filters of lists: those that a page sets by its address, seen only where they are set, and those of a few choices."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
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


class OneOf(admin.SimpleListFilter):
    """Nobody learns by trying whether somebody else's person or restaurant exists."""

    def value(self) -> str | None:
        value: str | None = super().value()
        if value is not None and value not in {str(key) for key, _ in self.lookup_choices}:
            raise IncorrectLookupParameters
        return value


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
