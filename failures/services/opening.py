"""The only writers of cases: opened by events in their transaction, assigned and ended by people or by evidence."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q

from accounts.models import Role, User
from accounts.services.people import works_as
from events.actors import Actor
from events.models import Event
from events.services import Journal
from failures.models import WAITING, Case, CaseKind, CaseStatus
from failures.reasons import what_is_left
from kernel.errors import ServiceError
from kernel.texts import check_reason
from payments.services.facts import PaymentEvent, RefundEvent

MAY_WORK_ON_CASES = (Role.FINANCE, Role.ADMIN)


class CaseEvent(StrEnum):
    OPENED = "case.opened"
    GREW = "case.grew"
    ASSIGNED = "case.assigned"
    RESOLVED = "case.resolved"
    DISMISSED = "case.dismissed"


class CaseRefused(ServiceError):
    code = "case_refused"


# Which event needs a human.
OPENS: dict[StrEnum, CaseKind] = {
    PaymentEvent.EXHAUSTED: CaseKind.EXHAUSTED,
    PaymentEvent.DOUBT_PROLONGED: CaseKind.IN_DOUBT,
    PaymentEvent.AMOUNT_MISMATCHED: CaseKind.AMOUNT_MISMATCH,
    PaymentEvent.COMPLETED_LATE: CaseKind.LATE_SUCCESS,
    PaymentEvent.SURPLUS_CAPTURED: CaseKind.SURPLUS,
    PaymentEvent.CONTRADICTED: CaseKind.CONTRADICTION,
    PaymentEvent.QUARANTINED: CaseKind.QUARANTINED,
    PaymentEvent.CREDENTIALS_REFUSED: CaseKind.CREDENTIALS,
    PaymentEvent.NOTICE_ORPHANED: CaseKind.ORPHAN_NOTICE,
    PaymentEvent.NOTICE_QUARANTINED: CaseKind.QUARANTINED,
    RefundEvent.FAILED: CaseKind.REFUND_FAILED,
    RefundEvent.PROLONGED: CaseKind.REFUND_IN_DOUBT,
    RefundEvent.HAND_OVER_NEEDED: CaseKind.CASH_REFUND,
    RefundEvent.STARTED_BY_PROVIDER: CaseKind.PROVIDER_REFUND,
    RefundEvent.QUARANTINED: CaseKind.QUARANTINED,
}
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
    RefundEvent.FAILED: (CaseKind.REFUND_IN_DOUBT, CaseKind.CASH_REFUND),
}
# Under this name a case's data keep what it was opened and told for before.
EARLIER = "earlier"
MOST_NEWS = 50
# Whose case it is, where the event is not about one refund and the payment is not it: one account is one worry.
SUBJECTS: dict[CaseKind, str] = {CaseKind.SURPLUS: "attempt", CaseKind.CREDENTIALS: "account"}


def open_cases(event: Event, actor: Actor) -> None:
    for kind in _opened_kinds(event):
        _open_case(event, kind, actor)


def _open_case(event: Event, kind: CaseKind, actor: Actor) -> None:
    """One open case per subject and kind; an ended one is reopened by new evidence."""
    try:
        with transaction.atomic():
            _open_or_reopen(event, kind, actor)
    except IntegrityError as error:
        # Two payments may meet the same worry in the same instant, an account's for example: then it is open by now.
        if "one_open_case_per_subject_and_kind" not in str(error):
            raise


def _open_or_reopen(event: Event, kind: CaseKind, actor: Actor) -> None:
    cases = Case.objects.select_for_update().filter(subject_id=_subject_id(event, kind), kind=kind)
    latest = cases.order_by("id").last()
    if latest is not None and latest.is_waiting:
        _add_news(latest, event, actor)
        return
    journal = Journal(actor)
    case = latest or _new_case(event, kind)
    case.data = event.data
    if latest is None:
        journal.created(case, reason=event.type)
    else:
        journal.move(case, case.reopen, reason=f"New evidence: {event.type}.")
    journal.happened(CaseEvent.OPENED, case, kind=kind.value, subject=str(case.subject_id))
    case.save()
    journal.write()


def _add_news(case: Case, event: Event, actor: Actor) -> None:
    """Whoever works on it sees all of it: what is told once is not told again after this case has ended."""
    earlier = case.data.get(EARLIER, [])
    latest = {name: value for name, value in case.data.items() if name != EARLIER}
    if event.data in (latest, *earlier):
        return
    case.data = {**event.data, EARLIER: [*earlier, latest][-MOST_NEWS:]}
    journal = Journal(actor)
    journal.note(case, step="more_news", reason=event.type)
    journal.happened(CaseEvent.GREW, case, kind=case.kind, subject=str(case.subject_id))
    case.save()
    journal.write()


def end_cases(event: Event, actor: Actor) -> None:
    """The reason for these cases is gone; the same transaction that ended it says so."""
    waiting = Case.objects.select_for_update().filter(kind__in=_ended_kinds(event), status__in=WAITING)
    for case in waiting.filter(_whose(event)).order_by("id"):
        _end(case, case.resolve, f"Ended by itself: {event.type}.", actor)


def assign_case(*, case_id: UUID, person: User) -> Case:
    with transaction.atomic():
        case = _waiting_case(case_id, person)
        case.owner = person
        journal = Journal(Actor.user(person))
        journal.move(case, case.assign, reason="Taken.")
        journal.happened(CaseEvent.ASSIGNED, case)
        case.save()
        journal.write()
    return case


def note_decision(*, case: Case, step: str, reason: str, person: User) -> None:
    """Who decided what, and why (I16): whatever the decision does, it does through its own service."""
    journal = Journal(Actor.user(person))
    journal.note(case, step=step, reason=reason)
    journal.write()


def resolve_case(*, case_id: UUID, person: User, reason: str) -> Case:
    check_reason(reason, refusal=CaseRefused)
    with transaction.atomic():
        case = _waiting_case(case_id, person)
        _check_that_it_is_over(case)
        _end(case, case.resolve, reason, Actor.user(person))
    return case


def dismiss_case(*, case_id: UUID, person: User, reason: str) -> Case:
    check_reason(reason, refusal=CaseRefused)
    with transaction.atomic():
        case = _waiting_case(case_id, person)
        _check_that_it_is_over(case)
        _end(case, case.dismiss, reason, Actor.user(person))
    return case


def _new_case(event: Event, kind: CaseKind) -> Case:
    return Case(
        restaurant_id=event.restaurant_id,
        mode=event.mode,
        kind=kind,
        payment_id=event.stream_id if event.stream_kind == "payment" else None,
        subject_id=_subject_id(event, kind),
    )


def _subject_id(event: Event, kind: CaseKind) -> UUID:
    """Two refunds of a payment are two worries; what is about no refund is about the payment, or the notice."""
    named = event.data.get(SUBJECTS.get(kind, "refund"))
    return UUID(named) if named else event.stream_id


def _whose(event: Event) -> Q:
    """A refund ends its own cases and those of the surplus that it gave back, a payment any that it has."""
    if isinstance(_type(event), RefundEvent):
        return Q(subject_id__in=[event.data["refund"], event.data["attempt"]])
    return Q(payment_id=event.stream_id) | Q(subject_id=event.stream_id)


def _opened_kinds(event: Event) -> tuple[CaseKind, ...]:
    kind = OPENS[_type(event)]
    return (kind, CaseKind.SURPLUS) if event.type == RefundEvent.FAILED and _is_of_surplus(event) else (kind,)


def _ended_kinds(event: Event) -> tuple[CaseKind, ...]:
    kinds = ENDS[_type(event)]
    if event.type == RefundEvent.COMPLETED and event.data.get("surplus_left_minor") == 0:
        return (*kinds, CaseKind.SURPLUS)
    return kinds


def _is_of_surplus(event: Event) -> bool:
    return "surplus_left_minor" in event.data


def _type(event: Event) -> StrEnum:
    return PaymentEvent(event.type) if event.type in set(PaymentEvent) else RefundEvent(event.type)


def _waiting_case(case_id: UUID, person: User) -> Case:
    case = Case.objects.select_for_update().get(pk=case_id)
    check_case(case, person)
    return case


def check_case(case: Case, person: User) -> None:
    """Whether this person may work on it, and anything is left to do."""
    if not works_as(person, MAY_WORK_ON_CASES, restaurant_id=case.restaurant_id):
        raise CaseRefused("Only finance staff of this restaurant work on its cases.", code="not_finance_here")
    if not case.is_waiting:
        raise CaseRefused(f"This case is {case.status} already: {case.resolution}", code="already_ended")


def _check_that_it_is_over(case: Case) -> None:
    """What nothing but this case still shows to people must not be put away with it."""
    sentence = what_is_left(case)
    if sentence:
        raise CaseRefused(sentence, code="not_over")


def _end(case: Case, step: Callable[[], None], reason: str, actor: Actor) -> None:
    case.resolution = reason
    journal = Journal(actor)
    journal.move(case, step, reason=reason)
    ended = CaseEvent.RESOLVED if case.status == CaseStatus.RESOLVED else CaseEvent.DISMISSED
    journal.happened(ended, case, kind=case.kind, subject=str(case.subject_id))
    case.save()
    journal.write()
