"""A small run of the benchmark: its counts and its plan. No time is asserted, so that a busy machine fails nothing."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from payments.management.commands import bench
from payments.models import Payment
from payments.services.providers import PROVIDERS

PAYMENTS, ROWS = 20, 2_000


def run(**options: object) -> str:
    answer = StringIO()
    call_command("bench", stdout=answer, **options)
    return answer.getvalue()


def databases() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database")
        return {name for (name,) in cursor.fetchall()}


def table_row(said: str, name: str) -> list[str]:
    """Payments per second, three percentiles, statements, commits."""
    found = re.search(rf"^ *{name}((?: +[\d.]+)+)$", said, re.MULTILINE)
    assert found, said
    return found[1].split()


def test_a_small_run_counts_right_and_reads_by_the_partial_index(transactional_db: None) -> None:
    name, providers = connection.settings_dict["NAME"], dict(PROVIDERS)

    said = run(payments=PAYMENTS, rows=ROWS, create=True)

    # One to learn the statements from, then each payment and each of the warm-up twice: services and bare SQL.
    made = 1 + 2 * (bench.WARM_UP + PAYMENTS)
    assert f"{PAYMENTS} payments, each next to one in bare SQL; with warm-up {made} are completed." in said
    services, floor = table_row(said, "services"), table_row(said, "bare SQL")
    assert int(services[-2]) <= 16
    assert (services[-1], floor[-1]) == ("2", "2")
    assert f"{made + ROWS:,} payments, {bench.DUE} of them due" in said
    # A claim looks past rows of a provider at its cap, and no further.
    read = re.search(r"The claim reads (\d+) rows of payments_payment by (\w+)\.", said)
    assert read
    assert read[2] == "payments_due"
    assert int(read[1]) <= 32
    assert "Index Scan using payments_due on payments_payment" in said
    assert "Buffers: shared" in said
    # It leaves nothing behind: no database, no provider, no row.
    assert (connection.settings_dict["NAME"], PROVIDERS) == (name, providers)
    assert f"{name}{bench.SUFFIX}" not in databases()
    assert Payment.objects.count() == 0


def test_a_database_that_somebody_may_need_is_refused(transactional_db: None) -> None:
    with pytest.raises(CommandError, match=r"no database for this\. Use --create"):
        run(payments=1)

    assert Payment.objects.count() == 0


def test_a_database_that_is_there_already_is_not_dropped(transactional_db: None) -> None:
    own = f"{connection.settings_dict['NAME']}{bench.SUFFIX}"
    with connection.cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{own}" TEMPLATE template0')
    try:
        with pytest.raises(CommandError, match="is there already"):
            run(payments=1, create=True)
        assert own in databases()
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f'DROP DATABASE "{own}"')


def test_impossible_numbers_are_refused() -> None:
    for options in ({"payments": 0}, {"rows": bench.LEAST_ROWS - 1}, {"rows": -1}):
        with pytest.raises(CommandError, match="At least 1 payment"):
            run(**options)
