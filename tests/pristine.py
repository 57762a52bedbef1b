"""A database that is migrated once in a run: the databases of tests, and those of whole installations, are copies."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator

import psycopg
from psycopg import sql

from config.local.state import PROJECT

# What all processes of a run call it by, and where its test databases are copied from once it is there.
RUN, TEMPLATE = "TEST_RUN_NAME", "TEST_DATABASE_TEMPLATE"
_ONE_AT_A_TIME = 7_083_417  # Nobody else's number.


def begin_run() -> None:
    """Before the processes of a run part."""
    os.environ[RUN] = uuid.uuid4().hex[:12]


def pristine_database() -> str:
    """Its name. Whoever needs it first makes it, and the others wait."""
    name = _named("pristine")
    with _server() as server:
        server.execute("SELECT pg_advisory_lock(%s)", [_ONE_AT_A_TIME])
        if not _is_there(server, name):
            unfinished = f"{name}_unfinished"
            _drop(server, unfinished)
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(unfinished)))
            _migrate(unfinished)
            server.execute(
                sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(unfinished), sql.Identifier(name))
            )
    return name


@contextlib.contextmanager
def copied_database() -> Iterator[str]:
    """The address of a copy, for as long as somebody uses it."""
    source, name = pristine_database(), _named(f"copy_{uuid.uuid4().hex[:8]}")
    with _server() as server:
        copy, template = sql.Identifier(name), sql.Identifier(source)
        server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(copy, template))
    try:
        yield _url(name)
    finally:
        with _server() as server:
            _drop(server, name)


def end_run() -> None:
    """On a server that goes on without us. One that is not there keeps nothing."""
    with contextlib.suppress(psycopg.OperationalError), _server() as server:
        mine = server.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [_named("")]).fetchall()
        for (name,) in mine:
            _drop(server, name)


def _named(what: str) -> str:
    return f"steward_{os.environ[RUN]}_{what}"


def _url(name: str) -> str:
    return f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{name}"


@contextlib.contextmanager
def _server() -> Iterator[psycopg.Connection]:
    """A session of its own: a lock that was taken in it ends with it."""
    with contextlib.closing(psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)) as connection:
        yield connection


def _is_there(server: psycopg.Connection, name: str) -> bool:
    return server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is not None


def _drop(server: psycopg.Connection, name: str) -> None:
    server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _migrate(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--no-input", "--verbosity", "0"],
        cwd=PROJECT,
        env={**os.environ, "DATABASE_URL": _url(name), "DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
