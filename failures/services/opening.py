"""Cases are opened by events, in their transaction: there is no instant without the case."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts.services.approvals import overtake_approvals
from events.actors import Actor
from events.models import Event
from events.services import Journal
from failures.models import DONE, GIVEN_UP, Case, CaseKind
from failures.reasons import given_up_in, unpaid_of_bill
from failures.services.facts import CaseEvent, type_of
from payments.services.facts import AFTER_FAILURES, AccountEvent, PaymentEvent, RefundEvent

# Which event needs a human.
OPENS: dict[StrEnum, CaseKind] = {
    PaymentEvent.EXHAUSTED: CaseKind.EXHAUSTED,
    PaymentEvent.DOUBT_PROLONGED: CaseKind.IN_DOUBT,
    PaymentEvent.AMOUNT_MISMATCHED: CaseKind.AMOUNT_MISMATCH,
    PaymentEvent.COMPLETED_LATE: CaseKind.LATE_SUCCESS,
    PaymentEvent.COMPLETED: CaseKind.LATE_SUCCESS,  # Of a bill that was given up.
    PaymentEvent.SURPLUS_CAPTURED: CaseKind.SURPLUS,
    PaymentEvent.CONTRADICTED: CaseKind.CONTRADICTION,
    PaymentEvent.QUARANTINED: CaseKind.QUARANTINED,
    PaymentEvent.CREDENTIALS_REFUSED: CaseKind.CREDENTIALS,
    PaymentEvent.NOTICE_ORPHANED: CaseKind.ORPHAN_NOTICE,
    PaymentEvent.NOTICE_QUARANTINED: CaseKind.QUARANTINED,
    RefundEvent.FAILED: CaseKind.REFUND_FAILED,
    RefundEvent.PROLONGED: CaseKind.REFUND_IN_DOUBT,
    RefundEvent.APPROVAL_NEEDED: CaseKind.REFUND_APPROVAL,
    RefundEvent.HAND_OVER_NEEDED: CaseKind.CASH_REFUND,
    RefundEvent.STARTED_BY_PROVIDER: CaseKind.PROVIDER_REFUND,
    RefundEvent.QUARANTINED: CaseKind.QUARANTINED,
    AccountEvent.CREDENTIALS_ENTERED: CaseKind.CREDENTIALS_CHANGE,
}
# Under this name a case's data keep what it was opened and told for before.
EARLIER = "earlier"
# And under this one, as what the bill was given up that is paid now.
GIVEN_UP_AS = "given_up_as"
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
    given_up = _given_up(event) if event.type == PaymentEvent.COMPLETED else ""
    case.data = {**event.data, **({GIVEN_UP_AS: given_up} if given_up else {})}
    if latest is None:
        journal.created(case, reason=event.type)
    else:
        journal.move(case, case.reopen, reason=f"New evidence: {event.type}.")
    journal.happened(CaseEvent.OPENED, case, kind=kind.value, subject=str(case.subject_id))
    case.save()
    journal.write()
    overtake_approvals(asked_from=case.pk, actor=actor)


def _add_news(case: Case, event: Event, actor: Actor) -> None:
    """Whoever works on it sees all of it: what is told once is not told again after this case has ended."""
    ours = {name: case.data[name] for name in (EARLIER, GIVEN_UP_AS) if name in case.data}
    latest = {name: value for name, value in case.data.items() if name not in ours}
    earlier = ours.get(EARLIER, [])
    if event.data in (latest, *earlier):
        return
    case.data = {**event.data, **ours, EARLIER: [*earlier, latest][-MOST_NEWS:]}
    case.snoozed_until = None
    journal = Journal(actor)
    journal.note(case, step="more_news", reason=event.type)
    journal.happened(CaseEvent.GREW, case, kind=case.kind, subject=str(case.subject_id))
    case.save()
    journal.write()


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


def _opened_kinds(event: Event) -> tuple[CaseKind, ...]:
    kind = OPENS[type_of(event)]
    if event.type == PaymentEvent.COMPLETED:
        return (kind,) if event.data.get(AFTER_FAILURES) and _given_up(event) else ()
    return (kind, CaseKind.SURPLUS) if event.type == RefundEvent.FAILED and _is_of_surplus(event) else (kind,)


def _given_up(event: Event) -> str:
    """How money of this bill was, which two people took for paid elsewhere or for lost, and which is paid now. Whoever
    pays a share that nobody had given up pays what is due.
    """
    of_bill = Case.objects.filter(payment__order__payments=event.stream_id, kind=CaseKind.EXHAUSTED)
    given_up = of_bill.filter(outcome__in=GIVEN_UP, status__in=DONE).order_by("closed_at")
    last = given_up.values_list("outcome", flat=True).last()
    return last if last and unpaid_of_bill(event.stream_id) < given_up_in(given_up) else ""


def _is_of_surplus(event: Event) -> bool:
    return "surplus_left_minor" in event.data
