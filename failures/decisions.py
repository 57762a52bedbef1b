"""What a named person may do about a case, and which service does it. A case ends by what was decided, or by a word."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.models import User
from accounts.services.idempotency import Call, claim
from events.actors import Actor
from events.services import Journal
from failures.models import Case, CaseKind, CaseStatus, Outcome
from failures.services.deeds import CaseDeed, deed_on
from failures.services.ending import end_locked
from failures.services.facts import CaseRefused
from failures.services.giving_up import ask_to_give_up
from failures.services.reopening import REOPEN, ask_to_reopen
from failures.services.waiting import wait_for_approval
from failures.services.working import (
    check_nobody_is_asked,
    check_version,
    check_waiting,
    dismiss_case,
    resolve_case,
    staffed_case,
)
from kernel.texts import check_reason
from payments.models import InboundNotice, RefundStatus
from payments.services import operators
from payments.services.bill import lock_bill_of_payment
from payments.services.cash import hand_over_refund
from payments.services.deeds import PaymentDeed
from payments.services.forcing import ask_to_record_charge, ask_to_record_refund
from payments.services.given_back import ask_to_record_given_back
from payments.services.made_again import last_failed_of, make_refund_again
from payments.services.mismatches import MismatchChoice
from payments.services.payments import retry_payment
from payments.services.providers import candidates_for_payment
from payments.services.refund_requests import request_refund
from payments.services.routing import Candidate


class Action(StrEnum):
    RESOLVE = "resolve"
    DISMISS = "dismiss"
    RETRY = "retry"
    RECORD_CHARGED = "record_charged"
    RECORD_NOT_CHARGED = "record_not_charged"
    KEEP = "keep"
    REFUND_ALL = "refund_all"
    REFUND_DIFFERENCE = "refund_difference"
    REFUND = "refund"
    RECORD_REFUND_MADE = "record_refund_made"
    RECORD_REFUND_NOT_MADE = "record_refund_not_made"
    RECORD_GIVEN_BACK = "record_given_back"
    HAND_OVER = "hand_over"
    TAKE_UP = "take_up"
    RECORD_PAID_ELSEWHERE = "record_paid_elsewhere"
    WRITE_OFF = "write_off"
    REOPEN = REOPEN


# What such a case was about has had its answer, and is asked for anew where it began.
ENDS_BY_AN_ANSWER = (CaseKind.REFUND_APPROVAL, CaseKind.CREDENTIALS_CHANGE)
ACTIONS = [each.value for each in Action]
ALWAYS = (Action.RESOLVE, Action.DISMISS)
# What one person asks for, and is done when a second one agrees.
NEEDS_TWO = (
    Action.RECORD_CHARGED,
    Action.RECORD_NOT_CHARGED,
    Action.RECORD_REFUND_MADE,
    Action.RECORD_REFUND_NOT_MADE,
    Action.RECORD_GIVEN_BACK,
    Action.RECORD_PAID_ELSEWHERE,
    Action.WRITE_OFF,
    Action.REOPEN,
)
# So that nobody takes it for done.
_DEEDS = {
    Action.RECORD_CHARGED: CaseDeed.ASK_TO_RECORD_CHARGED,
    Action.RECORD_NOT_CHARGED: CaseDeed.ASK_TO_RECORD_NOT_CHARGED,
    Action.RECORD_REFUND_MADE: CaseDeed.ASK_TO_RECORD_REFUND_MADE,
    Action.RECORD_REFUND_NOT_MADE: CaseDeed.ASK_TO_RECORD_REFUND_NOT_MADE,
    Action.RECORD_GIVEN_BACK: CaseDeed.ASK_TO_RECORD_GIVEN_BACK,
    Action.RECORD_PAID_ELSEWHERE: CaseDeed.ASK_TO_RECORD_PAID_ELSEWHERE,
    Action.WRITE_OFF: CaseDeed.ASK_TO_WRITE_OFF,
    Action.REOPEN: CaseDeed.ASK_TO_REOPEN,
}
OFFERED: Mapping[CaseKind, tuple[Action, ...]] = {
    CaseKind.EXHAUSTED: (Action.RETRY, Action.RECORD_PAID_ELSEWHERE, Action.WRITE_OFF),
    CaseKind.IN_DOUBT: (Action.RECORD_CHARGED, Action.RECORD_NOT_CHARGED),
    CaseKind.AMOUNT_MISMATCH: (Action.KEEP, Action.REFUND_ALL, Action.REFUND_DIFFERENCE),
    CaseKind.SURPLUS: (Action.REFUND, Action.RECORD_GIVEN_BACK),
    CaseKind.REFUND_FAILED: (Action.REFUND, Action.RECORD_GIVEN_BACK),
    CaseKind.REFUND_IN_DOUBT: (Action.RECORD_REFUND_MADE, Action.RECORD_REFUND_NOT_MADE),
    CaseKind.CASH_REFUND: (Action.HAND_OVER, Action.RECORD_REFUND_NOT_MADE),
    CaseKind.PROVIDER_REFUND: (Action.WRITE_OFF,),
    CaseKind.ORPHAN_NOTICE: (Action.TAKE_UP,),
    CaseKind.QUARANTINED: (Action.TAKE_UP,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    action: Action
    reason: str
    amount_minor: int | None = None
    means_amount: bool = False  # Also where another one was to be charged.
    outcome: Outcome | str = ""
    provider: str = ""  # Where it is tried again. Empty: as the routes say.
    version: int | None = None  # Of the case, as whoever decides saw it.
    refund_id: UUID | None = None  # Of what it gives back, where whoever decides looks at it afterwards.


def actions_for(case: Case) -> tuple[Action, ...]:
    if case.status == CaseStatus.WAITING_SECOND_PERSON:
        return ()  # One thing at a time: what is asked for is approved, rejected or withdrawn first.
    if case.is_waiting:
        return (*OFFERED.get(CaseKind(case.kind), ()), *ALWAYS)
    return () if case.kind in ENDS_BY_AN_ANSWER else (Action.REOPEN,)


def candidates_to_retry(case_id: UUID) -> Sequence[Candidate]:
    """Read before any lock: it asks Redis how the providers are."""
    case = Case.objects.only("payment_id").get(pk=case_id)
    return candidates_for_payment(case.payment_id) if case.payment_id is not None else []


def act_on_case(
    *,
    case_id: UUID,
    decision: Decision,
    person: User,
    call: Call,
    candidates: Sequence[Candidate] | None = None,
) -> Case:
    """Everything is written in one transaction; what has to be sent the clock sends.

    What needs two people is asked for here, and done by `decide_approval`. `candidates` comes from whoever holds a
    lock already.
    """
    if candidates is None:
        candidates = candidates_to_retry(case_id) if decision.action == Action.RETRY else ()
    payment_id = Case.objects.values_list("payment_id", flat=True).get(pk=case_id)
    with transaction.atomic():
        claim(call)
        if payment_id is not None:
            # First, as everywhere: what is decided is decided about money that nobody else moves meanwhile.
            lock_bill_of_payment(payment_id)
        case = staffed_case(case_id, person)
        _check(case, decision)
        with deed_on(case, _DEEDS.get(decision.action, decision.action), person=person, reason=decision.reason):
            journal = Journal(Actor.user(person))
            journal.note(case, step=decision.action.value, reason=decision.reason)
            journal.write()
            _ACTS[decision.action](_Act(case=case, decision=decision, person=person, candidates=candidates))
    return Case.objects.get(pk=case_id)


def _check(case: Case, decision: Decision) -> None:
    check_reason(decision.reason, refusal=CaseRefused)
    if decision.action != Action.REOPEN:
        check_waiting(case)
    check_version(case, decision.version)
    check_nobody_is_asked(case)
    check_offered(case, decision.action)
    if (decision.amount_minor is not None) != (decision.action == Action.RECORD_CHARGED):
        sentence = "`record_charged` says how much the provider shows as captured; nothing else has an amount."
        raise CaseRefused(sentence, field="amount", code="bad_amount")
    if decision.outcome and decision.action != Action.RESOLVE:
        raise CaseRefused("Only `resolve` says how a case ended.", field="outcome", code="does_not_fit")
    if decision.provider and decision.action != Action.RETRY:
        raise CaseRefused("Only `retry` names a provider.", field="provider", code="does_not_fit")


def check_offered(case: Case, action: Action) -> None:
    if action not in actions_for(case):
        offered = ", ".join(actions_for(case))
        raise CaseRefused(f"For this case there are: {offered}.", field="action", code="no_such_action")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Act:
    case: Case
    decision: Decision
    person: User
    candidates: Sequence[Candidate]

    @property
    def payment_id(self) -> UUID:
        if self.case.payment_id is None:
            raise CaseRefused("This case is about no payment.", code="no_such_action")
        return self.case.payment_id


def _resolve(a: _Act) -> None:
    resolve_case(case_id=a.case.pk, person=a.person, reason=a.decision.reason, outcome=a.decision.outcome)


def _dismiss(a: _Act) -> None:
    dismiss_case(case_id=a.case.pk, person=a.person, reason=a.decision.reason)


def _retry(a: _Act) -> None:
    retry_payment(
        payment_id=a.payment_id,
        actor=Actor.user(a.person),
        provider=a.decision.provider,
        candidates=a.candidates,
    )


def _ask_about_charge(a: _Act) -> None:
    approval = ask_to_record_charge(
        payment_id=a.payment_id,
        deed=PaymentDeed(a.decision.action.value),
        person=a.person,
        reason=a.decision.reason,
        captured_minor=a.decision.amount_minor,
        means_amount=a.decision.means_amount,
        asked_from=a.case.pk,
    )
    wait_for_approval(a.case, approval, actor=Actor.user(a.person))


def _ask_about_refund(a: _Act) -> None:
    approval = ask_to_record_refund(
        refund_id=a.case.subject_id,
        deed=PaymentDeed(a.decision.action.value),
        person=a.person,
        reason=a.decision.reason,
        asked_from=a.case.pk,
    )
    wait_for_approval(a.case, approval, actor=Actor.user(a.person))


def _ask_about_given_back(a: _Act) -> None:
    approval = ask_to_record_given_back(
        payment_id=a.payment_id,
        subject_id=a.case.subject_id,
        person=a.person,
        reason=a.decision.reason,
        asked_from=a.case.pk,
    )
    wait_for_approval(a.case, approval, actor=Actor.user(a.person))


def _give_up(a: _Act) -> None:
    action = a.decision.action.value
    approval = ask_to_give_up(case=a.case, action=action, person=a.person, reason=a.decision.reason)
    wait_for_approval(a.case, approval, actor=Actor.user(a.person))


def _reopen(a: _Act) -> None:
    approval = ask_to_reopen(case=a.case, person=a.person, reason=a.decision.reason)
    wait_for_approval(a.case, approval, actor=Actor.user(a.person))


def _resolve_mismatch(choice: MismatchChoice) -> Callable[[_Act], None]:
    def act(a: _Act) -> None:
        operators.resolve_mismatch(payment_id=a.payment_id, choice=choice, person=a.person, reason=a.decision.reason)

    return act


def _refund(a: _Act) -> None:
    """Of a surplus all. Of a failed refund its own amount: its case ends once that is sent, also where more of the
    payment is owed, and a new failure opens another.
    """
    said: dict[str, Any] = {
        "refund_id": a.decision.refund_id,
        "reason": a.decision.reason,
        "actor": Actor.user(a.person),
    }
    if a.case.kind == CaseKind.SURPLUS:
        failed = last_failed_of(a.case.subject_id)  # Its own case waits for the same money.
        request_refund(payment_id=a.payment_id, attempt_id=a.case.subject_id, again_of=failed, **said)
        return
    refund = make_refund_again(failed_id=a.case.subject_id, **said)
    if refund.status != RefundStatus.WAITING_APPROVAL:
        case = Case.objects.get(pk=a.case.pk)
        end_locked(case, case.resolve, a.decision.reason, Actor.user(a.person))


def _hand_over(a: _Act) -> None:
    hand_over_refund(refund_id=a.case.subject_id, person=a.person)


def _take_up(a: _Act) -> None:
    """A notice belongs to no payment, until it is read."""
    if InboundNotice.objects.filter(pk=a.case.subject_id).exists():
        operators.take_up_notice(notice_id=a.case.subject_id, person=a.person, reason=a.decision.reason)
    else:
        operators.release_from_quarantine(payment_id=a.payment_id, person=a.person, reason=a.decision.reason)


_ACTS: Mapping[Action, Callable[[_Act], None]] = {
    Action.RESOLVE: _resolve,
    Action.DISMISS: _dismiss,
    Action.RETRY: _retry,
    Action.RECORD_CHARGED: _ask_about_charge,
    Action.RECORD_NOT_CHARGED: _ask_about_charge,
    Action.KEEP: _resolve_mismatch(MismatchChoice.KEEP),
    Action.REFUND_ALL: _resolve_mismatch(MismatchChoice.REFUND_ALL),
    Action.REFUND_DIFFERENCE: _resolve_mismatch(MismatchChoice.REFUND_DIFFERENCE),
    Action.REFUND: _refund,
    Action.RECORD_REFUND_MADE: _ask_about_refund,
    Action.RECORD_REFUND_NOT_MADE: _ask_about_refund,
    Action.RECORD_GIVEN_BACK: _ask_about_given_back,
    Action.HAND_OVER: _hand_over,
    Action.TAKE_UP: _take_up,
    Action.RECORD_PAID_ELSEWHERE: _give_up,
    Action.WRITE_OFF: _give_up,
    Action.REOPEN: _reopen,
}
