"""What a filtered list adds up to: how many rows, and how much money, currency by currency and as far as is cheap."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from babel.numbers import format_decimal
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.views import ChangeList

from kernel.money import Money

# Some tens of milliseconds to read. Whoever wants the sum of more rows than this wants a report, not a page.
MOST_ADDED = 50_000
_ADD = "SELECT currency, COUNT(*), SUM(minor) FROM ({}) AS listed (currency, minor) GROUP BY currency"


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """Two currencies are never one sum."""

    count: int = 0
    sums: tuple[Money, ...] = ()

    @classmethod
    def of(cls, groups: Iterable[tuple[str | None, int, int | None]]) -> Total:
        """Of currency, rows and minor units. Rows without money have no currency, and are counted all the same."""
        minor: Counter[str] = Counter()
        count = 0
        for currency, rows, units in groups:
            count += rows
            if currency and units is not None:
                minor[currency] += int(units)
        return cls(count=count, sums=tuple(Money(units, currency) for currency, units in sorted(minor.items())))

    @property
    def counted(self) -> str:
        """With the same commas as the amounts beside it."""
        return format_decimal(self.count, locale="en_IN")


@dataclass(frozen=True, slots=True, kw_only=True)
class Adds:
    """What of a list is added up, said by its page: minor units and their currency, as fields or expressions."""

    minor: Any
    currency: Any = "currency"

    def total_of(self, rows: QuerySet[Any]) -> Total | None:
        """None: there are more than anybody adds up for a page. It is one statement, and its reading stops there."""
        some = rows.order_by().values_list(self.currency, self.minor)[: MOST_ADDED + 1]
        total = Total.of(_added(some))
        return total if total.count <= MOST_ADDED else None


def _added(rows: QuerySet[Any]) -> list[tuple[Any, ...]]:
    """A query set groups before it stops reading; this has to be the other way round."""
    try:
        inner, values = rows.query.sql_with_params()
    except EmptyResultSet:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_ADD.format(inner), values)
        return list(cursor.fetchall())


class TotalledList(ChangeList):  # type: ignore[misc]  # Unfold has no types: it is `Any` to the checker.
    """A list that takes its own filters only, and knows, where somebody narrowed it down, what it adds up to."""

    most_added = format_decimal(MOST_ADDED, locale="en_IN")

    def get_filters(self, request: HttpRequest) -> Any:
        """Whoever asks by an address for what no list offers, or no column can hold, finds the list as it is."""
        if any("\x00" in value for values in self.get_filters_params().values() for value in values):
            raise IncorrectLookupParameters
        try:
            return super().get_filters(request)
        except DisallowedModelAdminLookup as error:
            raise IncorrectLookupParameters from error

    @property
    def has_total(self) -> bool:
        """A whole table is no question that anybody asked."""
        return self.model_admin.adds is not None and bool(self.query or self.get_filters_params())

    @cached_property
    def total(self) -> Total | None:
        total: Total | None = self.model_admin.adds.total_of(self.queryset)
        return total
