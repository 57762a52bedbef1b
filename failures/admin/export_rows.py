"""What a file of the queue holds, in whichever form it is taken: its columns, its rows, and what they add up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from failures.admin.cells import waiting_refunds_of
from failures.models import Case
from failures.services.exporting import Export
from failures.showing.certainty import certainty_of, in_words
from failures.sums import money_of
from kernel.money import Money

COLUMNS = (
    *("case", "kind", "status", "opened (UTC)", "opened (restaurant's time)", "restaurant", "mode"),
    *("payment", "order", "table", "amount", "currency", "certainty", "owner", "provider references"),
)
TOTAL = "# total"
Value = str | Money  # An amount is written as each form writes numbers; its currency stands in a cell of its own.


@dataclass(frozen=True, slots=True)
class Table:
    """What its rows add up to is known behind the last one: they are read once."""

    export: Export
    _minor: Counter[str] = field(default_factory=Counter)

    def rows(self) -> Iterator[tuple[Value, ...]]:
        for case in self.export.cases():
            money = money_of(case)
            if money is not None:
                self._minor[money.currency] += money.minor
            yield _row(case, money)

    @property
    def count(self) -> int:
        return len(self.export.ids)

    def totals(self) -> list[Money]:
        """Two currencies are never one sum."""
        return [Money(minor, currency) for currency, minor in sorted(self._minor.items())]


def _row(case: Case, money: Money | None) -> tuple[Value, ...]:
    return (
        *(str(case.pk), case.kind, case.status),
        *(_moment(case.opened_at, UTC), _moment(case.opened_at, ZoneInfo(case.restaurant.time_zone))),
        *(case.restaurant.name, case.mode),
        *_of_payment(case, money),
        case.owner.get_username() if case.owner else "",
        " ".join(filter(None, _provider_references(case))),
    )


def _of_payment(case: Case, money: Money | None) -> tuple[Value, ...]:
    payment = case.payment
    if payment is None:
        return ("",) * 6
    certainty = ", ".join(in_words(certainty_of(payment.attempts.all(), waiting_refunds_of(case)), _written))
    amount: tuple[Value, str] = (money, money.currency) if money else ("", "")
    return (payment.reference, payment.order.reference, payment.order.table, *amount, certainty)


def _provider_references(case: Case) -> Iterator[str]:
    if case.payment is not None:
        yield from (attempt.provider_reference for attempt in case.payment.attempts.all())
        yield from (refund.provider_reference for refund in case.payment.refunds.all())


def _moment(at: datetime, zone: tzinfo) -> str:
    return at.astimezone(zone).isoformat(sep=" ", timespec="seconds")


def _written(money: Money) -> str:
    return f"{money.currency} {money.plain()}"
