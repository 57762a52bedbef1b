"""What becomes of a cell: the kill, the rows that were under way, and what all the books say at the end."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet, Sum

from kernel import clock
from payments.models import Attempt, Capture, InboundNotice, NoticeState, Payment, PaymentStatus, Refund
from payments.models.leased import Leased
from tests.clients import Asked, Tells
from tests.crashes.installation import Installation
from tests.crashes.processes import TAKES_OVER, Process
from tests.crashes.stories import Tale
from tests.crashes.table import Cell

# A master starts a child within moments; on a machine that is busy with something else they last longer.
RESTART_SECONDS = 20.0
# A closed attempt is watched for days. What is due within this belongs to the story.
NEAR = timedelta(minutes=2)
# On a busy machine a sweep may come between two steps of a request, and take the second: then another story is told.
SPARE = 2

State = dict[UUID, tuple[Any, ...]]


@dataclass(slots=True, kw_only=True)
class Death:
    """What one shot left under way, and when somebody went on with it."""

    tale: Tale
    state: State
    holds: bool  # Whether the dead held some of these rows. Then they are followed, and else all that there is.
    planned_seconds: float
    up_at: float = 0.0
    recovered_at: float | None = None

    @classmethod
    def in_the_middle_of(cls, tale: Tale) -> Death:
        """The shot was fired: what is written down by now is all that is left, until a child is there again."""
        rows = state_of(tale)
        held = held_rows(tale) & rows.keys()
        state = {key: rows[key] for key in held} if held else rows
        return cls(tale=tale, state=state, holds=bool(held), planned_seconds=planned_seconds(tale))

    def look(self) -> None:
        if self.recovered_at is not None:
            return
        rows = state_of(self.tale)
        followed = {key: rows[key] for key in self.state} if self.holds else rows
        if followed != self.state or is_at_rest(self.tale):
            self.recovered_at = time.monotonic()

    @property
    def recovery_seconds(self) -> float | None:
        return None if self.recovered_at is None else round(max(0.0, self.recovered_at - self.up_at), 1)


@dataclass(slots=True)
class Course:
    """One cell's way from its kill, or its two, to the next action on what was under way."""

    cell: Cell
    tales: Sequence[Tale]
    told: Tale  # In which the process died.
    deaths: list[Death] = field(default_factory=list)

    def dies(self, here: Installation, process: Process) -> None:
        death = Death.in_the_middle_of(self.told)
        self.deaths.append(death)
        here.wait_until(lambda: here.servers[process].is_up_again, seconds=RESTART_SECONDS)
        death.up_at = time.monotonic()

    def look(self) -> None:
        for death in self.deaths:
            death.look()

    @property
    def is_over(self) -> bool:
        return all(is_at_rest(tale) for tale in self.tales)

    @property
    def kills(self) -> list[Mapping[str, Any]]:
        """As they are recorded."""
        return [
            {
                "holds": death.holds,
                "planned_seconds": round(death.planned_seconds, 1),
                "recovery_seconds": death.recovery_seconds,
            }
            for death in self.deaths
        ]


def look_at(courses: Sequence[Course]) -> None:
    for course in courses:
        course.look()


def kill(here: Installation, cell: Cell, courses: list[Course]) -> None:
    """Tell the story until the process dies at its point; then its client presses again, and the rest is told."""
    ready = [cell.story.told_at(here) for _ in range(cell.hit + SPARE)]
    server = here.servers[cell.process]
    server.arm(cell.point, cell.hit)
    told = next((tale for tale in ready if _dies_in(here, cell, tale)), None)
    assert told is not None, f"{cell}: the point was never hit.\n{here.logs}"
    tales = ready[: max(cell.hit, ready.index(told) + 1)]
    course = Course(cell=cell, tales=tales, told=told)
    courses.append(course)
    course.dies(here, cell.process)
    for tale in tales[tales.index(told) :]:
        if tale is not told or not told.knows:
            cell.story.act(tale)
    course.look()
    if cell.again:
        here.servers[TAKES_OVER].arm(cell.again, 1)
        here.wait_until(lambda: here.servers[TAKES_OVER].has_fired, seconds=here.pace.shot_seconds)
        course.dies(here, TAKES_OVER)
    for step in cell.story.after:
        step(told)


def _dies_in(here: Installation, cell: Cell, tale: Tale) -> bool:
    server = here.servers[cell.process]
    cell.story.act(tale)
    here.has_come(lambda: server.has_fired or is_at_rest(tale), seconds=here.pace.shot_seconds)
    return server.has_fired


def is_at_rest(tale: Tale) -> bool:
    """Every payment and refund has its end, every message is applied, and nothing is due soon."""
    order, now = tale.order, clock.now()
    ended = Q(status__in=[PaymentStatus.COMPLETED, PaymentStatus.FAILED], next_action_at__isnull=True)
    payments = Payment.objects.filter(order=order)
    refunds = Refund.objects.filter(payment__order=order)
    return (
        payments.exists()
        and not payments.exclude(ended).exists()
        and not refunds.filter(Q(finished_at__isnull=True) | Q(next_action_at__isnull=False)).exists()
        and not Attempt.objects.filter(payment__order=order, watch_at__lte=now + NEAR).exists()
        and not _notices(tale).exclude(state=NoticeState.APPLIED).exists()
    )


