"""The border to the providers: no transaction is open and no database connection is held beyond it."""

from __future__ import annotations

from django.db import connection


class InsideTransaction(RuntimeError):
    """A bug: a provider was about to be called while rows were locked or a connection was held."""


def leave_database() -> None:
    """Give the connection back before a call that may take seconds; the next statement takes one again."""
    if connection.in_atomic_block:
        raise InsideTransaction("A provider is never called inside a transaction.")
    connection.close()


def assert_outside_database() -> None:
    """The guard asks this before each verb, whoever the caller is."""
    if connection.in_atomic_block or connection.connection is not None:
        raise InsideTransaction("A provider is never called with a database connection in hand.")
