"""`bench api`: create-and-complete over HTTP, next to the same rows in bare SQL from as many connections."""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.test import Client

from accounts.models import Restaurant
from kernel import clock
from orders.models import Order
from payments.benchmarks.calling import Called, Expected, call_from_many, request_text
from payments.benchmarks.database import commits_in, execute, said_during, statements_in
from payments.benchmarks.figures import MILLISECONDS, TITLES, Measured, Row, Say, Spread, table
from payments.benchmarks.floor import COMMITS, Floor, floor_of
from payments.benchmarks.kinds import Outcome, at_least
from payments.benchmarks.pgbench import FloorRunner, floor_runner
from payments.benchmarks.restaurant import new_key, new_order, new_restaurant
from payments.benchmarks.web import THREADS, WORKERS, Web, web_process
from payments.benchmarks.written import written_during
from payments.models import Method, PaymentStatus

ABOUT = "create-and-complete over HTTP on gunicorn, next to bare SQL by pgbench"
PATH = "/api/v1/payments"
CONNECTIONS, REQUESTS, REPEATS = 16, 5_000, 3  # Of 5,000 the slowest hundredth are fifty.
# The first requests of each connection connect to the database, prepare and import.
WARM_UP = 10
TRIVIAL_REQUESTS = 2_000  # To see what the callers can do where there is next to nothing to wait for.
COMPLETED = Expected(status=HTTPStatus.CREATED, fields={"status": PaymentStatus.COMPLETED.value})
ALIVE = Expected(status=HTTPStatus.OK, fields={})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--requests", type=at_least(1), default=REQUESTS, help="in each repeat; default: %(default)s")
    parser.add_argument("--repeats", type=at_least(1), default=REPEATS, help="default: %(default)s")
    parser.add_argument("--connections", type=at_least(1), default=CONNECTIONS, help="default: %(default)s")


