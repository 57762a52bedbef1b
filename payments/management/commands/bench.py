"""`manage.py bench`: what a payment costs next to bare SQL, and what a sweep's claim costs among many rows.

It works in a database of its own and writes with SQL what no service would write. The figures belong to one
machine and one moment; only their ratios travel.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
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
from orders.services import LineDraft, OrderDraft, OrderEvent, place_order
from payments.models import AttemptStatus, Method, Payment, PaymentStatus
from payments.selectors import payments_due
from payments.services.acceptance import PaymentDraft
from payments.services.facts import PaymentEvent
from payments.services.leases import WIDTH, Claim, claim_payments
from payments.services.payments import pay
from payments.services.providers import PROVIDERS, Provider

SUFFIX = "_bench"
PROVIDER = "bench"
DEFAULT_PAYMENTS = 500  # Enough for a 99th percentile that is more than one payment.
# The first calls connect, prepare and import; they are no part of what a payment costs.
WARM_UP = 20
SMALL_TABLE, DUE, LEAST_ROWS = 10_000, 100, 1_000
# A statement's foreign keys are checked at its end, and wait in memory until then.
FILL_AT_ONCE = 100_000
CLAIMS = 50
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
        filler = _Filler(restaurant, small=min(SMALL_TABLE, rows))
        for size in sorted({filler.small, rows}):
            seconds = _time(partial(filler.fill, up_to=size))
            counts = f"{Payment.objects.count():,} payments, {payments_due().count()} of them due"
            self.stdout.write(f"\n{counts} (filled in {seconds:.0f} s).")
            times = ", ".join(f"{name} {each:.1f} ms" for name, each in _percentiles(_time_claims()).items())
            self.stdout.write(f"A claim of {WIDTH}, {CLAIMS} times: {times}.")
        self.stdout.write(_explain_claim())


@contextmanager
def _bench_database(*, create: bool) -> Iterator[None]:
    name = str(connection.settings_dict["NAME"])
    if not create:
        if not name.endswith(SUFFIX):
            raise CommandError(f"{name} is no database for this. Use --create, or one whose name ends in {SUFFIX}.")
        yield
        return
    own = f"{name}{SUFFIX}"
    if _execute("SELECT COUNT(*) FROM pg_database WHERE datname = %s", [own]):
        raise CommandError(f"The database {own} is there already, perhaps of a run that was killed. Drop it first.")
    _execute(f"CREATE DATABASE {connection.ops.quote_name(own)} TEMPLATE template0")
    try:
        _switch_to(own)
        call_command("migrate", verbosity=0, interactive=False)
        yield
    finally:
        _switch_to(name)
        _execute(f"DROP DATABASE {connection.ops.quote_name(own)} WITH (FORCE)")


def _switch_to(name: str) -> None:
    """Every connection of this process comes from the one pool."""
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]  # The stubs do not know which backend this is.
    connection.settings_dict["NAME"] = name


def _execute(sql: str, values: Any = None) -> Any:
    """The first value of the answer, if there is any."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return next(iter(cursor.fetchone() or [None])) if cursor.description else None


def _conditions() -> str:
    said = (f"{name} {_execute(f'SHOW {name}')}" for name in ("server_version", "fsync", "synchronous_commit"))
    return f"PostgreSQL: {', '.join(said)}. Redis: {'yes' if settings.REDIS_URL else 'no'}. One client."


# With one route, to the provider that says yes.
_RESTAURANT = """
    WITH restaurant AS (
        INSERT INTO accounts_restaurant (id, slug, name, currency, time_zone, day_starts_at)
        VALUES (gen_random_uuid(), %(slug)s, 'Bench', 'INR', 'Asia/Kolkata', '04:00') RETURNING id
    ), account AS (
        INSERT INTO payments_provideraccount
               (id, restaurant_id, mode, provider, label, credentials, breaker, fee_bps, enabled)
        SELECT gen_random_uuid(), id, 'test', %(provider)s, 'bench', '', '{}', 0, TRUE FROM restaurant
        RETURNING id, restaurant_id, mode
    )
    INSERT INTO payments_route (restaurant_id, mode, position, account_id, methods, currencies, channels, enabled)
    SELECT restaurant_id, mode, 1, id, '{}', '{}', '{}', TRUE FROM account RETURNING restaurant_id"""


