"""Cases end by what happened, or by what a person said: never while what they show is still so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum

from django.db.models import Q

from accounts.services.approvals import overtake_approvals
from events.actors import Actor, ActorKind
from events.audit import deed_under_way
from events.models import Event
from events.services import Journal
from failures.models import WAITING, Case, CaseKind, CaseStatus, Outcome
from failures.services.facts import CaseEvent, type_of
from failures.services.words_of_ends import said_of_end
from kernel.texts import MAX_REASON
from payments.models import RefundOrigin
from payments.services.facts import AccountEvent, PaymentEvent, RefundEvent

BY_ITSELF = "Ended by itself"
DID = "did"  # In the history of a case that a decision ended: what somebody did.
# Which event ends a need by itself: the doubt is over, the surplus went back.
ENDS: dict[StrEnum, tuple[CaseKind, ...]] = {
    PaymentEvent.COMPLETED: (CaseKind.EXHAUSTED,),
    PaymentEvent.DOUBT_ENDED: (CaseKind.IN_DOUBT,),
    PaymentEvent.RELEASED: (CaseKind.IN_DOUBT,),
    PaymentEvent.TAKEN_UP: (CaseKind.QUARANTINED,),
    PaymentEvent.MISMATCH_RESOLVED: (CaseKind.AMOUNT_MISMATCH,),
    PaymentEvent.NOTICE_TAKEN_UP: (CaseKind.QUARANTINED, CaseKind.ORPHAN_NOTICE),
    RefundEvent.COMPLETED: (CaseKind.REFUND_IN_DOUBT, CaseKind.REFUND_FAILED, CaseKind.CASH_REFUND),
    RefundEvent.CONFIRMED: (CaseKind.REFUND_IN_DOUBT,),
    # Of one that is made in the place of another: that one has its answer as well.
    RefundEvent.RELEASED: (CaseKind.REFUND_APPROVAL, CaseKind.REFUND_FAILED),
    RefundEvent.TURNED_DOWN: (CaseKind.REFUND_APPROVAL,),
    RefundEvent.FAILED: (CaseKind.REFUND_IN_DOUBT, CaseKind.CASH_REFUND),
    AccountEvent.CREDENTIALS_CHANGED: (CaseKind.CREDENTIALS_CHANGE, CaseKind.CREDENTIALS),
    AccountEvent.CREDENTIALS_TURNED_DOWN: (CaseKind.CREDENTIALS_CHANGE,),
}


# What a second person says; by itself only time says it.
_ANSWERS = (RefundEvent.TURNED_DOWN, AccountEvent.CREDENTIALS_TURNED_DOWN)


def end_cases(event: Event, actor: Actor) -> None:
    """The reason for these cases is gone; the same transaction that ended it says so."""
    if type_of(event) in _ANSWERS and actor.kind is ActorKind.SYSTEM:
        return  # Nobody answered in time. Whoever asked has to know, and asks again or lets it be.
    waiting = Case.objects.select_for_update().filter(kind__in=_ended_kinds(event), status__in=WAITING)
    for case in waiting.filter(_whose(event)).order_by("id"):
        _end_by(event, case, actor)


def _end_by(event: Event, case: Case, actor: Actor) -> None:
    """Where a person's decision ended it: what that was, and why. Who it was stands in the history, by an id."""
    if event.data.get("origin") == RefundOrigin.OUTSIDE:
        case.outcome = Outcome.GIVEN_BACK_ELSEWHERE
    by_person, by_itself = said_of_end(type_of(event), event.data)
    if actor.kind is not ActorKind.USER:
        end_locked(case, case.resolve, f"{BY_ITSELF}: {by_itself}", actor)
        return
    deed = deed_under_way()
    why = deed.reason if deed else ""
    said = f"{by_person}: {why}" if why else f"{by_person}."
    told = f"{said[0].upper()}{said[1:]}"[:MAX_REASON]
    end_locked(case, case.resolve, told, actor, evidence={DID: by_person, "why": why})


def end_locked(
    case: Case, step: Callable[[], None], reason: str, actor: Actor, evidence: Mapping[str, str] | None = None
) -> None:
    """Whoever is being asked about it need not answer any more."""
    case.resolution = reason
    journal = Journal(actor)
    journal.move(case, step, reason=reason, evidence=evidence)
    ended = CaseEvent.RESOLVED if case.status == CaseStatus.RESOLVED else CaseEvent.DISMISSED
    journal.happened(ended, case, kind=case.kind, subject=str(case.subject_id))
    case.save()
    journal.write()
    overtake_approvals(asked_from=case.pk, actor=actor)


def _whose(event: Event) -> Q:
    """A refund ends its own cases, those of the surplus that it gave back, and that of the failed one in whose place it
    was made; a payment any that it has; new credentials their own, and that of the account which was refused.
    """
    if isinstance(type_of(event), RefundEvent):
        named = (event.data.get(name) for name in ("refund", "attempt"))
        failed = Q(kind=CaseKind.REFUND_FAILED, subject_id=event.data.get("again_of"))
        return Q(subject_id__in=[each for each in named if each]) | failed
    if isinstance(type_of(event), AccountEvent):
        return Q(subject_id__in=[event.stream_id, event.data["account"]])
    return Q(payment_id=event.stream_id) | Q(subject_id=event.stream_id)


def _ended_kinds(event: Event) -> tuple[CaseKind, ...]:
    kinds = ENDS[type_of(event)]
    if event.type == RefundEvent.COMPLETED and event.data.get("surplus_left_minor") == 0:
        return (*kinds, CaseKind.SURPLUS)
    return kinds