def measure(say: Say, options: Mapping[str, Any]) -> Outcome:
    caller, runner = Caller(new_restaurant()), floor_runner()
    said, floor = _one_request(caller)
    each = -(-options["requests"] // options["connections"])
    with web_process() as web:
        run = _Run(caller, web, floor, runner, options["connections"], each)
        trivial = run.call_trivial()
        run.call_api(WARM_UP)
        run.run_floor(WARM_UP)
        before = web.cpu_seconds()
        pairs = [(run.run_floor(each), run.call_api(each)) for _ in range(options["repeats"])]
        workers = [after - at_first for after, at_first in zip(web.cpu_seconds(), before, strict=True)]
    bares, called = zip(*pairs, strict=True)
    report = _Report(
        ours=Row(
            name="API",
            runs=[one.measured for one in called],
            statements=statements_in(said),
            commits=commits_in(said),
        ),
        floor=Row(name="bare SQL", runs=bares, statements=floor.statements, commits=COMMITS),
        called=called,
        trivial=trivial,
        workers=workers,
    )
    say(f"\n{each * run.connections} payments in each of {len(pairs)} turns, from {run.connections} connections.")
    say(f"API: gunicorn, {WORKERS} workers with {THREADS} threads. Bare SQL: {runner.name}.")
    report.tell(say)
    return Outcome({**report.as_json(), "requests": each * run.connections, "connections": run.connections})


class Caller:
    """One key of one restaurant, and requests with it, in this process or as text."""

    def __init__(self, restaurant: Restaurant) -> None:
        self.restaurant, self._key = restaurant, new_key(restaurant)

    def pay_here(self, order: Order, press: str) -> None:
        client = Client(SERVER_NAME="localhost")
        headers, secure = self._headers(press), settings.SECURE_SSL_REDIRECT
        answer = client.post(PATH, self._body(order), "application/json", secure=secure, headers=headers)
        if answer.status_code != COMPLETED.status or answer.json()["status"] != PaymentStatus.COMPLETED:
            raise CommandError(f"The API answers {answer.status_code}: {answer.content.decode()}")

    def request_for(self, order: Order) -> str:
        headers = {"Content-Type": "application/json", **self._headers(str(clock.new_id()))}
        return request_text("POST", PATH, headers=headers, body=self._body(order))

    def _headers(self, press: str) -> dict[str, str]:
        proxy = {"X-Forwarded-Proto": "https"} if settings.SECURE_SSL_REDIRECT else {}
        return {"Authorization": f"Bearer {self._key}", "Idempotency-Key": press, **proxy}

    @staticmethod
    def _body(order: Order) -> str:
        return json.dumps({"order": str(order.pk), "method": Method.CARD.value, "instrument": "bench"})


def _one_request(caller: Caller) -> tuple[Sequence[str], Floor]:
    """What one request says, and what it writes: the floor is made of that, so that it cannot be another one."""
    caller.pay_here(new_order(caller.restaurant), str(clock.new_id()))  # What is only written once is written.
    said = said_during(partial(caller.pay_here, new_order(caller.restaurant), str(clock.new_id())))
    press = str(clock.new_id())
    written = written_during(partial(caller.pay_here, new_order(caller.restaurant), press))
    return said, floor_of(written, also=[press])


@dataclass(slots=True)
class _Run:
    """The two that are compared, each with orders that nobody has paid yet."""

    caller: Caller
    web: Web
    floor: Floor
    runner: FloorRunner
    connections: int
    each: int
    copied: int = 0

    def run_floor(self, each: int) -> Measured:
        first, count = self.copied, each * self.connections
        self.copied += count
        self.floor.copy_orders(first=first, count=count)
        _settle()
        return self.runner.run(self.floor, first, each, self.connections)

    def call_api(self, each: int) -> Called:
        orders = [new_order(self.caller.restaurant) for _ in range(each * self.connections)]
        requests = [self.caller.request_for(order) for order in orders]
        _settle()
        return self._call(requests, COMPLETED)

    def call_trivial(self) -> Called:
        health = request_text("GET", "/healthz", headers={})
        return self._call([health] * TRIVIAL_REQUESTS, ALIVE)

    def _call(self, requests: Sequence[str], expected: Expected) -> Called:
        return call_from_many(port=self.web.port, connections=self.connections, requests=requests, expected=expected)


def _settle() -> None:
    """What making the orders left to do is done before the clock runs, and not by chance in the middle of one turn."""
    execute("VACUUM (ANALYZE) orders_order")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Report:
    ours: Row
    floor: Row
    called: Sequence[Called]
    trivial: Called
    workers: Sequence[float]

    @property
    def ratio(self) -> Spread:
        """Of each turn, whose two halves had the same minute of this machine."""
        pairs = zip(self.ours.runs, self.floor.runs, strict=True)
        return Spread([ours.per_second / floor.per_second for ours, floor in pairs])

    @property
    def callers_ms(self) -> float:
        return MILLISECONDS * statistics.fmean(one.cpu_seconds / len(one.measured.seconds) for one in self.called)

    @property
    def workers_ms(self) -> float:
        """For each request: what another program on this machine changes least."""
        requests = [second for run in self.ours.runs for second in run.seconds]
        return MILLISECONDS * math.fsum(self.workers) / len(requests)

    def tell(self, say: Say) -> None:
        say(table(TITLES, self.ours.cells(), self.floor.cells()))
        say(f"The API reaches {self.ratio.as_text(3)} of bare SQL.")
        trivial = f"{self.trivial.measured.per_second:.0f} requests/s of /healthz"
        say(f"The callers take {self.callers_ms:.2f} ms of CPU for each request; they reach {trivial}.")
        shares = ", ".join(f"{seconds:.1f} s" for seconds in self.workers)
        say(f"The workers take {self.workers_ms:.1f} ms ({shares or 'not told here'}).")
        say(f"Load now: {os.getloadavg()[0]:.2f}.")

    def as_json(self) -> dict[str, Any]:
        callers = {"cpu_ms": self.callers_ms, "trivial": self.trivial.measured.as_json()}
        rows = {"api": self.ours.as_json(), "floor": self.floor.as_json(), "ratio": self.ratio.as_json()}
        workers = {"cpu_ms": self.workers_ms, "cpu_seconds": [*self.workers]}
        return {**rows, "callers": callers, "workers": workers}
