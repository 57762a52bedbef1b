"""What several restaurants took in today, and what is in doubt: counted by the filters of the lists that show it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F, QuerySet, Sum, Value

from kernel.totals import Total
from payments.days import DayWord, on_day
from payments.models import Payment, Refund
from payments.outlooks import Outlook
from payments.tries import with_its_try

_WHOLE = F("amount_minor") + F("tip_minor")


@dataclass(frozen=True, slots=True, kw_only=True)
class InDoubt:
    """Money that may have moved, in either direction."""

    payments: Total
    refunds: Total


def in_doubt(outlook: Outlook) -> InDoubt:
    """Both in one statement: the page that asks has few."""
    rows = list(_doubtful(Payment, outlook).union(_doubtful(Refund, outlook), all=True))
    payments, refunds = ([said for table, *said in rows if table == model.__name__] for model in (Payment, Refund))
    return InDoubt(payments=Total.of(payments), refunds=Total.of(refunds))


def _doubtful(model: type[Payment | Refund], outlook: Outlook) -> QuerySet[Any, Any]:
    rows: Any = model._default_manager.filter(outlook.asked, in_doubt=True)  # The stubs know one model at a time.
    by_currency = rows.values_list(Value(model.__name__), "currency")
    grouped: QuerySet[Any, Any] = by_currency.annotate(rows=Count("pk"), minor=Sum(_WHOLE))
    return grouped


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The payments of a day that are alike in all that the day is told by."""

    method: str
    currency: str
    status: str
    failure_code: str
    paid_on: str
    rows: int
    minor: int

    def has(self, wanted: Mapping[str, Sequence[str]]) -> bool:
        return all(getattr(self, name) in values for name, values in wanted.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """Read in one statement, so that its figures fit each other."""

    shares: tuple[Share, ...]

    def total(self, **wanted: Sequence[str]) -> Total:
        """Of what has one of the wanted values in each of the named fields."""
        return Total.of((share.currency, share.rows, share.minor) for share in self.shares if share.has(wanted))

    def values(self, *names: str, **wanted: Sequence[str]) -> list[tuple[str, ...]]:
        """Which combinations there are of these fields."""
        return sorted({tuple(getattr(share, name) for name in names) for share in self.shares if share.has(wanted)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Returns:
    """The refunds that a day brought, by how they stand now."""

    shares: tuple[tuple[str, str, int, int], ...]  # Status, currency, how many, how much.

    def total(self, *statuses: str) -> Total:
        return Total.of((currency, rows, minor) for status, currency, rows, minor in self.shares if status in statuses)


def returns_of(outlook: Outlook) -> Returns:
    """Whoever started them: a colleague, a program, the system, the provider or the guest's bank."""
    refunds = Refund.objects.filter(on_day(outlook.restaurants, DayWord.TODAY), mode=outlook.mode)
    return Returns(
        shares=tuple(refunds.values_list("status", "currency").annotate(rows=Count("pk"), minor=Sum(_WHOLE)))
    )


def day_of(outlook: Outlook) -> Day:
    """The business day that now runs in each of the restaurants."""
    payments = with_its_try(Payment.objects.filter(on_day(outlook.restaurants, DayWord.TODAY), mode=outlook.mode))
    alike = ("method", "currency", "status", "failure_code", "paid_on")
    rows: Iterable[dict[str, object]] = payments.values(*alike).annotate(rows=Count("pk"), minor=Sum(_WHOLE))
    return Day(shares=tuple(Share(**row) for row in rows))  # type: ignore[arg-type]  # As the table has them.
