"""`bench lists`: pages of payments through the whole view, at the beginning of a large table and at its end."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.core.management.base import CommandError
from django.test import Client

from api.pages import DEFAULT_LIMIT
from payments.benchmarks.database import said_during
from payments.benchmarks.figures import FRACTIONS, Say, percentiles, seconds_of, table
from payments.benchmarks.filler import LEAST_ROWS, Filler
from payments.benchmarks.kinds import Outcome, at_least
from payments.benchmarks.pay import pay_at_once
from payments.benchmarks.plans import Plan, plan_of
from payments.benchmarks.restaurant import new_key, new_order, new_restaurant
from payments.models import Payment

ABOUT = "pages of payments through the whole view, in this process"
PATH = "/api/v1/payments"
WARM_UP, TIMES, COUNTED_TIMES = 5, 50, 5
# The goal: a page deep in the list is as good as the first one.
MOST_TIMES_THE_FIRST = 2.0
# One row more than a page says whether there is a next one. The rest are rows of the very moment of the cursor.
MOST_ROWS_READ = DEFAULT_LIMIT + 5
_COUNT = re.compile(r"\bCOUNT\(", re.IGNORECASE)
FIRST, LAST, COUNTED = "page 1", "last page", "total=exact"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=at_least(LEAST_ROWS), required=True, help="payments in the table")


def measure(say: Say, options: Mapping[str, Any]) -> Outcome:
    restaurant, rows = new_restaurant(), options["rows"]
    pay_at_once(new_order(restaurant))
    seconds = seconds_of(partial(Filler(restaurant, small=LEAST_ROWS).fill, up_to=rows))
    count = Payment.objects.count()
    say(f"\n{count:,} payments (filled in {seconds:.0f} s), {DEFAULT_LIMIT} a page, {TIMES} times each, in turns.")
    reader = _Reader(new_key(restaurant))
    queries = {FIRST: "", "middle page": reader.from_row(count // 2), LAST: reader.from_row(count - DEFAULT_LIMIT)}
    pages = {**reader.pages(queries, TIMES), **reader.pages({COUNTED: f"?{COUNTED}"}, COUNTED_TIMES)}
    say(table(_TITLES, *(page.cells(name) for name, page in pages.items())))
    ratio = pages[LAST].milliseconds["p50"] / pages[FIRST].milliseconds["p50"]
    say(f"The last page takes {ratio:.2f} times what the first one takes. Its plan:\n{pages[LAST].plan.text}")
    figures = {name: page.as_json() for name, page in pages.items()}
    return Outcome({"rows": count, "pages": figures, "last_to_first": ratio}, [*_missed(pages, ratio)])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    milliseconds: Mapping[str, float]
    statements: int
    counts: int
    plan: Plan

    def cells(self, name: str) -> list[str]:
        times = [f"{each:.1f}" for each in self.milliseconds.values()]
        numbers = [str(each) for each in (self.statements, self.counts, self.plan.rows_read)]
        return [name, *times, *numbers, self.plan.index]

    def as_json(self) -> dict[str, Any]:
        times = {f"{name}_ms": each for name, each in self.milliseconds.items()}
        said = {"statements": self.statements, "counts": self.counts}
        return {**times, **said, "rows_read": self.plan.rows_read, "index": self.plan.index}


_TITLES = ("", *(f"{name} ms" for name in FRACTIONS), "statements", "COUNTs", "rows read", "by")


class _Reader:
    """Who asks for pages with a key, as any program does, but for the network."""

    def __init__(self, key: str) -> None:
        self._client, self._headers = Client(SERVER_NAME="localhost"), {"Authorization": f"Bearer {key}"}

    def pages(self, queries: Mapping[str, str], times: int) -> dict[str, _Page]:
        """In turns, so that whatever else the machine does falls on all alike."""
        turns = [
            {name: seconds_of(partial(self._read, query)) for name, query in queries.items()}
            for _ in range(WARM_UP + times)
        ]
        return {name: self._page(query, [turn[name] for turn in turns[WARM_UP:]]) for name, query in queries.items()}

    def from_row(self, place: int) -> str:
        """The query of the page that begins with this row, counted from 0: the API gives a cursor to it."""
        newest_first = Payment.objects.order_by("-created_at", "-id").values_list("created_at", flat=True)
        before = urlencode({"created_before": newest_first[place - 2].isoformat(), "limit": 1})
        return f"?cursor={self._read(f'?{before}')['page']['next_cursor']}"

    def _read(self, query: str) -> dict[str, Any]:
        answer = self._client.get(f"{PATH}{query}", secure=settings.SECURE_SSL_REDIRECT, headers=self._headers)
        if answer.status_code != HTTPStatus.OK:
            raise CommandError(f"The API answers {answer.status_code}: {answer.content.decode()}")
        page: dict[str, Any] = answer.json()
        return page

    def _page(self, query: str, seconds: Sequence[float]) -> _Page:
        said = said_during(partial(self._read, query))
        (read,) = [sql for sql in said if f"LIMIT {DEFAULT_LIMIT + 1}" in sql]
        return _Page(
            milliseconds=percentiles(seconds),
            statements=len(said),
            counts=sum(bool(_COUNT.search(sql)) for sql in said),
            plan=plan_of(read, table="payments_payment"),
        )


def _missed(pages: Mapping[str, _Page], ratio: float) -> Iterator[str]:
    if ratio > MOST_TIMES_THE_FIRST:
        yield f"The last page takes {ratio:.2f} times what the first one takes, more than {MOST_TIMES_THE_FIRST}."
    for name, page in pages.items():
        if page.counts != (name == COUNTED):
            yield f"{name}: COUNT is said {page.counts} times."
        if page.plan.rows_read > MOST_ROWS_READ:
            yield f"{name}: {page.plan.rows_read} rows are read for {DEFAULT_LIMIT}."
