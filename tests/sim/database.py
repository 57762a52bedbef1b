"""The seed's database: emptied for each seed, watched for writes, and read over a connection that belongs to nobody."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg
from django.db import connection
from psycopg.abc import Params
from psycopg.sql import SQL, Composed, Identifier

from accounts.models import Approval, IdempotentCall
from failures.invariants import INVARIANTS, words_at
from tests.emptying import delete_rows, tables_of

APPS = ("accounts", "events", "failures", "orders", "payments")
# Who stands still keeps its connection, as a process of its own would: more than an evening has moves.
MOST_CONNECTIONS = 64
# What reads cannot break: every other statement may have.
READS = ("SELECT", "SAVEPOINT", "RELEASE", "SET")
STAYING = ("payments_provideraccount", "payments_route")

_DUE = """
    SELECT (SELECT min(GREATEST(next_action_at, lease_until)) FROM payments_payment WHERE next_action_at IS NOT NULL),
           (SELECT min(GREATEST(next_action_at, lease_until)) FROM payments_refund WHERE next_action_at IS NOT NULL),
           (SELECT min(watch_at) FROM payments_attempt),
           (SELECT min(next_action_at) FROM payments_inboundnotice)"""


class Reader:
    """Asks between the steps. Its questions are planned once, because they are asked after every step."""

    def __init__(self, own: psycopg.Connection[Any] | None = None) -> None:
        self._connection = own or _connected()
        self._connection.autocommit = True
        self._connection.prepare_threshold = 0
        self._invariants = _all_invariants(psycopg.ClientCursor(self._connection)).as_string(self._connection)

    def rows(self, question: str, words: Params | None = None) -> list[tuple[Any, ...]]:
        return self._connection.execute(question.encode(), words).fetchall()

    def offences(self) -> list[str]:
        return [f"{name}: {row} {what}" for name, row, what in self.rows(self._invariants)]

    def due(self) -> Sequence[datetime | None]:
        """When the next payment, refund, watch and notice want something.

        A row that a dead worker holds is nobody's before its lease is over.
        """
        return self.rows(_DUE)[0]

    def close(self) -> None:
        self._connection.close()


def _connected() -> psycopg.Connection[Any]:
    options = connection.get_connection_params()
    names = ("host", "port", "user", "password", "dbname")
    return psycopg.connect(**{name: options[name] for name in names if name in options})


_readers: dict[str, Reader] = {}


def reader_of(database: str) -> Reader:
    """One for all seeds in a database."""
    if database not in _readers:
        _readers[database] = Reader()
    return _readers[database]


def close_readers() -> None:
    """Before their databases go."""
    while _readers:
        _readers.popitem()[1].close()


class Writes:
    """Whether anything was written since it was asked last: what only reads cannot break an invariant."""

    def __init__(self) -> None:
        self._seen = True

    def watch(self, execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if not sql.lstrip().startswith(READS):
            self._seen = True
        return execute(sql, *rest)

    def note(self) -> None:
        self._seen = True

    def take(self) -> bool:
        seen, self._seen = self._seen, False
        return seen


class _Stack(deque[psycopg.Connection[Any]]):
    """Idle connections, the last used first: its server process has everything at hand, a tenth less work for it.

    The pool takes from the left what it has put at the right, so that all of its connections stay in use.
    """

    append = deque.appendleft


def make_room_for_all() -> None:
    """Actors are processes with connections of their own: that here they share a pool must make none of them wait."""
    pool = connection.pool  # type: ignore[attr-defined]  # PostgreSQL's has one; the stubs know what all have.
    pool.resize(min_size=1, max_size=MOST_CONNECTIONS)
    # Its own name for it: where a newer one calls it otherwise nothing but time is lost.
    if not isinstance(pool._pool, _Stack):
        pool._pool = _Stack(pool._pool)


def empty_everything() -> None:
    with connection.cursor() as cursor:
        cursor.execute(_list("TRUNCATE {} RESTART IDENTITY CASCADE", tables_of(*APPS)))


def forget_the_evening() -> None:
    """Whoever lives in the house stays."""
    evening = [name for name in tables_of("events", "failures", "orders", "payments") if name not in STAYING]
    evening += [model._meta.db_table for model in (IdempotentCall, Approval)]
    delete_rows(evening)


def _list(statement: str, names: Sequence[str]) -> Composed:
    return SQL(statement).format(SQL(", ").join(map(Identifier, names)))


def _all_invariants(cursor: psycopg.ClientCursor[Any]) -> Composed:
    """One question to the database instead of twenty."""
    # Time jumps in a simulation, and the clocks that would have acted come after the jump: late is no offence here.
    words = words_at(datetime.min.replace(tzinfo=UTC))
    parts = (
        SQL("SELECT {}::text, q.a::text, q.b::text FROM ({}) AS q(a, b)").format(
            f"{each.id} {each.sentence}",
            SQL(cursor.mogrify(each.question, words)),
        )
        for each in INVARIANTS
    )
    return SQL(" UNION ALL ").join(parts)
