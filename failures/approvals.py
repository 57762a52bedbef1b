"""What a second person says about what a first one asked for, and what follows from it: one transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import Approval, ApprovalStatus, User
from accounts.services.approvals import AGREED, approve, expire_approval, reject, withdraw
from accounts.services.idempotency import Call, claim
from accounts.services.second_factor import verify_code
from events.actors import SYSTEM, Actor
from events.services import Journal
from failures.decisions import Action
from failures.models import Case, CaseStatus
from failures.services.deeds import CaseDeed, deed_on
from failures.services.facts import CaseEvent
from failures.services.giving_up import give_up
from failures.services.reopening import reopen_case
from failures.services.working import check_version
from kernel import clock
from payments.services.bill import lock_bill_of_payment
from payments.services.credential_changes import (
    CHANGE_CREDENTIALS,
    take_credentials_into_use,
    turn_down_credentials,
)
from payments.services.deeds import PaymentDeed
from payments.services.forcing import record_sighting
from payments.services.given_back import record_given_back
from payments.services.refund_approvals import approve_refund, turn_down_refund

logger = logging.getLogger(__name__)
# One tick's. Few are ever asked for, and fewer forgotten.
MOST_AT_ONCE = 100


class Verdict(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"
    WITHDRAW = "withdraw"


_DEEDS = {
    Verdict.APPROVE: CaseDeed.APPROVE,
    Verdict.REJECT: CaseDeed.REJECT,
    Verdict.WITHDRAW: CaseDeed.WITHDRAW,
}
_DOES: Mapping[str, Callable[..., None]] = {
    Action.RECORD_CHARGED: record_sighting,
    Action.RECORD_NOT_CHARGED: record_sighting,
    Action.RECORD_REFUND_MADE: record_sighting,
    Action.RECORD_REFUND_NOT_MADE: record_sighting,
    Action.RECORD_GIVEN_BACK: record_given_back,
    Action.RECORD_PAID_ELSEWHERE: give_up,
    Action.WRITE_OFF: give_up,
    Action.REOPEN: reopen_case,
    PaymentDeed.REQUEST_REFUND: approve_refund,
    CHANGE_CREDENTIALS: take_credentials_into_use,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    verdict: Verdict
    reason: str = ""
    version: int | None = None  # Of the case, as whoever answers saw it.
    has_factor: bool = False  # A second factor was shown a moment ago.
    code: str = ""  # Or here it is.


def decide_approval(*, approval_id: UUID, reply: Reply, person: User, call: Call | None = None) -> Approval:
    """Agreed to: done in the same moment, or, where it cannot be done any more, refused with nothing changed."""
    if reply.code:
        # Before anything is locked: a wrong one is counted whatever becomes of the rest.
        verify_code(person=person, code=reply.code)
        reply = replace(reply, has_factor=True)
    if _over().filter(pk=approval_id).exists():
        _expire_or_log(approval_id)  # No clock has come by: its case is released all the same.
    with transaction.atomic():
        if call is not None:
            claim(call)
        approval, case = _locked(approval_id)
        check_version(case, reply.version)
        # Each says their own words, or none: the first one's stand with what the first one did.
        with deed_on(case, _DEEDS[reply.verdict], person=person, reason=reply.reason):
            _answer(approval, reply, person)
            _go_on(approval_id, case.pk, Actor.user(person), reply.reason or AGREED)
    return Approval.objects.get(pk=approval_id)


def expire_approvals() -> int:
    """Whose time is over: their cases go back to those who asked. A clock calls this."""
    ids = list(_over().order_by("expires_at").values_list("pk", flat=True)[:MOST_AT_ONCE])
    return sum(_expire_or_log(approval_id) for approval_id in ids)


def _over() -> QuerySet[Approval]:
    return Approval.objects.filter(status=ApprovalStatus.PENDING, expires_at__lte=clock.now())


def _expire_or_log(approval_id: UUID) -> bool:
    """One that breaks holds up no other: nobody can agree to it any more, whatever it is called."""
    try:
        return _expire(approval_id)
    except Exception:
        logger.exception("expiry_failed", extra={"approval": str(approval_id)})
        return False


def _expire(approval_id: UUID) -> bool:
    with transaction.atomic():
        _, case = _locked(approval_id)
        if not expire_approval(approval_id=approval_id):
            return False
        _go_on(approval_id, case.pk, SYSTEM, "Nobody decided in time.")
    return True


def _locked(approval_id: UUID) -> tuple[Approval, Case]:
    """The bill first and the case next, as everywhere; the request itself is locked by whoever changes it."""
    approval = Approval.objects.get(pk=approval_id)
    case = Case.objects.get(pk=approval.asked_from)
    if case.payment_id is not None:
        lock_bill_of_payment(case.payment_id)
    return approval, Case.objects.select_for_update().get(pk=case.pk)


def _answer(approval: Approval, reply: Reply, person: User) -> None:
    if reply.verdict == Verdict.APPROVE:
        approve(approval_id=approval.pk, checker=person, answer=reply.reason, has_factor=reply.has_factor)
        _DOES[approval.action](approval_id=approval.pk, person=person)
    elif reply.verdict == Verdict.REJECT:
        reject(approval_id=approval.pk, checker=person, answer=reply.reason)
    else:
        withdraw(approval_id=approval.pk, person=person, answer=reply.reason)


def _go_on(approval_id: UUID, case_id: UUID, actor: Actor, reason: str) -> None:
    """What was done may have ended the case; if not, whoever asked goes on with it."""
    approval = Approval.objects.get(pk=approval_id)
    if approval.status != ApprovalStatus.DONE and approval.action == PaymentDeed.REQUEST_REFUND:
        turn_down_refund(refund_id=approval.subject_id, actor=actor, reason=reason)
    if approval.status != ApprovalStatus.DONE and approval.action == CHANGE_CREDENTIALS:
        turn_down_credentials(change_id=approval.subject_id, actor=actor, reason=reason)
    case = Case.objects.get(pk=case_id)
    journal = Journal(actor)
    if case.status == CaseStatus.WAITING_SECOND_PERSON:
        case.snoozed_until = None
        journal.move(case, case.go_on, reason=reason)
        if case.owner_id is None:  # A program asked: somebody has to take it.
            journal.move(case, case.give_back, reason=reason)
    journal.happened(CaseEvent.APPROVAL_ENDED, case, approval=str(approval_id), status=approval.status)
    case.save()
    journal.write()
