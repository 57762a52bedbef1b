"""Percentiles, medians and tables, on numbers that were made up."""

from __future__ import annotations

import pytest

from payments.benchmarks.figures import TITLES, Measured, Row, Spread, percentiles, table

SECONDS = [each / 1000 for each in range(200, 0, -1)]


def test_a_percentile_is_one_of_the_values() -> None:
    assert percentiles(SECONDS) == pytest.approx({"p50": 100, "p95": 190, "p99": 198})
    assert percentiles([0.007]) == pytest.approx({"p50": 7, "p95": 7, "p99": 7})


def test_several_runs_are_told_as_their_median_and_how_far_they_went() -> None:
    assert Spread([3.0, 1.26, 2.0]).as_text() == "2.0 (1.3-3.0)"
    assert Spread([1.26]).as_text(2) == "1.26"
    assert Spread([3.0, 1.0, 2.0]).as_json() == {"median": 2.0, "low": 1.0, "high": 3.0, "each": [3.0, 1.0, 2.0]}


def test_what_overlapped_is_counted_by_the_time_of_all() -> None:
    assert Measured(seconds=[1.0, 1.0, 1.0, 1.0], elapsed_seconds=2.0).per_second == 2.0
    assert Measured.one_by_one([1.0, 1.0, 2.0]).per_second == 0.75


def test_a_table_has_its_numbers_under_their_titles() -> None:
    runs = [Measured(seconds=[0.5], elapsed_seconds=0.5), Measured(seconds=[0.25], elapsed_seconds=0.25)]

    title, line = table(TITLES, Row(name="API", runs=runs, statements=25, commits=3).cells()).splitlines()

    assert len(title) == len(line)
    assert line.split("   ")[-1].strip() == "3"
    assert "3 (2-4)" in line
    assert "375.0 (250.0-500.0)" in line
