"""The floor: the rows that an act wrote, over again with the fewest statements, and copies of the order for it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import psycopg
from django.core.management.base import CommandError
from django.db import connection, models, transaction
from psycopg.rows import DictRow

from orders.models import Order
from payments.benchmarks.database import execute
from payments.benchmarks.written import Transactions, Written, columns_of
from payments.models import Attempt, Payment

# Each payment of the floor has a number of so many digits. Where the row that was written first has an id, the
# copies have the beginning of that id and then their number: unique, in the order of creation, and cheap to make.
FIRST_NUMBER = 100_000_000_000
ID_BEGINNING = 24
# Stands for the number in a statement. No SQL has this character.
NUMBER = "\0"
# The provider is called between them. What the product commits later (the answer to the key) goes with the second.
COMMITS = 2
_LOCKS = (
    "SELECT * FROM orders_order WHERE id = {order} FOR UPDATE",
    """SELECT * FROM orders_order o JOIN payments_payment p ON p.order_id = o.id
                      JOIN payments_attempt a ON a.payment_id = p.id WHERE a.id = {attempt} FOR UPDATE""",
)
_UNSAID = re.compile(r"[\\':\r\n]")


@dataclass(frozen=True, slots=True)
class Floor:
    """Statements with NUMBER in them, transaction by transaction.

    A value that is the same in each payment stands in its statement and is not sent again, which nothing real can do.
    """

    order: Written
    transactions: Sequence[Sequence[str]]

    @property
    def statements(self) -> int:
        return sum(map(len, self.transactions))

    def copy_orders(self, *, first: int, count: int) -> None:
        """One for each payment to come, as the order was before it was paid. They have no history of being placed."""
        with transaction.atomic():
            execute("SET CONSTRAINTS ALL IMMEDIATE")  # A table with checks to come cannot be altered.
            execute("ALTER TABLE orders_order DISABLE TRIGGER USER")
            bounds = [FIRST_NUMBER + first, FIRST_NUMBER + first + count - 1]
            execute(_COPY_ORDERS, [self.order.key[:ID_BEGINNING], json.dumps(self.order.before), *bounds])
            execute("ALTER TABLE orders_order ENABLE TRIGGER USER")

    def pay(self, bare: psycopg.Connection[DictRow], number: int) -> None:
        said = {"number": str(FIRST_NUMBER + number)}
        for statements in self.transactions:
            with bare.transaction():
                for sql in statements:
                    bare.execute(sql.replace("%", "%%").replace(NUMBER, "%(number)s::text").encode(), said)


_COPY_ORDERS = """
    INSERT INTO orders_order SELECT copy.*
      FROM (SELECT %s AS beginning, %s::jsonb AS order_before) example, generate_series(%s, %s) number,
           jsonb_populate_record(NULL::orders_order, order_before ||
               jsonb_build_object('id', beginning || number, 'reference', 'B-' || number)) copy"""


def floor_of(written: Transactions, *, also: Iterable[str] = ()) -> Floor:
    """`also`: what else has to be new with each payment, such as the key of a request, and is a UUID."""
    if len(written) < COMMITS:
        raise CommandError(f"One payment was written in {len(written)} transactions, not in {COMMITS} or more.")
    merged = [written[0], [*chain.from_iterable(written[1:])]]
    rows = [*chain.from_iterable(written)]
    (order,) = [row for row in rows if row.model is Order]
    (attempt, *_) = [row for row in rows if row.model is Attempt]
    (payment, *_) = [row for row in rows if row.model is Payment]
    ids = {row.key for row in rows if row.before is None and isinstance(row.model._meta.pk, models.UUIDField)}
    words = _Words(ids={*ids, order.key, *also}, reference=str(payment.after["reference"]))
    locked = {"order": words.value(order.key, "uuid"), "attempt": words.value(attempt.key, "uuid")}
    locks = [sql.format(**locked) for sql in _LOCKS]
    return Floor(order, [[lock, *_statements(each, words)] for lock, each in zip(locks, merged, strict=True)])


class _Words:
    """Values as SQL writes them, with the number in the place of what has to be new each time."""

    def __init__(self, *, ids: Iterable[str], reference: str) -> None:
        self._new = {**{each: each[:ID_BEGINNING] + NUMBER for each in ids}, reference: f"B-{NUMBER}"}
        self._any = re.compile("|".join(map(re.escape, self._new)))

    def value(self, text: str | None, kind: str) -> str:
        if text is None:
            return "NULL"
        parts = [self._quoted(part) for part in self._any.sub(lambda found: self._new[found[0]], text).split(NUMBER)]
        return parts[0] if len(parts) == 1 else f"({f' || {NUMBER} || '.join(parts)})::{kind}"

    @staticmethod
    def _quoted(text: str) -> str:
        """Without a colon: pgbench takes `:word` for a variable of its own, also inside quotes."""
        return f"E'{_UNSAID.sub(lambda found: f'{chr(92)}x{ord(found[0]):02x}', text)}'"


def _statements(rows: Sequence[Written], words: _Words) -> list[str]:
    """New rows of one table go together."""
    new: dict[str, list[Written]] = {}
    for row in rows:
        if row.before is None:
            new.setdefault(row.table, []).append(row)
    inserted = [_insert(table, each, words) for table, each in new.items()]
    return [*inserted, *(_update(row, words) for row in rows if row.before is not None and row.changes)]


def _insert(table: str, rows: Sequence[Written], words: _Words) -> str:
    names = [name for name in rows[0].changes if any(row.changes[name] is not None for row in rows)]
    kinds = _kinds(rows[0])
    values = (", ".join(words.value(row.changes[name], kinds[name]) for name in names) for row in rows)
    columns = ", ".join(f'"{name}"' for name in names)
    return f"INSERT INTO {table} ({columns}) VALUES {', '.join(f'({each})' for each in values)}"  # noqa: S608  Our own names.


def _update(row: Written, words: _Words) -> str:
    kinds = _kinds(row)
    changes = ", ".join(f'"{name}" = {words.value(text, kinds[name])}' for name, text in row.changes.items())
    known = " AND ".join(f'"{name}" = {words.value(row.after[name], kinds[name])}' for name in _names_of_one(row))
    return f"UPDATE {row.table} SET {changes} WHERE {known}"  # noqa: S608  As above.


def _names_of_one(row: Written) -> Sequence[str]:
    """A number that the database gave is not known beforehand: then what a constraint makes unique."""
    options, columns = row.model._meta, columns_of(row.model)
    if not isinstance(options.pk, models.AutoField):
        return [name for name, field in columns.items() if field.primary_key]
    unique = [each for each in options.constraints if isinstance(each, models.UniqueConstraint) and not each.condition]
    return [name for name, field in columns.items() if field.name in unique[0].fields]


def _kinds(row: Written) -> dict[str, Any]:
    return {name: field.db_type(connection) for name, field in columns_of(row.model).items()}
