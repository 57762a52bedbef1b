"""The database that a benchmark works in, which is never anybody's, and what is said to it."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlsplit

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from psycopg.rows import DictRow, dict_row

SUFFIX = "_bench"
_WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE)\b")
_BOUNDS = ("BEGIN", "COMMIT")


@contextmanager
def bench_database(*, create: bool) -> Iterator[None]:
    name = str(connection.settings_dict["NAME"])
    if not create:
        if not name.endswith(SUFFIX):
            raise CommandError(f"{name} is no database for this. Use --create, or one whose name ends in {SUFFIX}.")
        yield
        return
    own = f"{name}{SUFFIX}"
    if execute("SELECT COUNT(*) FROM pg_database WHERE datname = %s", [own]):
        raise CommandError(f"The database {own} is there already, perhaps of a run that was killed. Drop it first.")
    execute(f"CREATE DATABASE {connection.ops.quote_name(own)} TEMPLATE template0")
    try:
        _switch_to(own)
        call_command("migrate", verbosity=0, interactive=False)
        yield
    finally:
        _switch_to(name)
        execute(f"DROP DATABASE {connection.ops.quote_name(own)}")


def _switch_to(name: str) -> None:
    """Every connection of this process comes from the one pool."""
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]  # The stubs do not know which backend this is.
    connection.settings_dict["NAME"] = name


def execute(sql: str, values: Any = None) -> Any:
    """The first value of the answer, if there is any."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return next(iter(cursor.fetchone() or [None])) if cursor.description else None


def rows_of(sql: str, values: Any = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def database_url() -> str:
    """Of this database, as another process of ours has to be told it."""
    name = quote(str(connection.settings_dict["NAME"]), safe="")
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()


def libpq_environment() -> dict[str, str]:
    """This database for a program of PostgreSQL's own. A password in its command line would be everybody's to read."""
    given = connection.get_connection_params()
    words = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGPASSWORD": "password", "PGDATABASE": "dbname"}
    said = {variable: str(given[name]) for variable, name in words.items() if given.get(name)}
    more = {"PGOPTIONS": "options", "PGSSLMODE": "sslmode", "PGSSLROOTCERT": "sslrootcert"}
    return {**said, **{variable: str(given[name]) for variable, name in more.items() if given.get(name)}}


def bare_connection() -> psycopg.Connection[DictRow]:
    """psycopg at its best: one connection, values bound by the server, statements prepared."""
    parameters = {**connection.get_connection_params(), "prepare_threshold": 0, "autocommit": True}
    del parameters["cursor_factory"]
    return psycopg.connect(**parameters, row_factory=dict_row)


def conditions() -> str:
    """What the figures of this run depend on beside the code. Another program's load is seen in the average."""
    said = (f"{name} {execute(f'SHOW {name}')}" for name in ("server_version", "fsync", "synchronous_commit"))
    machine = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}, Python {platform.python_version()}"
    return f"PostgreSQL: {', '.join(said)}. Redis: {'yes' if settings.REDIS_URL else 'no'}. Machine: {machine}."


def said_during(act: Callable[[], Any]) -> list[str]:
    """The statements in plain text, BEGIN and COMMIT among them."""
    connection.force_debug_cursor = True
    connection.queries_log.clear()
    try:
        act()
        return [str(query["sql"]) for query in connection.queries_log]
    finally:
        connection.force_debug_cursor = False


def statements_in(said: Sequence[str]) -> int:
    return sum(not sql.startswith(_BOUNDS) for sql in said)


def commits_in(said: Sequence[str]) -> int:
    """What is written outside a transaction is a commit of its own."""
    commits, inside = 0, False
    for sql in said:
        inside = inside or sql.startswith("BEGIN")
        if sql.startswith("COMMIT") or (not inside and _WRITES.match(sql)):
            commits, inside = commits + 1, False
    return commits
