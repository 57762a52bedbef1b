"""The three books, as plain records: what clients were told, what our database says, what the providers say."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import psycopg
from psycopg.rows import class_row

from config.local.ports import LOOPBACK
from tests.chaos.cases import waits
from tests.chaos.desk import PAYING, WAITING, Result
from tests.chaos.journal import lines
from tests.clients import Tells

ANSWER_SECONDS: Final = 30


# --- Ours -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Order:
    id: str
    reference: str
    status: str
    total_minor: int
    version: int


@dataclass(frozen=True, kw_only=True)
class Payment:
    id: str
    order_id: str
    status: str
    amount_minor: int  # Its share of the bill, without the tip.
    tip_minor: int = 0
    version: int = 1
    next_action_at: datetime | None = None
    lease_until: datetime | None = None
    doubt_since: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Attempt:
    id: str  # The provider's key.
    payment_id: str
    provider: str
    status: str
    capture: str = ""
    captured_minor: int = 0
    captured_currency: str = ""
    refunded_minor: int = 0
    refunding_minor: int = 0


@dataclass(frozen=True, kw_only=True)
class Refund:
    id: str
    payment_id: str
    attempt_id: str
    status: str
    next_action_at: datetime | None = None
    lease_until: datetime | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Case:
    """One that waits for a human."""

    kind: str
    subject_id: str  # The payment, one attempt or refund of it, or something that has none.
    payment_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Event:
    stream_id: str
    version: int
    type: str
    refund_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Call:
    """What was done under a client's key."""

    key: str
    subject_id: str
    at: float  # Seconds of the epoch, as a journal has them.