def _restaurant() -> Restaurant:
    slug = clock.new_reference("bench").lower()
    return Restaurant.objects.get(pk=_execute(_RESTAURANT, {"slug": slug, "provider": PROVIDER}))


class _InstantProvider(httpx.BaseTransport):
    """Answers a charge in the sandbox's words, so that its gateway and the guard are measured too."""

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
    credentials = {"base_url": "http://bench.invalid", "api_key": "none", "webhook_secrets": ["none-is-ever-sent"]}

    def build(facts: Any, _: Mapping[str, Any]) -> Any:
        gateway: Any = sandbox.build(facts, credentials)
        return replace(gateway, dial=_InstantProvider)

    PROVIDERS[PROVIDER] = Provider(facts=replace(sandbox.facts, name=PROVIDER), build=build)
    try:
        yield
    finally:
        del PROVIDERS[PROVIDER]


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
        times = [f"{each:.1f}" for each in _percentiles(self.seconds).values()]
        return [self.name, f"{self.per_second:.0f}", *times, str(self.statements), str(self.commits)]


def _measure_payments(restaurant: Restaurant, count: int) -> tuple[Measured, Measured]:
    """In turns, one by one, so that whatever else the machine does falls on both alike."""
    example = _place(restaurant)
    said = _said_during(partial(_pay, example))
    with closing(_bare_connection()) as bare:
        floor = _Floor(bare, example)
        pairs = [(_place(restaurant), _place(restaurant)) for _ in range(WARM_UP + count)]
        times = [(_time(partial(_pay, ours)), _time(partial(floor.pay, other))) for ours, other in pairs]
    mine, bares = zip(*times[WARM_UP:], strict=True)
    commits = said.count("COMMIT")
    return (
        Measured(name="services", seconds=mine, statements=len(said) - 2 * commits, commits=commits),
        Measured(name="bare SQL", seconds=bares, statements=floor.statements, commits=2),
    )


def _place(restaurant: Restaurant) -> Order:
    lines = (LineDraft(name="Thali", quantity=1, unit_minor=84_000),)
    draft = OrderDraft(restaurant=restaurant, mode=Mode.TEST, currency=restaurant.currency, lines=lines)
    return place_order(draft=draft, actor=SYSTEM)


def _pay(order: Order) -> None:
    payment = pay(draft=PaymentDraft(order_id=order.pk, method=Method.CARD, instrument="bench"), actor=SYSTEM)
    if payment.status != PaymentStatus.COMPLETED:
        raise CommandError(f"Payment {payment.reference} is {payment.status}, not completed.")


def _time(act: Callable[[], Any]) -> float:
    started = clock.monotonic()
    act()
    return clock.monotonic() - started


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """In milliseconds; each of them was really measured."""
    ordered = sorted(seconds)
    return {name: MILLISECONDS * ordered[int(share * (len(ordered) - 1))] for name, share in FRACTIONS.items()}


def _said_during(act: Callable[[], Any]) -> list[str]:
    """The statements in plain text, BEGIN and COMMIT among them."""
    connection.force_debug_cursor = True
    connection.queries_log.clear()
    try:
        act()
        return [str(query["sql"]) for query in connection.queries_log]
    finally:
        connection.force_debug_cursor = False


def _bare_connection() -> psycopg.Connection[DictRow]:
    """psycopg at its best: one connection, values bound by the server, statements prepared."""
    parameters = {**connection.get_connection_params(), "prepare_threshold": 1, "autocommit": True}
    del parameters["cursor_factory"]
    return psycopg.connect(**parameters, row_factory=dict_row)


_BEGUN_PAYMENT = {"status": "processing", "next_action": "look_up", "finished_at": None, "version": 2}
_BEGUN_ATTEMPT = {"status": "sent", "settled_at": None, "provider_reference": "", "evidence": "{}"}
_NOTHING_CAPTURED = {"capture": "", "captured_minor": 0, "captured_currency": ""}
_LOCK = """
    SELECT * FROM orders_order o JOIN payments_payment p ON p.order_id = o.id
      JOIN payments_attempt a ON a.payment_id = p.id WHERE a.id = %s FOR UPDATE"""
