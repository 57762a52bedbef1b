"""What its person does with a run: started once, stopped, gone on with, given up. Each leaves an entry in the audit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Count

from accounts.models import OFFICE, User
from accounts.services.people import works_as
from events.actors import Actor
from events.audit import Deed, audited
from events.services import Journal
from failures.bulk.work import check_wish
from failures.models import BulkRun, BulkStatus, StepStatus
from failures.services.facts import CaseRefused
from kernel import clock
from payments.services.timing import lease

_BEGUN = (BulkStatus.RUNNING, BulkStatus.STOPPED, BulkStatus.DONE)


class BulkDeed(StrEnum):
    START = "start_bulk"
    STOP = "stop_bulk"
    GO_ON = "go_on_with_bulk"
    GIVE_UP = "give_up_bulk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is said once, for all of its cases."""

    reason: str = ""
    until: datetime | None = None


def start_bulk(*, run_id: UUID, person: User, wish: Wish) -> BulkRun:
    """The first press counts: a second one finds it begun, and changes nothing."""
    actor = Actor.user(person)
    with transaction.atomic():
        run = _locked(run_id, person)
        if run.status in _BEGUN:
            return run
        _check_staff(run, person)
        if run.status == BulkStatus.GIVEN_UP:
            raise CaseRefused("This plan was given up. Choose the cases anew.", code="given_up")
        if not run.steps.filter(status=StepStatus.WAITING).exists():
            raise CaseRefused("There is nothing to do: all of them are skipped.", code="nothing_to_do")
        run.reason, run.until = wish.reason, wish.until
        check_wish(run)
        run.request_id = actor.request_id
        with _moved(run, run.set_off, BulkDeed.START, actor):
            _make_due(run)
    return run


def stop_bulk(*, run_id: UUID, person: User) -> BulkRun:
    """Nothing is begun from here on. What a provider is being asked right now ends, and is written down."""
    with transaction.atomic():
        run = _locked(run_id, person)
        if run.status == BulkStatus.RUNNING:
            with _moved(run, run.halt, BulkDeed.STOP, Actor.user(person)):
                run.steps.filter(status=StepStatus.WAITING).update(next_action_at=None)
    return run


def go_on_with_bulk(*, run_id: UUID, person: User) -> BulkRun:
    with transaction.atomic():
        run = _locked(run_id, person)
        if run.status == BulkStatus.STOPPED:
            _check_staff(run, person)
            with _moved(run, run.go_on, BulkDeed.GO_ON, Actor.user(person)):
                _make_due(run)
    return run


def give_up_bulk(*, run_id: UUID, person: User) -> BulkRun:
    """Of what has not begun, or was stopped. What is done stays done."""
    with transaction.atomic():
        run = _locked(run_id, person)
        if run.status in {BulkStatus.RUNNING, BulkStatus.DONE}:
            raise CaseRefused(f"It is {run.get_status_display()}: stop it first.", code="not_stopped")
        if run.status != BulkStatus.GIVEN_UP:
            with _moved(run, run.give_up, BulkDeed.GIVE_UP, Actor.user(person)):
                pass
    return run


def _locked(run_id: UUID, person: User) -> BulkRun:
    run = BulkRun.objects.select_for_update().get(pk=run_id)
    if run.person_id != person.pk:
        raise CaseRefused("Only who planned it decides about it.", code="not_the_planner")
    return run


def _check_staff(run: BulkRun, person: User) -> None:
    """Each step asks again, when it is done."""
    if not works_as(person, OFFICE, restaurant_id=run.restaurant_id):
        raise CaseRefused("Only finance staff of this restaurant work on its cases.", code="not_finance_here")


def _make_due(run: BulkRun) -> None:
    """At once, but what somebody may still be asking, of before it was stopped, has its whole lease to be answered."""
    now, waiting = clock.now(), run.steps.filter(status=StepStatus.WAITING)
    waiting.filter(lease_token=None).update(next_action_at=now)
    waiting.exclude(lease_token=None).update(next_action_at=now + lease())


@contextmanager
def _moved(run: BulkRun, step: Callable[[], None], deed: BulkDeed, actor: Actor) -> Iterator[None]:
    """With what follows from it for its steps, and in the audit."""
    seen = Deed(
        actor=actor,
        action=deed.value,
        subject_kind="bulk_run",
        subject_id=str(run.pk),
        picture=lambda: _picture_of(run.pk),
        restaurant_id=run.restaurant_id,
        mode=run.mode,
        reason=run.reason,
    )
    with audited(seen):
        journal = Journal(actor)
        journal.move(run, step, reason=run.reason)
        run.save()
        journal.write()
        yield


def _picture_of(run_id: UUID) -> dict[str, Any]:
    run = BulkRun.objects.get(pk=run_id)
    steps = dict(run.steps.values_list("status").annotate(count=Count("pk")).order_by("status"))
    seen = {"action": run.action, "status": run.status, "outcome": run.outcome, "steps": steps}
    return {"bulk_run": {**seen, "until": run.until.isoformat() if run.until else None}}
