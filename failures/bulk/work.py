"""What can be done to many cases: by which services, and what each of them would refuse, found out beforehand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from accounts.models import User
from accounts.services.idempotency import Call
from failures.decisions import Action, Decision, act_on_case, candidates_to_retry, check_offered
from failures.models import BulkAction, BulkRun, BulkStep, Case, Outcome
from failures.reasons import CHOSEN
from failures.services.asking import ask_provider, check_askable
from failures.services.facts import CaseRefused
from failures.services.working import (
    assign_case,
    check_alone,
    check_fits,
    check_nobody_is_asked,
    check_outcome,
    check_over,
    check_somebody_has_it,
    check_until,
    check_waiting,
    give_back_case,
    snooze_case,
)
from kernel.texts import check_reason
from payments.services.payments import check_retry
from payments.services.routing import Candidate

# How many cases at once can be said to have ended. What two people say, they say case by case.
ENDINGS = tuple(each for each in CHOSEN if each != Outcome.NOTHING_WRONG)
# Nobody but the clock waits for it, and the clock holds the step anyway.
_AT_WORK = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """`checks` are those of the service itself: what it would refuse now is not even begun."""

    checks: tuple[Callable[[Case], None], ...]
    do: Callable[..., str]  # Of a step, and where they were looked for of its candidates: what became of it.
    # Before anything is locked: it asks how the providers are.
    candidates: Callable[[UUID], Sequence[Candidate]] | None = None
    for_whom: Callable[[Case, User], None] | None = None  # What one person may and another one may not.
    does_end: bool = False  # By its outcome: one case can have ended so, another one cannot.
    needs_reason: bool = True
    is_about_money: bool = False
    calls_provider: bool = False  # So that it is done with no transaction open.

    def check(self, case: Case, person: User, *, outcome: Outcome | str = "") -> None:
        for check in self.checks:
            check(case)
        if self.for_whom is not None:
            self.for_whom(case, person)
        if self.does_end:
            check_fits(case, outcome)


def check_wish(run: BulkRun) -> None:
    """What is the same for all of its cases is refused once, before it starts."""
    if WORKS[BulkAction(run.action)].needs_reason:
        check_reason(run.reason, refusal=CaseRefused)
    check_ending(BulkAction(run.action), run.outcome)
    if run.action == BulkAction.SNOOZE:
        if run.until is None:
            raise CaseRefused("Say until when.", field="until", code="bad_time")
        check_until(run.until)


def check_ending(action: BulkAction, outcome: Outcome | str) -> None:
    """A part of the plan: a case that cannot have ended so is skipped by it, and not refused when its turn comes."""
    check_outcome(outcome)
    if bool(outcome) != (action == BulkAction.RESOLVE):
        sentence = "How they ended is chosen together with the cases that are closed. Choose them anew."
        raise CaseRefused(sentence, field="outcome", code="no_outcome")


def _check_not_theirs(case: Case, person: User) -> None:
    if case.owner_id == person.pk:
        raise CaseRefused("It is yours already.", code="yours_already")


def _can_be_tried_again(case: Case) -> None:
    check_offered(case, Action.RETRY)
    if case.payment_id is not None:
        check_retry(case.payment_id)


def _ask(step: BulkStep) -> str:
    """Not bound to a version: to ask is never wrong."""
    answered = ask_provider(case_id=step.case_id, person=step.run.person)
    return answered.said if answered.case.is_waiting else f"{answered.said} The case is closed."


def _take(step: BulkStep) -> str:
    assign_case(case_id=step.case_id, person=step.run.person, version=step.seen_version)
    return "It is yours."


def _give_back(step: BulkStep) -> str:
    run = step.run
    give_back_case(case_id=step.case_id, person=run.person, reason=run.reason, version=step.seen_version)
    return "Back in the queue: anybody may take it."


def _snooze(step: BulkStep) -> str:
    run = step.run
    if run.until is None:
        raise CaseRefused("Say until when.", field="until", code="bad_time")
    version = step.seen_version
    snooze_case(case_id=step.case_id, person=run.person, until=run.until, reason=run.reason, version=version)
    return "Put off. News of it brings it back at once."


def _decided(action: Action, sentence: str) -> Callable[..., str]:
    def do(step: BulkStep, candidates: Sequence[Candidate] = ()) -> str:
        run = step.run
        decision = Decision(action=action, reason=run.reason, outcome=run.outcome, version=step.seen_version)
        act_on_case(
            case_id=step.case_id, decision=decision, person=run.person, call=_call_of(step), candidates=candidates
        )
        return sentence

    return do


def _call_of(step: BulkStep) -> Call:
    """Its own key for each step: whatever is begun again is done once."""
    return Call(
        principal=f"console:{step.run.person_id}",
        key=str(step.pk),
        operation=f"BULK {step.run_id}",
        body_hash="",
        restaurant_id=step.restaurant_id,
        mode=step.mode,
        runs_for=_AT_WORK,
        subject_id=step.case_id,
    )


_FREE = (check_waiting, check_nobody_is_asked)
_CLOSING = (*_FREE, check_over)
WORKS: Mapping[BulkAction, Work] = {
    BulkAction.ASK: Work(checks=(check_waiting, check_askable), do=_ask, needs_reason=False, calls_provider=True),
    BulkAction.TAKE: Work(checks=_FREE, do=_take, for_whom=_check_not_theirs, needs_reason=False),
    BulkAction.GIVE_BACK: Work(checks=(*_FREE, check_somebody_has_it), do=_give_back),
    BulkAction.SNOOZE: Work(checks=_FREE, do=_snooze),
    BulkAction.RETRY: Work(
        checks=(*_FREE, _can_be_tried_again),
        do=_decided(Action.RETRY, "Another try was asked for."),
        candidates=candidates_to_retry,
        is_about_money=True,
    ),
    BulkAction.RESOLVE: Work(
        checks=_CLOSING,
        does_end=True,
        do=_decided(Action.RESOLVE, "Closed."),
        for_whom=check_alone,
        is_about_money=True,
    ),
    BulkAction.DISMISS: Work(
        checks=_CLOSING, do=_decided(Action.DISMISS, "Closed."), for_whom=check_alone, is_about_money=True
    ),
}
