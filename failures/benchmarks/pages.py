"""`bench pages`: the console's pages for one finance person, in a restaurant with as many rows as were generated."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.models import Role, User
from failures.generated.filling import fill
from failures.generated.planning import Wish
from failures.models import Case
from failures.selectors import by_risk, waiting_cases
from kernel import clock
from kernel.modes import Mode
from payments.benchmarks.database import said_during, statements_in
from payments.benchmarks.figures import MILLISECONDS, Say, percentiles, seconds_of, table
from payments.benchmarks.kinds import Outcome, at_least
from payments.benchmarks.plans import plan_of
from payments.models import Payment

ABOUT = "pages of the console for a finance person, next to its plainest page, in this process"
REQUESTS, SLUG, SEED, DAYS = 20, "generated-table", 7, 365
WARM_UP = 2
# The goals, on the machine that they were set on.
MOST_STATEMENTS = 15
MOST_MILLISECONDS = 300.0
FLOOR = "sign-in (floor)"
_TITLES = ("", "p50 ms", "p95 ms", "statements", "in the database ms", "KB")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--payments", type=at_least(1), required=True, help="generated if there are none yet")
    parser.add_argument("--cases", type=at_least(1), required=True, help="that are open")
    parser.add_argument("--requests", type=at_least(1), default=REQUESTS, help=f"for each page ({REQUESTS})")
    parser.add_argument("--restaurant", default=SLUG, metavar="SLUG", help=f"where they are ({SLUG})")


def measure(say: Say, options: Mapping[str, Any]) -> Outcome:
    person = _person(say, options)
    visitor = _Visitor(person)
    mine = Case.objects.filter(restaurant__memberships__user=person)
    counts = {"payments": Payment.objects.count(), "open_cases": waiting_cases(mine).count()}
    say(f"\n{counts['payments']:,} payments, {counts['open_cases']:,} open cases, {options['requests']} requests each.")
    pages = visitor.pages(_addresses(mine), options["requests"])
    say(table(_TITLES, *(page.cells(name) for name, page in pages.items())))
    for name, page in pages.items():
        if page.slowest and page.milliseconds["p50"] > MOST_MILLISECONDS:
            say(f"\n{name}: its slowest statement takes {page.slowest_ms:.0f} ms.\n{page.slowest}\n{_plan(page)}")
    return Outcome({**counts, "pages": {name: page.as_json() for name, page in pages.items()}}, [*_missed(pages)])


def _person(say: Say, options: Mapping[str, Any]) -> User:
    """Whoever works there. An empty restaurant is filled first."""
    finance = User.objects.filter(memberships__restaurant__slug=options["restaurant"], memberships__role=Role.FINANCE)
    if not finance.exists():
        wish = Wish(
            payments=options["payments"],
            cases=options["cases"],
            seed=SEED,
            days=DAYS,
            until=clock.now(),
            slug=options["restaurant"],
        )
        seconds = seconds_of(partial(fill, wish, say=say, told=lambda _: None))
        say(f"Generated in {seconds:.0f} s.")
    return finance.order_by("username")[0]


def _addresses(cases: Any) -> dict[str, str]:
    worst = by_risk(waiting_cases(cases).exclude(payment=None))[0]
    return {
        FLOOR: reverse("admin:login"),
        # Made-up payments are in test mode.
        "Today": f"{reverse('admin:index')}?mode={Mode.TEST.value}",
        "Queue": reverse("admin:failures_case_changelist"),
        "Payments": reverse("admin:payments_payment_changelist"),
        "Case": reverse("admin:failures_case_change", args=[worst.pk]),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    milliseconds: Mapping[str, float]
    statements: int
    database_ms: float
    slowest: str
    slowest_ms: float
    size: int

    def cells(self, name: str) -> list[str]:
        times = [f"{self.milliseconds[each]:.0f}" for each in ("p50", "p95")]
        return [name, *times, str(self.statements), f"{self.database_ms:.0f}", str(self.size // 1024)]

    def as_json(self) -> dict[str, Any]:
        times = {f"{name}_ms": each for name, each in self.milliseconds.items()}
        said = {"statements": self.statements, "database_ms": self.database_ms, "bytes": self.size}
        return {**times, **said, "slowest_ms": self.slowest_ms, "slowest": self.slowest}


class _Visitor:
    """One signed-in person, and for the floor nobody."""

    def __init__(self, person: User) -> None:
        self._person, self._nobody = Client(SERVER_NAME="localhost"), Client(SERVER_NAME="localhost")
        self._person.force_login(person, backend="accounts.backends.PersonBackend")

    def pages(self, addresses: Mapping[str, str], times: int) -> dict[str, _Page]:
        """In turns, so that whatever else the machine does falls on all alike."""
        reads: dict[str, Callable[[], bytes]] = {name: partial(self._read, name, at) for name, at in addresses.items()}
        turns = [{name: seconds_of(read) for name, read in reads.items()} for _ in range(WARM_UP + times)]
        return {name: _page(read, [turn[name] for turn in turns[WARM_UP:]]) for name, read in reads.items()}

    def _read(self, name: str, address: str) -> bytes:
        client = self._nobody if name == FLOOR else self._person
        answer = client.get(address, secure=settings.SECURE_SSL_REDIRECT)
        if answer.status_code != HTTPStatus.OK:
            raise CommandError(f"{address} answers {answer.status_code} to a finance person.")
        return bytes(answer.content)


def _page(read: Callable[[], bytes], seconds: Sequence[float]) -> _Page:
    statements = statements_in(said_during(read))
    # Still there from the reading before: how long each statement took, by the client's clock.
    log = [(float(query["time"]), str(query["sql"])) for query in connection.queries_log]
    slowest_seconds, slowest = max((each for each in log if each[1].startswith("SELECT")), default=(0.0, ""))
    return _Page(
        milliseconds={**percentiles(seconds), "median": MILLISECONDS * statistics.median(seconds)},
        statements=statements,
        database_ms=MILLISECONDS * sum(each for each, _ in log),
        slowest=slowest,
        slowest_ms=MILLISECONDS * slowest_seconds,
        size=len(read()),
    )


def _plan(page: _Page) -> str:
    return plan_of(page.slowest, table="").text


def _missed(pages: Mapping[str, _Page]) -> Iterator[str]:
    for name, page in pages.items():
        if page.milliseconds["p50"] > MOST_MILLISECONDS:
            yield f"{name} takes {page.milliseconds['p50']:.0f} ms, more than {MOST_MILLISECONDS:.0f}."
        if page.statements > MOST_STATEMENTS:
            yield f"{name} says {page.statements} statements, more than {MOST_STATEMENTS}."
