"""The queue as a file for an accountant: exactly the list that is shown, streamed, with a control total at its end."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import IGNORED_PARAMS
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect

from accounts.models import User
from failures.admin.cells import waiting_refunds_of
from failures.models import Case
from failures.searching import words_for
from failures.services.exporting import Export, export_cases
from failures.services.facts import CaseRefused
from failures.showing.certainty import certainty_of, in_words
from failures.sums import money_of
from kernel import clock
from kernel.downloads import streamed
from kernel.money import Money

COLUMNS = (
    *("case", "kind", "status", "opened (UTC)", "opened (restaurant's time)", "restaurant", "mode"),
    *("payment", "order", "table", "amount", "currency", "certainty", "owner", "provider references"),
)
TOTAL = "# total"
# By this sign a spreadsheet knows that names may be in any script.
_BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
# With one of these at its beginning a cell is a formula to a spreadsheet, and formulas can send what they see.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_of(page: Any, request: HttpRequest, person: User) -> HttpResponseBase:
    """With the filters, the search and the order that stand in the address, as the list itself reads them."""
    try:
        shown = page.get_changelist_instance(request)
    except IncorrectLookupParameters:
        return HttpResponseRedirect("../")
    taken_for = words_for(shown.query, currencies=page.currencies_of(request)) if shown.query else []
    filters = {name: said for name, said in shown.filter_params.items() if name not in IGNORED_PARAMS}
    chosen = {"filters": filters, "searched_as": taken_for}
    try:
        export = export_cases(cases=shown.queryset, chosen=chosen, person=person)
    except CaseRefused as refused:
        messages.error(request, refused.sentence)
        return HttpResponseRedirect(f"../{shown.get_query_string()}")
    name = f"cases-{clock.now():%Y-%m-%d-%H%M}.csv"
    return streamed(_lines(export), name=name, content_type="text/csv; charset=utf-8")


class _Line:
    """What the writer of CSV takes for a file: the line that it wrote is the answer."""

    def write(self, line: str) -> str:
        return line


def _lines(export: Export) -> Iterator[str]:
    writer: Any = csv.writer(_Line())  # Its `writerow` gives what `write` gave, which its type does not know.
    sums: Counter[str] = Counter()
    yield _BYTE_ORDER_MARK + writer.writerow(COLUMNS)
    for case in export.cases():
        money = money_of(case)
        if money is not None:
            sums[money.currency] += money.minor
        yield writer.writerow([_disarmed(cell) for cell in _row(case)])
    amounts = [cell for currency in sorted(sums) for cell in (currency, Money(sums[currency], currency).plain())]
    yield writer.writerow([TOTAL, "rows", len(export.ids), *amounts])


def _disarmed(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _row(case: Case) -> tuple[str, ...]:
    return (
        *(str(case.pk), case.kind, case.status),
        *(_moment(case.opened_at, UTC), _moment(case.opened_at, ZoneInfo(case.restaurant.time_zone))),
        *(case.restaurant.name, case.mode),
        *_of_payment(case),
        case.owner.get_username() if case.owner else "",
        " ".join(filter(None, _provider_references(case))),
    )


def _of_payment(case: Case) -> tuple[str, ...]:
    payment = case.payment
    if payment is None:
        return ("",) * 6
    certainty = ", ".join(in_words(certainty_of(payment.attempts.all(), waiting_refunds_of(case)), _written))
    money = money_of(case)
    amount, currency = (money.plain(), money.currency) if money else ("", "")
    return (payment.reference, payment.order.reference, payment.order.table, amount, currency, certainty)


def _provider_references(case: Case) -> Iterator[str]:
    if case.payment is not None:
        yield from (attempt.provider_reference for attempt in case.payment.attempts.all())
        yield from (refund.provider_reference for refund in case.payment.refunds.all())


def _moment(at: datetime, zone: tzinfo) -> str:
    return at.astimezone(zone).isoformat(sep=" ", timespec="seconds")


def _written(money: Money) -> str:
    return f"{money.currency} {money.plain()}"
