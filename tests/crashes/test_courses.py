"""Whoever dies twice in one cell is waited for twice, and each time is told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from tests.crashes import courses
from tests.crashes.courses import Course
from tests.crashes.processes import Process
from tests.crashes.table import TWICE

ROW = UUID(int=1)


def test_each_of_two_kills_has_its_own_recovery(monkeypatch: pytest.MonkeyPatch) -> None:
    told: Any = object()
    course = Course(cell=TWICE[0], tales=[told], told=told)
    here: Any = SimpleNamespace(wait_until=lambda *_, **__: course.look())

    _reads(monkeypatch, at=0.0, version=1)
    course.dies(here, Process.WEB)
    _reads(monkeypatch, at=31.0, version=2)
    course.dies(here, Process.WORKER)
    _reads(monkeypatch, at=45.0, version=3)
    course.look()

    assert [kill["recovery_seconds"] for kill in course.kills] == [31.0, 14.0]
    assert all(kill["holds"] for kill in course.kills)


def _reads(monkeypatch: pytest.MonkeyPatch, *, at: float, version: int) -> None:
    """One row, leased by whoever is there."""
    monkeypatch.setattr(courses, "time", SimpleNamespace(monotonic=lambda: at))
    monkeypatch.setattr(courses, "state_of", lambda _: {ROW: (ROW, version)})
    monkeypatch.setattr(courses, "held_rows", lambda _: {ROW})
    monkeypatch.setattr(courses, "planned_seconds", lambda _: 30.0)
    monkeypatch.setattr(courses, "is_at_rest", lambda _: False)
