"""A sheet is clean only where nothing is wrong, and it says each reason why it is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from tests.chaos.books import Attempt, Case, Order, Ours, Payment, TheirCharge, Told
from tests.chaos.comparison import Comparison
from tests.chaos.monkey import Blow, Draw
from tests.chaos.recovery import Kill
from tests.chaos.sheet import Run, Sheet, printed, sheet_of


def _recovered(seconds: float) -> Kill:
    return Kill(what="gunicorn worker", restarted_at=100.0, acted_at={"row": 100.0 + seconds}, leases=2)


RUN: Final = Run(
    seed=7,
    load_seconds=90.0,
    rest_seconds=30.0,
    drawn=[
        Draw(at_seconds=5.0, blow=Blow.KILL_WEB_WORKER),
        Draw(at_seconds=29.0, blow=Blow.NETWORK, how="reset"),
        Draw(at_seconds=299.0, blow=Blow.KILL_BEAT),  # Too near to the end to be sure of it.
    ],
    kills={"gunicorn worker": 6, "redis": 4},
    faults={"network, reset": 2},
    recoveries=[_recovered(31.4), Kill(what="redis", restarted_at=100.0)],
    longest_overdue_seconds=4.0,
    invariants_broken=[],
)
BOOKS: Final = Comparison(told=Told(), ours=Ours(now=datetime(2026, 5, 1, 12, tzinfo=UTC)), theirs=())
# What books of an evening with guests come to.
PAID: Final = {
    "completed": 300,
    "refunds_completed": 9,
    "waits_answered": 9,
    "captures_by_provider": {"sandbox_a": 60, "sandbox_b": 50},
}


def _sheet(*, books: Comparison = BOOKS, booked: Mapping[str, Any] = PAID, **run: Any) -> Sheet:
    sheet = sheet_of(replace(RUN, **run), books)
    return replace(sheet, figures={**sheet.figures, **booked})


def test_a_sheet_of_which_nothing_is_wrong_is_clean() -> None:
    assert _sheet().wrong == []
    assert _sheet().is_clean
    assert printed(_sheet()).endswith("Clean.")


@pytest.mark.parametrize(
    ("run", "why"),
    [
        ({"recoveries": [_recovered(60.0), _recovered(60.1)]}, "longest_recovery_seconds: more than 60"),
        ({"longest_overdue_seconds": 60.1}, "longest_overdue_seconds: more than 60"),
        ({"recoveries": [Kill(what="redis")]}, "leases_at_kills: nobody held anything"),
        (
            {"load_seconds": 300.0, "kills": {"gunicorn worker": 50}, "recoveries": [Kill(what="redis", leases=2)]},
            "recoveries_measured: no kill left anything behind",
        ),
        ({"died_by_themselves": {"web": 1, "worker": 8}}, "died_by_themselves: web ended 1 times"),
        ({"died_by_themselves": {"beat": 2}}, "died_by_themselves: beat ended 2 times"),
        ({"died_by_themselves": {"sweep": 1}}, "died_by_themselves: sweep ended 1 times"),
        ({"kills": {"gunicorn worker": 5}}, "kills: 5 are fewer than the 10"),
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


@pytest.mark.parametrize(
    ("booked", "why"),
    [
        ({"completed": 29}, "completed: 29 are fewer than the 30 that this time needs"),
        ({"asked": 1_000, "dont_know": 501}, "dont_know: 501 of 1000 answers never came"),
        ({"refunds_completed": 0}, "refunds_completed: nothing went back"),
        ({"waits_answered": 0}, "waits_answered: nobody heard of a payment by waiting for it"),
        (
            {"captures_by_provider": {"sandbox_a": 60, "sandbox_b": 0}},
            "captures_by_provider: no money moved at sandbox_b",
        ),
    ],
)
def test_a_run_in_which_too_little_happened_proves_nothing(booked: dict[str, Any], why: str) -> None:
    assert _sheet(booked={**PAID, **booked}).wrong == [why]


def test_as_little_as_may_happen_is_enough() -> None:
    assert _sheet(booked={**PAID, "completed": 30, "asked": 1_000, "dont_know": 500}).is_clean


def test_money_that_moved_and_is_with_a_human_has_a_line_of_its_own() -> None:
    payment = Payment(id="p", order_id="o", status="processing", amount_minor=1000)
    books = Ours(
        now=BOOKS.ours.now,
        orders=(Order(id="o", reference="O-1", status="placed", total_minor=1000, version=0),),
        payments=(payment,),
        attempts=(Attempt(id="a", payment_id="p", provider="sandbox_a", status="unknown"),),
        cases=(Case(kind="in_doubt", subject_id="p", payment_id="p"),),
    )
    moved = TheirCharge(key="a", provider="sandbox_a", order_reference="O-1", moved_minor=1000)

    sheet = sheet_of(RUN, replace(BOOKS, ours=books, theirs=(moved,)))

    assert (sheet.figures["moved_with_a_human"], sheet.figures["with_a_human"]) == (1, 1)
    assert "  moved, in doubt, with a human          1" in printed(sheet)
    assert not sheet.findings["lost"]


def test_celerys_worker_may_end_by_itself() -> None:
    assert _sheet(died_by_themselves={"worker": 8, "redis": 1}).is_clean


def test_a_short_run_may_leave_nothing_behind() -> None:
    assert _sheet(recoveries=[Kill(what="redis", leases=2)]).is_clean


def test_a_charge_counts_where_money_moved() -> None:
    charge = TheirCharge(key="a", provider="sandbox_a", order_reference="O-1", moved_minor=1000)
    declined = TheirCharge(key="b", provider="sandbox_b", order_reference="O-1")

    figures = sheet_of(RUN, replace(BOOKS, theirs=(charge, declined))).figures

    assert figures["captures_by_provider"] == {"sandbox_a": 1, "sandbox_b": 0}


def test_what_the_comparison_finds_is_said() -> None:
    sheet = _sheet(books=replace(BOOKS, told=Told(orders={"gone"})))

    assert sheet.wrong == ["lost: 1"]
    assert "order gone: a client was told of it, and it is not there" in printed(sheet)


def test_processes_that_ended_by_themselves_are_counted_one_by_one() -> None:
    shown = printed(_sheet(died_by_themselves={"worker": 5, "beat": 1})).splitlines()

    first = next(number for number, line in enumerate(shown) if line.startswith("ended by themselves"))
    assert [line.split()[-1] for line in shown[first : first + 3]] == ["6", "1", "5"]
