"""The console's pages in a small restaurant: what they say and count, and that a missed goal is a failure."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
from django.core.management.base import CommandError

from failures.benchmarks import pages
from failures.management.commands import bench as command
from failures.models import WAITING, Case
from tests.payments.benchmarks.running import bench, bench_to_file, cells

SMALL = ("--payments", "80", "--cases", "12", "--requests", "2")


@pytest.fixture
def bench_here(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "bench_database", lambda create: nullcontext())


@pytest.mark.slow
def test_every_page_is_measured_and_a_missed_goal_fails(
    bench_here: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No time is asserted, so that a busy machine fails nothing.
    for name, value in {"MOST_MILLISECONDS": 1e6, "MOST_STATEMENTS": 1_000}.items():
        monkeypatch.setattr(pages, name, value)

    said, figures = bench_to_file(tmp_path / "figures.json", "pages", *SMALL)

    assert "80 payments, 12 open cases, 2 requests each." in said
    assert list(figures["pages"]) == ["sign-in (floor)", "Today", "Queue", "Payments", "Case"]
    for name, page in figures["pages"].items():
        assert page["p50_ms"] > 0
        assert cells(said, name)[2] == str(page["statements"])
    assert Case.objects.filter(status__in=WAITING).count() == 12

    monkeypatch.setattr(pages, "MOST_MILLISECONDS", 0.0)
    with pytest.raises(CommandError, match=r"Payments takes \d+ ms, more than 0\."):
        bench("pages", *SMALL)
