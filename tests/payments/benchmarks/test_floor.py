"""The floor writes what a real request writes: the same rows of the same tables, whoever says its statements."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import pytest

from kernel import clock
from orders.models import Order
from payments.benchmarks import pgbench
from payments.benchmarks.api import Caller
from payments.benchmarks.database import execute
from payments.benchmarks.floor import COMMITS, Floor, floor_of
from payments.benchmarks.instant_provider import instant_provider
from payments.benchmarks.pgbench import FloorRunner, floor_runner, script_of
from payments.benchmarks.restaurant import new_order, new_restaurant
from payments.benchmarks.written import Transactions, Written, written_during
from payments.models import Payment, PaymentStatus

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
CONNECTIONS, EACH = 3, 4


@pytest.fixture
def request_written(transactional_db: None) -> Iterator[tuple[Transactions, Floor]]:
    with instant_provider():
        caller = Caller(new_restaurant())
        caller.pay_here(new_order(caller.restaurant), str(clock.new_id()))
        press = str(clock.new_id())
        order = new_order(caller.restaurant)
        written = written_during(lambda: caller.pay_here(order, press))
    yield written, floor_of(written, also=[press])
    # They have no history of being placed, which every other order has.
    execute("TRUNCATE orders_order CASCADE")


def without_pgbench(monkeypatch: pytest.MonkeyPatch) -> FloorRunner:
    monkeypatch.setattr(pgbench, "find_pgbench", lambda: None)
    return floor_runner()


def with_pgbench(_: pytest.MonkeyPatch) -> FloorRunner:
    return floor_runner()


@pytest.mark.parametrize("chosen", [with_pgbench, without_pgbench])
def test_the_floor_writes_the_rows_of_a_request(
    request_written: tuple[Transactions, Floor],
    chosen: Callable[[pytest.MonkeyPatch], FloorRunner],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written, floor = request_written
    runner = chosen(monkeypatch)
    floor.copy_orders(first=0, count=1)

    again = written_during(lambda: runner.run(floor, 0, 1, 1))

    assert ("pgbench (PostgreSQL)" in runner.name) is (chosen is with_pgbench)
    assert len(again) == COMMITS
    assert set(tables(again)) >= {"accounts_idempotentcall", "payments_attempt", "events_transition", "events_event"}
    assert tables(again) == tables(written)
    assert contents(again[0]) == contents(written[0])
    assert contents(again[1]) == contents([row for rows in written[1:] for row in rows])


@pytest.mark.parametrize("chosen", [with_pgbench, without_pgbench])
def test_many_connections_pay_an_order_each(
    request_written: tuple[Transactions, Floor],
    chosen: Callable[[pytest.MonkeyPatch], FloorRunner],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, floor = request_written
    before, count = Payment.objects.count(), CONNECTIONS * EACH
    floor.copy_orders(first=5, count=count)

    measured = chosen(monkeypatch).run(floor, 5, EACH, CONNECTIONS)

    assert len(measured.seconds) == count
    assert 0 < min(measured.seconds) <= measured.elapsed_seconds
    assert Payment.objects.filter(status=PaymentStatus.COMPLETED).count() == before + count
    assert not Order.objects.exclude(payment_state="paid").exists()


def test_no_value_is_a_variable_of_pgbench(request_written: tuple[Transactions, Floor]) -> None:
    """It would bind what it does not know as nothing, also inside quotes."""
    variables = set(re.findall(r"(?<!:):(\w+)", script_of(request_written[1])))

    assert variables == {"number", "first", "client_id", "each", "done"}


def tables(transactions: Transactions) -> Counter[str]:
    return Counter(row.table for rows in transactions for row in rows)


def contents(rows: Sequence[Written]) -> list[tuple[str, bool, list[tuple[str, str | None]]]]:
    """Whatever is new with each payment told alike."""
    told = [
        (row.table, row.before is None, [(name, alike(text)) for name, text in row.changes.items()]) for row in rows
    ]
    return sorted(told, key=repr)


def alike(text: str | None) -> str | None:
    return text and re.sub(r"^(B-\d{12}|P-[0-9A-Z]{8})$", "a reference", _ID.sub("an id", text))
