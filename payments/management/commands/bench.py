"""`manage.py bench`: what a payment costs next to bare SQL, and what a sweep's claim costs among many rows.

It works in a database of its own, whose rows it writes with SQL where no service makes such rows. The figures
belong to one machine and one moment; compare only the ratios.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import httpx
import psycopg
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection, transaction
from psycopg.rows import DictRow, dict_row

from accounts.models import Restaurant
from events.actors import SYSTEM
from kernel import clock
from kernel.modes import Mode
from orders.models import Order
from orders.services import LineDraft, OrderDraft, place_order
from payments.models import Method, Payment, PaymentStatus
from payments.selectors import payments_due
from payments.services.leases import WIDTH, claim_payments
from payments.services.payments import PaymentDraft, pay
from payments.services.providers import PROVIDERS, Provider

SUFFIX = "_bench"
PROVIDER = "bench"
BILL_MINOR = 84_000
DEFAULT_PAYMENTS = 500  # Enough for a 99th percentile that is not one single payment.
# The first calls import, connect and prepare; they are no part of what a payment costs.
WARM_UP = 20
SMALL_TABLE = 10_000
DUE = 100
LEAST_ROWS = 10 * DUE
# A transaction's deferred checks wait in memory until its commit.
FILL_AT_ONCE = 100_000
CLAIMS = 50
# No cap hides the cost of a claim: the sweeps' limit at one provider is not what is measured.
CONCURRENCY = 32_767
FRACTIONS = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
MILLISECONDS = 1000


class Command(BaseCommand):
    help = "Measure payments through the services next to bare SQL, and the sweep's claim among many rows."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--payments", type=int, default=DEFAULT_PAYMENTS, help="default: %(default)s")
        parser.add_argument("--rows", type=int, default=0, help="payments in the table for the claim; 0: no claim")
        parser.add_argument("--create", action="store_true", help=f"make a database <name>{SUFFIX} and drop it again")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["payments"] < 1 or 0 != options["rows"] < LEAST_ROWS:
            raise CommandError(f"At least 1 payment, and no rows or at least {LEAST_ROWS}.")
        with _bench_database(create=options["create"]), _instant_provider():
            self.stdout.write(_conditions())
            restaurant = _restaurant()
            self._payments(restaurant, options["payments"])
            if options["rows"]:
                self._claims(restaurant, options["rows"])

    def _payments(self, restaurant: Restaurant, count: int) -> None:
        services, floor = _measure_payments(restaurant, count)
        done = Payment.objects.filter(restaurant=restaurant, status=PaymentStatus.COMPLETED).count()
        self.stdout.write(f"\n{count} payments, each next to one in bare SQL; with warm-up {done} are completed.")
        titles = ("", "payments/s", *(f"{name} ms" for name in FRACTIONS), "statements", "commits")
        for cells in (titles, services.cells(), floor.cells()):
            self.stdout.write("".join(f"{cell:>12}" for cell in cells))
        self.stdout.write(f"The services reach {services.per_second / floor.per_second:.2f} of bare SQL.")

    def _claims(self, restaurant: Restaurant, rows: int) -> None:
        example = Payment.objects.filter(restaurant=restaurant).values_list("pk", "order_id")[0]
        small = min(SMALL_TABLE, rows)
        first = 1
        for size in sorted({small, rows}):
            seconds = _time(partial(_fill, *example, first=first, last=size, small=small))
            first = size + 1
            counts = f"{Payment.objects.count():,} payments, {payments_due().count()} of them due"
            self.stdout.write(f"\n{counts} (filled in {seconds:.0f} s).")
            times = ", ".join(f"{name} {each:.1f} ms" for name, each in _percentiles(_time_claims()).items())
            self.stdout.write(f"A claim of {WIDTH}, {CLAIMS} times: {times}.")
        plan = _explain_claim()
        self.stdout.write(f"The claim reads {plan.rows_read} rows of payments_payment by {plan.index}.\n{plan.text}")


# --- The database: never one that anybody needs. -----------------------------------------------------------------


@contextmanager
def _bench_database(*, create: bool) -> Iterator[None]:
    name = str(connection.settings_dict["NAME"])
    if not create:
        if not name.endswith(SUFFIX):
            raise CommandError(f"{name} is no database for this. Use --create, or one whose name ends in {SUFFIX}.")
        yield
        return
    own = f"{name}{SUFFIX}"
    if _one("SELECT COUNT(*) FROM pg_database WHERE datname = %s", [own]):
        raise CommandError(f"The database {own} is there already, perhaps of a run that was killed. Drop it first.")
    _execute(f"CREATE DATABASE {connection.ops.quote_name(own)}")
    try:
        _switch_to(own)
        call_command("migrate", verbosity=0, interactive=False)
        yield
    finally:
        _switch_to(name)
        _execute(f"DROP DATABASE {connection.ops.quote_name(own)} WITH (FORCE)")


def _switch_to(name: str) -> None:
    """Every thread's connection comes from this one pool."""
    connection.close()
    connection.close_pool()
    connection.settings_dict["NAME"] = name


