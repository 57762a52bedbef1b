"""The sweep as a table: which process dies at which point, by which story, and why the rest cannot be reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kernel.crashpoints import CrashPoint as Point
from tests.crashes import stories
from tests.crashes.processes import Process
from tests.crashes.stories import Story

HITS = (1, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    process: Process
    story: Story
    point: Point
    hit: int = 1
    again: Point | None = None  # Where the worker that takes over dies as well.

    def __str__(self) -> str:
        then = f"-then-{self.again}" if self.again else ""
        return f"{self.process}-{self.story.name}-{self.point}:{self.hit}{then}"


SWEPT: Mapping[Process, tuple[tuple[Story, tuple[Point, ...]], ...]] = {
    Process.WEB: (
        (
            stories.PAY,
            (
                Point.ACCEPT_BEFORE_COMMIT,
                Point.ACCEPT_AFTER_COMMIT,
                Point.CHARGE_AFTER_ANSWER,
                Point.SETTLE_BEFORE_COMMIT,
                Point.SETTLE_AFTER_COMMIT,
                Point.ANSWER_BEFORE_KEPT,
                Point.ANSWER_AFTER_KEPT,
            ),
        ),
        (stories.PAY_AND_BE_TOLD, (Point.ACCEPT_AFTER_COMMIT, Point.CHARGE_AFTER_ANSWER, Point.SETTLE_BEFORE_COMMIT)),
        (stories.FALL_BACK, (Point.CHARGE_BEFORE_COMMIT, Point.CHARGE_AFTER_COMMIT)),
        (stories.MESSAGE, (Point.NOTICE_AFTER_STORE, Point.SETTLE_BEFORE_COMMIT, Point.SETTLE_AFTER_COMMIT)),
        (
            stories.REFUND_MESSAGE,
            (Point.NOTICE_AFTER_STORE, Point.REFUND_SETTLE_BEFORE_COMMIT, Point.REFUND_SETTLE_AFTER_COMMIT),
        ),
        (stories.CASH, (Point.CASH_BEFORE_COMMIT, Point.CASH_AFTER_COMMIT, Point.ANSWER_BEFORE_KEPT)),
        (
            stories.GIVE_BACK,
            (
                Point.RESERVE_BEFORE_COMMIT,
                Point.RESERVE_AFTER_COMMIT,
                Point.REFUND_BEFORE_COMMIT,
                Point.REFUND_AFTER_COMMIT,
                Point.REFUND_AFTER_ANSWER,
                Point.REFUND_SETTLE_BEFORE_COMMIT,
                Point.REFUND_SETTLE_AFTER_COMMIT,
                Point.ANSWER_BEFORE_KEPT,
                Point.ANSWER_AFTER_KEPT,
            ),
        ),
        (stories.ASK, (Point.LOOK_UP_AFTER_ANSWER,)),
    ),
    Process.WORKER: (
        (
            stories.CHARGE,
            (
                Point.CLAIM_AFTER_COMMIT,
                Point.CHARGE_BEFORE_COMMIT,
                Point.CHARGE_AFTER_COMMIT,
                Point.CHARGE_AFTER_ANSWER,
                Point.SETTLE_BEFORE_COMMIT,
                Point.SETTLE_AFTER_COMMIT,
            ),
        ),
        (stories.DOUBT, (Point.LOOK_UP_AFTER_ANSWER, Point.SETTLE_BEFORE_COMMIT)),
        (stories.WITHDRAWAL, (Point.CANCEL_AFTER_ANSWER, Point.SETTLE_BEFORE_COMMIT)),
        (
            stories.REFUND,
            (
                Point.CLAIM_AFTER_COMMIT,
                Point.REFUND_BEFORE_COMMIT,
                Point.REFUND_AFTER_COMMIT,
                Point.REFUND_AFTER_ANSWER,
                Point.REFUND_SETTLE_BEFORE_COMMIT,
                Point.REFUND_SETTLE_AFTER_COMMIT,
            ),
        ),
        (stories.REFUND_DOUBT, (Point.LOOK_UP_AFTER_ANSWER, Point.REFUND_SETTLE_BEFORE_COMMIT)),
        (stories.WATCH, (Point.TURN_AFTER_COMMIT, Point.LOOK_UP_AFTER_ANSWER)),
        (stories.NOTICE, (Point.TURN_AFTER_COMMIT, Point.SETTLE_AFTER_COMMIT)),
    ),
}

_ONLY_SWEEPS_CLAIM = "Rows are claimed by sweeps, and no request runs a sweep."
_ONLY_PEOPLE_ASK_FOR_REFUNDS = "People ask for refunds, in requests; a surplus is reserved where it is settled."
_ONLY_WAITERS_TAKE_CASH = "Waiters take cash, in requests; no clock ever does."
_ONLY_REQUESTS_ACCEPT = "Payments are accepted in requests; a sweep only goes on with what was accepted."
_ONLY_REQUESTS_ARE_ANSWERED = "Nobody waits for a sweep to answer."
UNREACHED: Mapping[Process, Mapping[Point, str]] = {
    Process.WEB: {
        Point.CLAIM_AFTER_COMMIT: _ONLY_SWEEPS_CLAIM,
        Point.TURN_AFTER_COMMIT: _ONLY_SWEEPS_CLAIM,
        Point.CANCEL_AFTER_ANSWER: "A withdrawal writes down the wish; the provider is asked to close by the sweep.",
    },
    Process.WORKER: {
        Point.ACCEPT_BEFORE_COMMIT: _ONLY_REQUESTS_ACCEPT,
        Point.ACCEPT_AFTER_COMMIT: _ONLY_REQUESTS_ACCEPT,
        Point.NOTICE_AFTER_STORE: "Notices arrive over HTTP; a sweep only applies what is stored.",
        Point.RESERVE_BEFORE_COMMIT: _ONLY_PEOPLE_ASK_FOR_REFUNDS,
        Point.RESERVE_AFTER_COMMIT: _ONLY_PEOPLE_ASK_FOR_REFUNDS,
        Point.CASH_BEFORE_COMMIT: _ONLY_WAITERS_TAKE_CASH,
        Point.CASH_AFTER_COMMIT: _ONLY_WAITERS_TAKE_CASH,
        Point.ANSWER_BEFORE_KEPT: _ONLY_REQUESTS_ARE_ANSWERED,
        Point.ANSWER_AFTER_KEPT: _ONLY_REQUESTS_ARE_ANSWERED,
    },
}

# Whoever takes over dies as well, in the middle of finding out.
TWICE = (
    Cell(process=Process.WEB, story=stories.PAY, point=Point.ACCEPT_AFTER_COMMIT, again=Point.SETTLE_AFTER_COMMIT),
    Cell(process=Process.WEB, story=stories.PAY, point=Point.CHARGE_AFTER_ANSWER, again=Point.LOOK_UP_AFTER_ANSWER),
    Cell(
        process=Process.WORKER, story=stories.CHARGE, point=Point.CHARGE_AFTER_ANSWER, again=Point.SETTLE_BEFORE_COMMIT
    ),
    Cell(
        process=Process.WORKER, story=stories.REFUND, point=Point.REFUND_AFTER_ANSWER, again=Point.LOOK_UP_AFTER_ANSWER
    ),
    Cell(
        process=Process.WORKER,
        story=stories.REFUND,
        point=Point.REFUND_AFTER_COMMIT,
        again=Point.REFUND_SETTLE_BEFORE_COMMIT,
    ),
)
# Each takes more than a minute before its point is reached, so that one hit of each has to do.
SLOW = (Cell(process=Process.WORKER, story=stories.RESEND, point=Point.CHARGE_AFTER_COMMIT),)


def cells() -> list[Cell]:
    """Both hits of everything that is swept."""
    return [
        Cell(process=process, story=story, point=point, hit=hit)
        for hit in HITS
        for process, chapters in SWEPT.items()
        for story, points in chapters
        for point in points
    ]


def one_each() -> list[Cell]:
    """The first hit of each point, in turn by one process and another where both reach it."""
    every = [cell for cell in cells() if cell.hit == 1]
    chosen = []
    for number, point in enumerate(Point):
        first = {cell.process: cell for cell in reversed(every) if cell.point == point}
        chosen.append(list(first.values())[number % len(first)])
    return chosen


def rounds(chosen: list[Cell], size: int) -> list[tuple[Cell, ...]]:
    """Neighbours whose leases run out together, so that nobody waits for them one by one."""
    return [tuple(chosen[start : start + size]) for start in range(0, len(chosen), size)]