_SETTLE_ATTEMPT = """
    UPDATE payments_attempt SET status = 'succeeded', capture = 'kept', captured_minor = amount_minor, evidence = %s,
           captured_currency = currency, provider_reference = 'ch_' || id, settled_at = %s WHERE id = %s"""
_SETTLE_PAYMENT = """
    UPDATE payments_payment SET status = 'completed', next_action = '', next_action_at = NULL, finished_at = %s,
           version = 3 WHERE id = %s"""
_SETTLE_ORDER = "UPDATE orders_order SET payment_state = 'paid', version = 2 WHERE id = %s"
_AT_THE_END = {AttemptStatus.SUCCEEDED, PaymentStatus.COMPLETED, PaymentEvent.COMPLETED, OrderEvent.PAID}


class _Floor:
    """The rows of one completed payment over again, with one statement for each table and commit."""

    def __init__(self, bare: psycopg.Connection[DictRow], example: Order) -> None:
        self._bare, self._order_id, self.statements = bare, example.pk, 0
        (self._payment,) = self._rows("payments_payment WHERE order_id = %s", example.pk)
        (self._attempt,) = self._rows("payments_attempt WHERE payment_id = %s", self._payment["id"])
        subjects = [self._payment["id"], self._attempt["id"]]
        steps = self._rows("events_transition WHERE subject_id = ANY(%s) ORDER BY id", subjects)
        facts = self._rows("events_event WHERE stream_id = ANY(%s) ORDER BY id", [subjects[0], example.pk])
        self._steps = [{**step, "id": None, "transaction_id": None} for step in steps]
        self._facts = [fact for fact in facts if fact["type"] != OrderEvent.PLACED]

    def pay(self, order: Order) -> None:
        self.statements = 0
        ids = {self._order_id: order.pk, self._payment["id"]: clock.new_id(), self._attempt["id"]: clock.new_id()}
        payment_id, attempt_id = ids[self._payment["id"]], ids[self._attempt["id"]]
        begun = {**self._payment, **_BEGUN_PAYMENT, "reference": order.reference, "next_action_at": order.placed_at}
        with self._bare.transaction():
            self._run("SELECT * FROM orders_order WHERE id = %s FOR UPDATE", order.pk)
            self._insert("payments_payment", [begun], ids)
            self._insert("payments_attempt", [{**self._attempt, **_BEGUN_ATTEMPT, **_NOTHING_CAPTURED}], ids)
            self._history(ids, at_the_end=False)
        with self._bare.transaction():
            self._run(_LOCK, attempt_id)
            self._run(_SETTLE_ATTEMPT, self._attempt["evidence"], order.placed_at, attempt_id)
            self._run(_SETTLE_PAYMENT, order.placed_at, payment_id)
            self._run(_SETTLE_ORDER, order.pk)
            self._history(ids, at_the_end=True)

    def _history(self, ids: Mapping[UUID, UUID], *, at_the_end: bool) -> None:
        steps = [step for step in self._steps if (step["to_status"] in _AT_THE_END) is at_the_end]
        facts = [fact for fact in self._facts if (fact["type"] in _AT_THE_END) is at_the_end]
        self._insert("events_transition", steps, ids)
        self._insert("events_event", [{**fact, "id": clock.new_id()} for fact in facts], ids)

    def _insert(self, table: str, rows: Sequence[Mapping[str, Any]], ids: Mapping[UUID, UUID]) -> None:
        columns = [name for name, value in rows[0].items() if value is not None]
        marks = ", ".join([f"({', '.join(['%s'] * len(columns))})"] * len(rows))
        values = (row[name] for row in rows for name in columns)
        values = (ids.get(value, value) if isinstance(value, UUID) else value for value in values)
        self._run(f"INSERT INTO {table} ({', '.join(columns)}) VALUES {marks}", *values)  # noqa: S608  Our own names.

    def _run(self, sql: str, *values: Any) -> None:
        self.statements += 1
        self._bare.execute(sql.encode(), values)

    def _rows(self, where: str, value: Any) -> list[DictRow]:
        return self._bare.execute(f"SELECT * FROM {where}".encode(), [value]).fetchall()  # noqa: S608  As above.


