"""The test's own database as the one to measure in: what makes and drops another one is tested with one kind."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from failures.management.commands import bench


@pytest.fixture
def bench_here(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "bench_database", lambda create: nullcontext())
