"""Pages of a small table: what they read and count, and that a missed goal is a failure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.core.management.base import CommandError

from payments.benchmarks import lists
from tests.payments.benchmarks.running import bench, bench_to_file, cells

ROWS = 1_000


def test_pages_read_little_and_count_nothing_unless_asked(
    bench_here: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No time is asserted, so that a busy machine fails nothing.
    for name, value in {"MOST_TIMES_THE_FIRST": 1000.0, "TIMES": 5}.items():
        monkeypatch.setattr(lists, name, value)

    said, figures = bench_to_file(tmp_path / "figures.json", "lists", "--rows", str(ROWS))

    assert f"{ROWS + 1:,} payments" in said
    assert list(figures["pages"]) == ["page 1", "middle page", "last page", "total=exact"]
    for name, page in figures["pages"].items():
        assert page["counts"] == (name == "total=exact")
        assert page["rows_read"] <= lists.MOST_ROWS_READ
        assert page["index"] == cells(said, name)[-1]
    # In so small a table other pages may be sorted as well.
    assert figures["pages"]["page 1"]["index"] == "payments_of_a_restaurant"
    assert "Its plan:\nLimit" in said


def test_a_missed_goal_fails_and_is_written_all_the_same(
    bench_here: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "figures.json"
    for name, value in {"MOST_TIMES_THE_FIRST": 0.0, "MOST_ROWS_READ": 20, "TIMES": 1}.items():
        monkeypatch.setattr(lists, name, value)

    with pytest.raises(CommandError, match=r"more than 0\.0\.\n(.*\n)*.*21 rows are read for 20"):
        bench("lists", "--rows", str(ROWS), "--json", str(file))

    assert json.loads(file.read_text(encoding="utf-8"))["rows"] == ROWS + 1
