"""What named people do about cases, as the audit keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from typing import Any
from uuid import UUID

from accounts.models import Approval, User
from events.actors import Actor
from events.audit import Deed, audited
from failures.models import Case, CaseKind
from payments.services.credential_changes import picture_of_change
from payments.services.deeds import picture_of_payment


class CaseDeed(StrEnum):
    ASSIGN = "assign"
    GIVE_BACK = "give_back"
    SNOOZE = "snooze"
    ASK = "ask"
    NOT_ASKED = "not_asked"  # In the history: the press before it reached nobody.
    ANSWERED = "answered"  # In the history: what the provider said to the press before it.
    NOTE = "note"
    ADD_FILE = "add_file"
    OPEN_FILE = "open_file"
    ASK_TO_RECORD_CHARGED = "ask_to_record_charged"  # Each of these is done when a second person agrees.
    ASK_TO_RECORD_NOT_CHARGED = "ask_to_record_not_charged"
    ASK_TO_RECORD_REFUND_MADE = "ask_to_record_refund_made"
    ASK_TO_RECORD_REFUND_NOT_MADE = "ask_to_record_refund_not_made"
    ASK_TO_RECORD_GIVEN_BACK = "ask_to_record_given_back"
    ASK_TO_RECORD_PAID_ELSEWHERE = "ask_to_record_paid_elsewhere"
    ASK_TO_WRITE_OFF = "ask_to_write_off"
    ASK_TO_REOPEN = "ask_to_reopen"
    RESOLVE = "resolve"
    DISMISS = "dismiss"
    APPROVE = "approve"
    REJECT = "reject"
    WITHDRAW = "withdraw"


@contextmanager
def deed_on(case: Case, deed: StrEnum, *, person: User, reason: str = "") -> Iterator[None]:
    """Under the lock of the case, and of the order where it is about a payment's money."""
    subject = Deed(
        actor=Actor.user(person),
        action=deed.value,
        subject_kind="case",
        subject_id=str(case.pk),
        picture=partial(_picture_of, case.pk),
        restaurant_id=case.restaurant_id,
        mode=case.mode,
        reason=reason,
    )
    with audited(subject):
        yield


def _picture_of(case_id: UUID) -> dict[str, Any]:
    case = Case.objects.get(pk=case_id)
    seen = {
        "kind": case.kind,
        "status": case.status,
        "owner": str(case.owner_id) if case.owner_id else None,
        "snoozed_until": case.snoozed_until.isoformat() if case.snoozed_until else None,
        "outcome": case.outcome,
        "notes": case.notes.count(),
        "asked": list(_asked(case_id)),
        "files": list(case.files.order_by("id").values_list("sha256", flat=True)),
    }
    return {"case": seen, **_subject_of(case)}


def _subject_of(case: Case) -> dict[str, Any]:
    if case.kind == CaseKind.CREDENTIALS_CHANGE:
        return picture_of_change(case.subject_id)
    return picture_of_payment(case.payment_id) if case.payment_id else {}


def _asked(case_id: UUID) -> Iterator[dict[str, str]]:
    """Of a second person, so far."""
    for approval in Approval.objects.filter(asked_from=case_id).order_by("id"):
        yield {"approval": str(approval.pk), "action": approval.action, "status": approval.status}
