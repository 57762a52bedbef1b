"""The command around every kind of measurement: what it refuses, and that it leaves nothing behind."""

from __future__ import annotations

import pytest
from django.core.management.base import CommandError
from django.db import connection

from failures.management.commands.bench import KINDS
from payments.benchmarks.database import SUFFIX
from payments.benchmarks.filler import LEAST_ROWS
from payments.models import Payment
from tests.payments.benchmarks.running import bench, databases


def test_without_a_kind_it_says_which_there_are() -> None:
    with pytest.raises(CommandError) as refused:
        bench()

    for name, kind in KINDS.items():
        assert f"bench {name} " in str(refused.value)
        assert kind.ABOUT in str(refused.value)


def test_a_database_that_somebody_may_need_is_refused(transactional_db: None) -> None:
    with pytest.raises(CommandError, match=r"no database for this\. Use --create"):
        bench("pay", "--payments", "1")

    assert Payment.objects.count() == 0


def test_a_database_that_is_there_already_is_not_dropped(transactional_db: None) -> None:
    own = f"{connection.settings_dict['NAME']}{SUFFIX}"
    with connection.cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{own}" TEMPLATE template0')
    try:
        with pytest.raises(CommandError, match="is there already"):
            bench("pay", "--payments", "1", "--create")
        assert own in databases()
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f'DROP DATABASE "{own}"')


@pytest.mark.parametrize(
    "words",
    [
        ("pay", "--payments", "0"),
        ("api", "--requests", "-1"),
        ("api", "--repeats", "0"),
        ("sweep", "--rows", str(LEAST_ROWS - 1)),
        ("lists", "--rows", "many"),
        ("lists",),
    ],
)
def test_impossible_numbers_are_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(CommandError, match=r"is no whole number of at least|are required: --rows"):
        bench(*words)
