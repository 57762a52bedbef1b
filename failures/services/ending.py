"""Cases end by what happened, or by what a person said: never while what they show is still so."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from django.db.models import Q

from accounts.services.approvals import overtake_approvals
from events.actors import Actor
from events.models import Event
from events.services import Journal
from failures.models import WAITING, Case, CaseKind, CaseStatus
from failures.services.facts import CaseEvent, type_of
from payments.services.facts import AccountEvent, PaymentEvent, RefundEvent

BY_ITSELF = "Ended by itself"
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
    RefundEvent.RELEASED: (CaseKind.REFUND_APPROVAL,),
    RefundEvent.TURNED_DOWN: (CaseKind.REFUND_APPROVAL,),
    RefundEvent.FAILED: (CaseKind.REFUND_IN_DOUBT, CaseKind.CASH_REFUND),
    AccountEvent.CREDENTIALS_CHANGED: (CaseKind.CREDENTIALS_CHANGE, CaseKind.CREDENTIALS),
    AccountEvent.CREDENTIALS_TURNED_DOWN: (CaseKind.CREDENTIALS_CHANGE,),
}


def end_cases(event: Event, actor: Actor) -> None:
    """The reason for these cases is gone; the same transaction that ended it says so."""
    waiting = Case.objects.select_for_update().filter(kind__in=_ended_kinds(event), status__in=WAITING)
    for case in waiting.filter(_whose(event)).order_by("id"):
        end_locked(case, case.resolve, f"{BY_ITSELF}: {event.type}.", actor)


def end_locked(case: Case, step: Callable[[], None], reason: str, actor: Actor) -> None:
    """Whoever is being asked about it need not answer any more."""
    case.resolution = reason
    journal = Journal(actor)
    journal.move(case, step, reason=reason)
    ended = CaseEvent.RESOLVED if case.status == CaseStatus.RESOLVED else CaseEvent.DISMISSED
    journal.happened(ended, case, kind=case.kind, subject=str(case.subject_id))
    case.save()
    journal.write()
    overtake_approvals(asked_from=case.pk, actor=actor)


def _whose(event: Event) -> Q:
    """A refund ends its own cases and those of the surplus that it gave back, a payment any that it has; new
    credentials end their own, and that of the account which was refused.
    """
    if isinstance(type_of(event), RefundEvent):
        return Q(subject_id__in=[event.data["refund"], event.data["attempt"]])
    if isinstance(type_of(event), AccountEvent):
        return Q(subject_id__in=[event.stream_id, event.data["account"]])
    return Q(payment_id=event.stream_id) | Q(subject_id=event.stream_id)


def _ended_kinds(event: Event) -> tuple[CaseKind, ...]:
    kinds = ENDS[type_of(event)]
    if event.type == RefundEvent.COMPLETED and event.data.get("surplus_left_minor") == 0:
        return (*kinds, CaseKind.SURPLUS)
    return kinds
