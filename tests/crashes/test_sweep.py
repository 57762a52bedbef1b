"""SIGKILL at every named point in the real servers: each payment and each refund ends right, once, and soon."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from failures.invariants import offences
from kernel import clock
from tests.crashes.courses import Course, kill, look_at, verdict
from tests.crashes.installation import Installation
from tests.crashes.table import SLOW, TWICE, Cell, cells, one_each, rounds
from tests.proof.records import record
from tests.proof.rules import RECOVERY_SECONDS

# So many shots are fired before the first lease of 30 s runs out.
SEVEN = 7
# With leases of 7 s the first come back while the last still die, and may die with them: all the same to the books.
EIGHT = 8


def named(chosen: Sequence[Cell]) -> str:
    """By its first cell."""
    return f"{chosen[0]}-and-{len(chosen) - 1}-more"


@pytest.mark.slow
@pytest.mark.parametrize("chosen", rounds([TWICE[0], *one_each()], EIGHT), ids=named)
def test_each_point_kills_once(here: Installation, chosen: Sequence[Cell]) -> None:
    sweep(here, chosen)


@pytest.mark.proof
@pytest.mark.parametrize("chosen", rounds(cells(), SEVEN), ids=named)
def test_every_point_in_every_process_at_both_hits(here: Installation, chosen: Sequence[Cell]) -> None:
    sweep(here, chosen)


@pytest.mark.proof
@pytest.mark.parametrize("cell", [*TWICE, *SLOW], ids=str)
def test_a_kill_in_the_middle_of_finding_out(here: Installation, cell: Cell) -> None:
    sweep(here, [cell])


def sweep(here: Installation, chosen: Sequence[Cell]) -> None:
    """One after the other they die; then all that was under way is waited for together."""
    courses: list[Course] = []
    with here.watched_by(lambda: look_at(courses)):
        for cell in chosen:
            kill(here, cell, courses)
        here.has_come(lambda: all(course.is_over for course in courses), seconds=here.pace.end_seconds)
    failed = [said for course in courses for said in judge(course)]
    assert failed == [], here.logs
    assert list(offences(now=clock.now())) == []


def judge(course: Course) -> list[str]:
    """Recorded whatever it is; what is wrong is said."""
    cell, verdicts = course.cell, [verdict(tale) for tale in course.tales]
    found = {what: sum(getattr(each, what) for each in verdicts) for what in ("lost", "doubled", "mistold")}
    record(
        "crashes",
        process=cell.process,
        story=cell.story.name,
        point=cell.point,
        hit=cell.hit,
        again=cell.again,
        **found,
        kills=course.kills,
    )
    wrong = []
    if any(found.values()):
        wrong.append(f"{cell}: {found}")
    return wrong + [
        f"{cell}: planned in {death.planned_seconds:.1f} s, came in {death.recovery_seconds} s"
        for death in course.deaths
        if max(death.planned_seconds, death.recovery_seconds or 0.0) > RECOVERY_SECONDS
    ]