@dataclass(frozen=True, kw_only=True)
class Ours:
    now: datetime
    orders: tuple[Order, ...] = ()
    payments: tuple[Payment, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    refunds: tuple[Refund, ...] = ()
    cases: tuple[Case, ...] = ()
    events: tuple[Event, ...] = ()
    calls: tuple[Call, ...] = ()


_ORDERS: Final = "SELECT id::text, reference, status, total_minor, version FROM orders_order"
_PAYMENTS: Final = """
    SELECT p.id::text, p.order_id::text, p.status, p.amount_minor, p.tip_minor, p.version,
           p.next_action_at, p.lease_until,
           (SELECT MIN(a.doubt_since) FROM payments_attempt a
             WHERE a.payment_id = p.id AND a.status = 'unknown') AS doubt_since
      FROM payments_payment p"""
_ATTEMPTS: Final = """
    SELECT a.id::text, a.payment_id::text, pa.provider, a.status, a.capture, a.captured_minor, a.captured_currency,
           a.refunded_minor, a.refunding_minor
      FROM payments_attempt a JOIN payments_provideraccount pa ON pa.id = a.account_id"""
_REFUNDS: Final = """
    SELECT id::text, payment_id::text, attempt_id::text, status, next_action_at, lease_until, created_at
      FROM payments_refund"""
_CASES: Final = f"""
    SELECT c.kind, c.subject_id::text, c.payment_id::text FROM failures_case c
     WHERE {waits("c")}"""  # noqa: S608  Our own words.
_EVENTS: Final = """
    SELECT stream_id::text, version, type, COALESCE(data->>'refund', '') AS refund_id FROM events_event"""
_CALLS: Final = """
    SELECT key, subject_id::text, EXTRACT(EPOCH FROM created_at)::float AS at FROM accounts_idempotentcall"""
Row = TypeVar("Row")


@dataclass(frozen=True)
class _Clock:
    now: datetime


def read_ours(database_url: str) -> Ours:
    """One snapshot of all of it, around the network."""
    with psycopg.connect(database_url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ

        def rows(kind: type[Row], query: str) -> tuple[Row, ...]:
            with connection.cursor(row_factory=class_row(kind)) as cursor:
                return tuple(cursor.execute(query.encode()).fetchall())

        return Ours(
            now=rows(_Clock, "SELECT clock_timestamp() AS now")[0].now,
            orders=rows(Order, _ORDERS),
            payments=rows(Payment, _PAYMENTS),
            attempts=rows(Attempt, _ATTEMPTS),
            refunds=rows(Refund, _REFUNDS),
            cases=rows(Case, _CASES),
            events=rows(Event, _EVENTS),
            calls=rows(Call, _CALLS),
        )


# --- The providers' -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class TheirCharge:
    key: str
    provider: str
    order_reference: str
    moved_minor: int = 0
    moved_currency: str = ""
    refunded_minor: int = 0
    refunding_minor: int = 0


def read_theirs(ports: Mapping[str, int], *, api_key: str) -> tuple[TheirCharge, ...]:
    return tuple(charge for name, port in ports.items() for charge in _charges(name, port, api_key))


def _charges(provider: str, port: int, api_key: str) -> Iterator[TheirCharge]:
    with closing(http.client.HTTPConnection(LOOPBACK, port, timeout=ANSWER_SECONDS)) as connection:
        connection.request("GET", "/v1/books", headers={"authorization": f"Bearer {api_key}"})
        orders = json.loads(connection.getresponse().read())["orders"]
    for order in orders.values():
        for charge in order["charges"]:
            yield as_charge(provider, charge)


def as_charge(provider: str, said: Mapping[str, Any]) -> TheirCharge:
    moved = said["moved"] or {"amount": 0, "currency": ""}
    return TheirCharge(
        key=said["key"],
        provider=provider,
        order_reference=said["order_reference"],
        moved_minor=moved["amount"],
        moved_currency=moved["currency"],
        refunded_minor=_sum(said["refunds"], "succeeded"),
        refunding_minor=_sum(said["refunds"], "pending"),
    )


def _sum(refunds: Iterable[Mapping[str, Any]], status: str) -> int:
    return sum(refund["amount"] for refund in refunds if refund["status"] == status)


# --- The clients' ---------------------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class Pressed:
    """What was heard under one key."""

    ids: set[str] = field(default_factory=set)
    digests: set[str] = field(default_factory=set)  # Of answers that say that it is completed.
    refused: list[tuple[float, str]] = field(default_factory=list)  # When that was asked, and why it was refused.


@dataclass(kw_only=True)
class Told:
    """The rows that the clients heard of, which of them had ended well, how often they asked and heard nothing."""

    orders: set[str] = field(default_factory=set)
    payments: set[str] = field(default_factory=set)
    refunds: set[str] = field(default_factory=set)
    completed: set[str] = field(default_factory=set)  # Payments and refunds.
    pressed: dict[str, Pressed] = field(default_factory=dict)  # By key.
    strange: list[str] = field(default_factory=list)
    asked: int = 0  # Whatever it was: payments, refunds, looks.
    payments_tried: int = 0
    waits_answered: int = 0
    dont_know: int = 0


def read_told(path: Path) -> Told:
    told = Told()
    asked: dict[int, float] = {}
    for line in lines(path):
        if line["what"] == "ask":
            asked[line["n"]] = line["at"]
            told.asked += 1
            told.payments_tried += line["act"] in PAYING
        else:
            _hear(told, line, asked_at=asked.pop(line["n"]))
    told.dont_know += len(asked)  # Asked, and the run ended before anything came back.
    return told


def _hear(told: Told, line: Mapping[str, Any], *, asked_at: float) -> None:
    result = line["result"]
    told.dont_know += result == Result.DONT_KNOW
    told.waits_answered += line["act"] == WAITING and result == Result.OK
    if result == Result.STRANGE:
        told.strange.append(f"{line['act']}: {line['status']} {line['code']}")
    if line["key"]:
        pressed = told.pressed.setdefault(line["key"], Pressed())
        pressed.ids |= {row["id"] for row in line["rows"]}
        pressed.digests |= {line["digest"]} - {""}
        pressed.refused += [(asked_at, line["code"])] if result == Result.REFUSED else []
    known = {Tells.ORDER: told.orders, Tells.PAYMENT: told.payments, Tells.REFUND: told.refunds}[line["tells"]]
    known |= {row["id"] for row in line["rows"]}
    told.completed |= {row["id"] for row in line["rows"] if row["status"] == "completed"}
