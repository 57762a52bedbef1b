"""The table of the sweep is complete: every point and every process is either swept or has its reason."""

from __future__ import annotations

from collections import Counter

import pytest

from kernel.crashpoints import CrashPoint
from tests.crashes.processes import SERVERS, TAKES_OVER, Process
from tests.crashes.table import HITS, SWEPT, TWICE, UNREACHED, cells, one_each


@pytest.mark.parametrize("process", Process)
def test_every_point_is_swept_or_has_its_reason(process: Process) -> None:
    swept = {point for _, points in SWEPT[process] for point in points}

    assert swept | set(UNREACHED[process]) == set(CrashPoint)
    assert swept & set(UNREACHED[process]) == set()
    assert all(reason.endswith(".") for reason in UNREACHED[process].values())


def test_every_process_has_its_server() -> None:
    assert set(SERVERS) == set(SWEPT) == set(UNREACHED) == set(Process)


def test_every_cell_is_swept_at_both_hits() -> None:
    counted = Counter((cell.process, cell.story.name, cell.point) for cell in cells())

    assert set(counted.values()) == {len(HITS)}


def test_the_smaller_part_has_each_point_once_and_every_process() -> None:
    chosen = one_each()

    assert [cell.point for cell in chosen] == list(CrashPoint)
    assert {cell.process for cell in chosen} == set(Process)


def test_second_kills_follow_swept_first_ones() -> None:
    swept = {(cell.process, cell.story.name, cell.point) for cell in cells()}
    by_whoever_takes_over = {point for _, points in SWEPT[TAKES_OVER] for point in points}

    assert {(cell.process, cell.story.name, cell.point) for cell in TWICE} <= swept
    assert {cell.again for cell in TWICE} <= by_whoever_takes_over