def state_of(tale: Tale) -> State:
    """All that an action on these rows would change."""
    order = tale.order
    leased = ("id", "status", "next_action", "next_action_at", "lease_token", "claims")
    rows: list[tuple[Any, ...]] = [
        *Payment.objects.filter(order=order).values_list(*leased, "version"),
        *Refund.objects.filter(payment__order=order).values_list(*leased, "look_ups"),
        *Attempt.objects.filter(payment__order=order).values_list(
            "id", "status", "look_ups", "sends", "watch_at", "watch_claims"
        ),
        *_notices(tale).values_list("id", "state", "next_action_at", "claims"),
    ]
    return {row[0]: row for row in rows}


def held_rows(tale: Tale) -> set[UUID]:
    """Leased, or taken for a turn: nobody else acts on them before that is over."""
    order = tale.order
    return {
        *Payment.objects.filter(order=order, lease_token__isnull=False).values_list("id", flat=True),
        *Refund.objects.filter(payment__order=order, lease_token__isnull=False).values_list("id", flat=True),
        *Attempt.objects.filter(payment__order=order, watch_claims__gt=0).values_list("id", flat=True),
        *_notices(tale).filter(claims__gt=0).values_list("id", flat=True),
    }


def planned_seconds(tale: Tale) -> float:
    """How far ahead the next action is planned of whatever is under way, at the most; below zero: it is due."""
    order, now = tale.order, clock.now()
    if tale.story.end.is_cash:
        return 0.0  # It is the waiter's turn, for as long as that takes.
    rows: list[Leased] = [*Payment.objects.filter(order=order), *Refund.objects.filter(payment__order=order)]
    times = [max(row.next_action_at, row.lease_until or now) for row in rows if row.next_action_at]
    watched = Attempt.objects.filter(payment__order=order, watch_at__lte=now + NEAR).values_list("watch_at", flat=True)
    notices = _notices(tale).filter(next_action_at__isnull=False).values_list("next_action_at", flat=True)
    return max(((at - now).total_seconds() for at in (*times, *watched, *notices) if at), default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How many of one story's books, payments and refunds say less, or more, than it must come to; and of how many
    things that were pressed the client hears something else when it asks again under their keys.
    """

    lost: int
    doubled: int
    mistold: int


def verdict(tale: Tale) -> Verdict:
    end = tale.story.end
    payments = [*_payments(tale).values_list("status", flat=True)]
    refunds = [*Refund.objects.filter(payment__order=tale.order).values_list("status", flat=True)]
    kept = Attempt.objects.filter(payment__order=tale.order, capture=Capture.KEPT).count()
    found_and_due = [
        *zip(_our_books(tale), (end.captured_minor, end.refunded_minor), strict=True),
        *zip(_their_books(tale), (end.captured_minor, end.refunded_minor), strict=True),
        (kept, int(end.captured_minor > 0)),
        (payments.count(end.status), 1),
        (refunds.count(end.refund_status), int(end.refund_status != "")),
    ]
    # Where a second one would be, even if no money moved there.
    at_most = [(len(payments), 1), (len(refunds), int(end.refund_status != "")), (len(_entries(tale)), 1)]
    return Verdict(
        lost=sum(found < due for found, due in found_and_due) + (not is_at_rest(tale)),
        doubled=sum(found > due for found, due in (*found_and_due, *at_most)),
        mistold=sum(not is_told_alike(tale, asked) for asked in tale.pressed),
    )


def is_told_alike(tale: Tale, asked: Asked) -> bool:
    """Of the one payment or refund that there is, and of what is done for good always in the same bytes."""
    heard = [tale.ask_until_told(asked), tale.ask(asked)]
    rows = Refund.objects.filter(payment__order=tale.order) if asked.tells == Tells.REFUND else _payments(tale)
    ids = [str(row) for row in rows.values_list("pk", flat=True)]
    if any(each is None or not each.is_replay or [each.body["id"]] != ids for each in heard):
        return False
    return sum(path == asked.path for path, _ in tale.completed) <= 1


def _payments(tale: Tale) -> QuerySet[Payment]:
    return Payment.objects.filter(order=tale.order)


def _our_books(tale: Tale) -> tuple[int, int]:
    attempts = Attempt.objects.filter(payment__order=tale.order)
    sums = attempts.aggregate(captured=Sum("captured_minor", default=0), refunded=Sum("refunded_minor", default=0))
    return sums["captured"], sums["refunded"]


def _their_books(tale: Tale) -> tuple[int, int]:
    """Both providers' together. Cash is in nobody's books but ours."""
    if tale.story.end.is_cash:
        return _our_books(tale)
    entries = _entries(tale)
    captured = sum(sum(entry["captured"].values()) for entry in entries)
    return captured, sum(sum(entry["refunded"].values()) for entry in entries)


def _entries(tale: Tale) -> list[dict[str, Any]]:
    """What each provider knows of this order, where it knows of it."""
    books = [sandbox.books() for sandbox in tale.here.sandboxes.values()]
    return [book[tale.reference] for book in books if tale.reference in book]


def _notices(tale: Tale) -> Any:
    attempts = Attempt.objects.filter(payment__order=tale.order).values_list("id", flat=True)
    refunds = Refund.objects.filter(payment__order=tale.order).values_list("id", flat=True)
    return InboundNotice.objects.filter(subject_id__in=[str(key) for key in (*attempts, *refunds)])