def _execute(sql: str, values: Sequence[Any] | None = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)


def _one(sql: str, values: Sequence[Any] | None = None) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        row = cursor.fetchone()
    return row[0] if row else None


def _conditions() -> str:
    names = ("server_version", "fsync", "synchronous_commit", "shared_buffers")
    said = ", ".join(f"{name} {_one(f'SHOW {name}')}" for name in names)
    return f"PostgreSQL: {said}. Redis: {'yes' if settings.REDIS_URL else 'no'}. One client."


def _restaurant() -> Restaurant:
    """With one route, to the provider that says yes."""
    restaurant, account, slug = clock.new_id(), clock.new_id(), clock.new_reference("bench").lower()
    _execute(
        "INSERT INTO accounts_restaurant (id, slug, name, currency, time_zone, day_starts_at)"
        " VALUES (%s, %s, 'Bench', 'INR', 'Asia/Kolkata', '04:00')",
        [restaurant, slug],
    )
    _execute(
        "INSERT INTO payments_provideraccount (id, restaurant_id, mode, provider, label, credentials, breaker, fee_bps,"
        " concurrency, enabled) VALUES (%s, %s, 'test', %s, 'bench', '', '{}', 0, %s, TRUE)",
        [account, restaurant, PROVIDER, CONCURRENCY],
    )
    _execute(
        "INSERT INTO payments_route (restaurant_id, mode, position, account_id, methods, currencies, channels, enabled)"
        " VALUES (%s, 'test', 1, %s, '{}', '{}', '{}', TRUE)",
        [restaurant, account],
    )
    return Restaurant.objects.get(pk=restaurant)


# --- The provider: in this process, and it says yes. -------------------------------------------------------------


