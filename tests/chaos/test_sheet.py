"""A sheet is clean only where nothing is wrong, and it says each reason why it is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from tests.chaos.books import Event, Order, Ours, Payment, Told
from tests.chaos.comparison import Comparison
from tests.chaos.monkey import Blow, Draw
from tests.chaos.recovery import Kill
from tests.chaos.sheet import Run, Sheet, printed, sheet_of


def _recovered(seconds: float) -> Kill:
    return Kill(what="gunicorn worker", restarted_at=100.0, acted_at={"row": 100.0 + seconds})


RUN: Final = Run(
    seed=7,
    load_seconds=60.0,
    rest_seconds=30.0,
    drawn=[
        Draw(at_seconds=5.0, blow=Blow.KILL_WEB_WORKER),
        Draw(at_seconds=39.0, blow=Blow.NETWORK, how="reset"),
        Draw(at_seconds=41.0, blow=Blow.KILL_BEAT),  # Too near to the end to be sure of it.
    ],
    kills={"gunicorn worker": 6, "redis": 4},
    faults={"network, reset": 2},
    recoveries=[_recovered(31.4), Kill(what="redis", restarted_at=100.0)],
    longest_overdue_seconds=4.0,
    invariants_broken=[],
)
OURS: Final = Ours(
    now=datetime(2026, 5, 1, 12, tzinfo=UTC),
    orders=(Order(id="o", reference="O-1", status="placed", total_minor=1000, version=1),),
    payments=(Payment(id="p", order_id="o", status="completed", amount_minor=1000, version=2),),
    events=(
        Event(stream_id="o", version=1, type="order.placed"),
        Event(stream_id="p", version=1, type="payment.created"),
        Event(stream_id="p", version=2, type="payment.completed"),
    ),
)
BOOKS: Final = Comparison(told=Told(), ours=OURS, theirs=())


def _sheet(books: Comparison = BOOKS, **run: Any) -> Sheet:
    return sheet_of(replace(RUN, **run), books)


def test_a_sheet_of_which_nothing_is_wrong_is_clean() -> None:
    assert _sheet().wrong == []
    assert _sheet().is_clean
    assert printed(_sheet()).endswith("Clean.")


@pytest.mark.parametrize(
    ("run", "why"),
    [
        ({"recoveries": [_recovered(60.0), _recovered(60.1)]}, "longest_recovery_seconds: more than 60"),
        ({"recoveries": [Kill(what="redis")]}, "recoveries_measured: no kill left anything behind"),
        ({"kills": {"gunicorn worker": 5}}, "kills: 5 are fewer than the 6"),
        ({"load_seconds": 900.0, "drawn": [], "kills": {"redis": 99}}, "kills: 99 are fewer than the 100"),
        ({"kills": {"redis": 10}}, "never_hit: 1"),
        ({"faults": {"network, slice": 10}}, "never_hit: 1"),
        ({"invariants_broken": ["I1: order O-1", "I3: attempt a"]}, "invariants_broken: 2"),
    ],
)
def test_each_reason_of_the_run_is_said(run: dict[str, Any], why: str) -> None:
    sheet = _sheet(**run)

    (sentence,) = sheet.wrong
    assert sentence.startswith(why)
    assert not sheet.is_clean
    assert f"NOT CLEAN:\n  {sentence}" in printed(sheet)


def test_what_the_comparison_finds_is_said() -> None:
    lost = replace(BOOKS, told=Told(orders={"o", "gone"}))

    assert _sheet(lost).wrong == ["lost: 1"]
    assert "order gone: a client was told of it, and it is not there" in printed(_sheet(lost))


def test_a_run_in_which_nothing_was_paid_proves_nothing() -> None:
    (sentence,) = _sheet(replace(BOOKS, ours=Ours(now=OURS.now))).wrong

    assert sentence.startswith("completed: nothing was paid")


def test_processes_that_ended_by_themselves_are_counted_one_by_one() -> None:
    shown = printed(_sheet(died_by_themselves={"worker": 5, "beat": 1})).splitlines()

    first = next(number for number, line in enumerate(shown) if line.startswith("ended by themselves"))
    assert [line.split()[-1] for line in shown[first : first + 3]] == ["6", "1", "5"]