# One in a hundred waits for a later time and shares the index with those that are due.
_FILL = """
    INSERT INTO orders_order SELECT copy.*
      FROM orders_order example, generate_series(%(first)s, %(last)s) i,
           overlay(%(order)s::text placing lpad(to_hex(i), 12, '0') from 25) own,
           jsonb_populate_record(example, jsonb_build_object('id', own, 'reference', 'B-' || i)) copy
     WHERE example.id = %(order)s;
    INSERT INTO payments_payment SELECT copy.*
      FROM payments_payment example, generate_series(%(first)s, %(last)s) i,
           overlay(%(order)s::text placing lpad(to_hex(i), 12, '0') from 25) own,
           jsonb_populate_record(example, jsonb_build_object('id', own, 'order_id', own, 'reference', 'B-' || i)
               || CASE WHEN i <= %(small)s AND i %% %(every)s = 0 THEN %(due)s::jsonb
                       WHEN i %% 100 = 1 THEN %(later)s::jsonb ELSE '{}' END) copy
     WHERE example.order_id = %(order)s"""


class _Filler:
    """Completed payments with their orders, copied from one that is real. The history stays as it is."""

    def __init__(self, restaurant: Restaurant, *, small: int) -> None:
        self.small, self._filled = small, 0
        now, waiting = clock.now(), {"status": "processing", "next_action": "look_up", "finished_at": None}
        self._values = {
            "order": Payment.objects.filter(restaurant=restaurant).values_list("order_id", flat=True)[0],
            "small": small,
            "every": small // DUE,
            "due": json.dumps({**waiting, "next_action_at": now.isoformat()}),
            "later": json.dumps({**waiting, "next_action_at": (now + timedelta(days=1)).isoformat()}),
        }

    def fill(self, *, up_to: int) -> None:
        """Without the triggers that ask for history; every other rule of the database is kept."""
        with transaction.atomic():
            _execute("SET CONSTRAINTS ALL IMMEDIATE")  # A table with checks to come cannot be altered.
            _execute("ALTER TABLE orders_order DISABLE TRIGGER USER; ALTER TABLE payments_payment DISABLE TRIGGER USER")
            for first in range(self._filled + 1, up_to + 1, FILL_AT_ONCE):
                _execute(_FILL, {**self._values, "first": first, "last": min(first + FILL_AT_ONCE - 1, up_to)})
            _execute("ALTER TABLE orders_order ENABLE TRIGGER USER; ALTER TABLE payments_payment ENABLE TRIGGER USER")
        _execute("VACUUM (ANALYZE) orders_order, payments_payment")
        self._filled = up_to


_GIVE_BACK = "UPDATE payments_payment SET lease_until = NULL, lease_token = NULL, claims = 0 WHERE next_action_at <= %s"


def _time_claims() -> list[float]:
    seconds, claims = [], list[Claim]()
    for _ in range(CLAIMS):
        seconds.append(_time(lambda: claims.extend(claim_payments())))
        _execute(_GIVE_BACK, [clock.now()])
    if len(claims) != CLAIMS * WIDTH:
        raise CommandError(f"{len(claims)} rows were claimed, not {CLAIMS * WIDTH}.")
    return seconds


def _explain_claim() -> str:
    """Of the very statement that the claim says."""
    (claim,) = [sql for sql in _said_during(claim_payments) if "SKIP LOCKED" in sql]
    _execute(_GIVE_BACK, [clock.now()])
    with transaction.atomic(), connection.cursor() as cursor:
        plan = _execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {claim}")[0]["Plan"]
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS) {claim}")
        text = "\n".join(line for (line,) in cursor.fetchall())
        transaction.set_rollback(True)
    scans = [node for node in _nodes(plan) if node.get("Relation Name") == "payments_payment"]
    index = ", ".join(node.get("Index Name", node["Node Type"]) for node in scans)
    return f"The claim reads {sum(map(_rows_read, scans))} rows of payments_payment by {index}.\n{text}"


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)


def _rows_read(node: Mapping[str, Any]) -> int:
    each = node["Actual Rows"] + node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return int(each * node["Actual Loops"])