class _InstantProvider(httpx.BaseTransport):
    """Answers a charge in the sandbox's words, so that the real gateway and the real guard are measured too."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._call.about_to_write()
        asked, key = json.loads(request.read()), request.headers["idempotency-key"]
        said = {"object": "charge", "key": key, "id": f"ch_{key}", "status": "succeeded", "refunds": []}
        moved = {"amount": asked["amount"], "currency": asked["currency"]}
        return httpx.Response(200, json={**said, "failure_code": "", "failure_message": "", "moved": moved})


@contextmanager
def _instant_provider() -> Iterator[None]:
    sandbox = PROVIDERS["sandbox_a"]
    credentials = {"base_url": "http://bench.invalid", "api_key": "bench", "webhook_secrets": ["bench-needs-no-secret"]}

    def build(facts: Any, _: Mapping[str, Any]) -> Any:
        gateway: Any = sandbox.build(facts, credentials)
        return replace(gateway, dial=_InstantProvider)

    PROVIDERS[PROVIDER] = Provider(facts=replace(sandbox.facts, name=PROVIDER), build=build)
    try:
        yield
    finally:
        del PROVIDERS[PROVIDER]


# --- Payments: through the services, and the same rows in bare SQL. ----------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    name: str
    seconds: Sequence[float]
    statements: int
    commits: int

    @property
    def per_second(self) -> float:
        return len(self.seconds) / math.fsum(self.seconds)

    def cells(self) -> list[str]:
        times = (f"{each:.1f}" for each in _percentiles(self.seconds).values())
        return [self.name, f"{self.per_second:.0f}", *times, str(self.statements), str(self.commits)]


def _measure_payments(restaurant: Restaurant, count: int) -> tuple[Measured, Measured]:
    """One by one and in turns, so that whatever else the machine does falls on both alike."""
    example = _place(restaurant)
    statements, commits = _statements_of(lambda: _pay(example))
    with closing(_bare_connection()) as bare:
        floor = _Floor(bare, example)
        pairs = [(_place(restaurant), _place(restaurant)) for _ in range(WARM_UP + count)]
        times = [(_time(partial(_pay, mine)), _time(partial(floor.pay, other))) for mine, other in pairs]
    ours, bares = zip(*times[WARM_UP:], strict=True)
    return (
        Measured(name="services", seconds=ours, statements=statements, commits=commits),
        Measured(name="bare SQL", seconds=bares, statements=floor.statements, commits=2),
    )


def _place(restaurant: Restaurant) -> Order:
    line = LineDraft(name="Thali", quantity=1, unit_minor=BILL_MINOR)
    draft = OrderDraft(restaurant=restaurant, mode=Mode.TEST, currency=restaurant.currency, lines=(line,))
    return place_order(draft=draft, actor=SYSTEM)


def _pay(order: Order) -> None:
    payment = pay(draft=PaymentDraft(order_id=order.pk, method=Method.CARD, instrument="bench"), actor=SYSTEM)
    if payment.status != PaymentStatus.COMPLETED:
        raise CommandError(f"Payment {payment.reference} is {payment.status}, not completed.")


def _time(act: Callable[[], None]) -> float:
    started = clock.monotonic()
    act()
    return clock.monotonic() - started


def _statements_of(act: Callable[[], None]) -> tuple[int, int]:
    said = _said_during(act)
    return len([sql for sql in said if sql not in {"BEGIN", "COMMIT"}]), said.count("COMMIT")


def _said_during(act: Callable[[], Any]) -> list[str]:
    connection.force_debug_cursor = True
    connection.queries_log.clear()
    try:
        act()
        return [str(query["sql"]) for query in connection.queries_log]
    finally:
        connection.force_debug_cursor = False


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """In milliseconds; each was really measured."""
    ordered = sorted(seconds)
    return {name: MILLISECONDS * ordered[int(share * (len(ordered) - 1))] for name, share in FRACTIONS.items()}


def _bare_connection() -> psycopg.Connection[DictRow]:
    """psycopg at its best: one connection, values bound by the server, statements prepared."""
    parameters = {**connection.get_connection_params(), "prepare_threshold": 1, "autocommit": True}
    del parameters["cursor_factory"]
    return psycopg.connect(**parameters, row_factory=dict_row)


_BEGUN_PAYMENT = {"status": "processing", "next_action": "look_up", "finished_at": None, "version": 2}
_BEGUN_ATTEMPT = {
    **{"status": "sent", "capture": "", "captured_minor": 0, "captured_currency": ""},
    **{"provider_reference": "", "evidence": "{}", "settled_at": None},
}
_LOCK = """
    SELECT * FROM orders_order o JOIN payments_payment p ON p.order_id = o.id
      JOIN payments_attempt a ON a.payment_id = p.id WHERE a.id = %s FOR UPDATE"""
_SETTLE_ATTEMPT = """
    UPDATE payments_attempt SET status = 'succeeded', capture = 'kept', captured_minor = amount_minor,
           captured_currency = currency, provider_reference = %s, evidence = %s, settled_at = %s WHERE id = %s"""
_SETTLE_PAYMENT = """
    UPDATE payments_payment SET status = 'completed', next_action = '', next_action_at = NULL,
           finished_at = %s, version = 3 WHERE id = %s"""
_SETTLE_ORDER = "UPDATE orders_order SET payment_state = 'paid', version = 2 WHERE id = %s"


class _Floor:
    """The rows of one completed payment over again, in one statement for each table and commit."""

    def __init__(self, bare: psycopg.Connection[DictRow], example: Order) -> None:
        self._bare, self._order = bare, example.pk
        self.statements = 0
        (self._payment,) = self._rows("payments_payment WHERE order_id", example.pk)
        (self._attempt,) = self._rows("payments_attempt WHERE payment_id", self._payment["id"])
        subjects = [self._payment["id"], self._attempt["id"]]
        steps = [step for subject in subjects for step in self._rows("events_transition WHERE subject_id", subject)]
        facts = [fact for stream in (subjects[0], example.pk) for fact in self._rows("events_event WHERE stream_id", stream)]
        self._steps = [[step for step in steps if step["from_status"] in begun] for begun in ([]

    def pay(self, order: Order) -> None:
