"""The clock's part: steps that are due are claimed and done one by one, each once, as the person who started them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import structlog
from django.db import transaction

from events.actors import SYSTEM, Actor
from events.services import Journal
from failures.bulk.work import WORKS, Work
from failures.models import LONGEST_SAID, BulkAction, BulkRun, BulkStatus, BulkStep, StepStatus
from kernel import clock
from kernel.crashpoints import CrashPoint, crashpoint
from kernel.errors import ServiceError
from payments.services.timing import lease

logger = logging.getLogger(__name__)
# The same clock has guests' payments to look after: what is left is done at its next ticks.
SWEEP_SECONDS = 5.0
# Whatever kills its process as often is left alone, and the person is told.
MOST_CLAIMS = 3
_BROKE = "broke"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    step_id: UUID
    run_id: UUID
    case_id: UUID
    token: UUID
    claims: int


def work_on_bulk() -> int:
    """One after the other, so that a provider that has just recovered is not trampled. A clock calls this."""
    clock.keep_true()
    done, until = 0, clock.monotonic() + SWEEP_SECONDS
    while clock.monotonic() < until:
        claim = _claim_next()
        if claim is None:
            break
        _do_or_log(claim)
        done += 1
    _end_runs()
    return done


def _claim_next() -> _Claim | None:
    """If its holder dies, it is due again when the lease is over. A short run is not kept waiting by a long one: all
    of them take turns.
    """
    now = clock.now()
    with transaction.atomic():
        due = BulkStep.objects.select_for_update(skip_locked=True).filter(next_action_at__lte=now)
        step = due.order_by("position", "next_action_at").first()
        if step is None:
            return None
        step.lease_token, step.next_action_at, step.claims = clock.new_id(), now + lease(), step.claims + 1
        step.save(update_fields=["lease_token", "next_action_at", "claims"])
    crashpoint(CrashPoint.TURN_AFTER_COMMIT)
    return _Claim(step_id=step.pk, run_id=step.run_id, case_id=step.case_id, token=step.lease_token, claims=step.claims)


def _do_or_log(claim: _Claim) -> None:
    """One that breaks holds up no other."""
    try:
        _do(claim)
    except Exception:
        logger.exception("bulk_step_failed", extra={"step": str(claim.step_id), "run": str(claim.run_id)})
        _end_step(claim, StepStatus.REFUSED, "This broke. Whoever runs this installation finds it in the log.", _BROKE)


def _do(claim: _Claim) -> None:
    run = BulkRun.objects.get(pk=claim.run_id)
    work = WORKS[BulkAction(run.action)]
    if claim.claims > MOST_CLAIMS:
        _end_step(claim, StepStatus.REFUSED, "Its process died again and again, so it was left alone.", _BROKE)
        return
    # As in the request in which the person started it: the history of each case leads back to that one.
    with structlog.contextvars.bound_contextvars(request_id=run.request_id):
        if work.calls_provider:
            _ask(claim, work)
        else:
            _write(claim, work)


def _write(claim: _Claim, work: Work) -> None:
    """In one transaction with its own mark: it is done once, wherever a process dies."""
    do = partial(work.do, candidates=work.candidates(claim.case_id)) if work.candidates is not None else work.do
    with transaction.atomic():
        step = _held_or_given_back(claim)
        if step is None:
            return
        try:
            with transaction.atomic():
                said = do(step)
        except ServiceError as refused:
            _mark(step, StepStatus.REFUSED, refused.sentence, refused.code)
        else:
            _mark(step, StepStatus.DONE, said)


def _ask(claim: _Claim, work: Work) -> None:
    """With no transaction open. If the process dies behind it, it is asked again, which moves no money."""
    with transaction.atomic():
        step = _held_or_given_back(claim)
    if step is None:
        return
    try:
        said = work.do(step)
    except ServiceError as refused:
        _end_step(claim, StepStatus.REFUSED, refused.sentence, refused.code)
    else:
        _end_step(claim, StepStatus.DONE, said)


def _end_step(claim: _Claim, status: StepStatus, said: str, code: str = "") -> None:
    with transaction.atomic():
        step = _held(claim)
        if step is not None:
            _mark(step, status, said, code)


def _held(claim: _Claim) -> BulkStep | None:
    """The run before its steps, as whoever stops it does. Whoever lost the lease holds nothing any more."""
    run = BulkRun.objects.select_for_update(of=("self",)).select_related("person").get(pk=claim.run_id)
    step = BulkStep.objects.select_for_update().get(pk=claim.step_id)
    step.run = run
    return step if step.status == StepStatus.WAITING and step.lease_token == claim.token else None


def _held_or_given_back(claim: _Claim) -> BulkStep | None:
    """Somebody may have stopped the run since the claim: then nothing is begun, and nobody died of it."""
    step = _held(claim)
    if step is None or step.run.status == BulkStatus.RUNNING:
        return step
    step.lease_token, step.claims = None, step.claims - 1
    step.save(update_fields=["lease_token", "claims"])
    return None


def _mark(step: BulkStep, status: StepStatus, said: str, code: str = "") -> None:
    step.said, step.code = said[:LONGEST_SAID], code
    step.next_action_at = step.lease_token = None
    journal = Journal(Actor.user(step.run.person, request_id=step.run.request_id))
    journal.move(step, step.accomplish if status == StepStatus.DONE else step.turn_down, reason=said)
    step.save()
    journal.write()


def _end_runs() -> None:
    """Of which every step has its result."""
    under_way = BulkRun.objects.filter(status=BulkStatus.RUNNING)
    for run_id in under_way.exclude(steps__status=StepStatus.WAITING).values_list("pk", flat=True):
        with transaction.atomic():
            run = BulkRun.objects.select_for_update().get(pk=run_id)
            if run.status == BulkStatus.RUNNING:
                journal = Journal(SYSTEM)
                journal.move(run, run.arrive, reason="Each of its cases has its result.")
                run.save()
                journal.write()
