"""Why a case has to stay open: what it shows is still so, and nothing else shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import F, Q, QuerySet

from accounts.models import User
from events.actors import Actor
from failures.models import Case, CaseKind
from orders.models import OrderStatus, PaymentState
from payments.models import (
    Attempt,
    Capture,
    ChangeStatus,
    CredentialChange,
    InboundNotice,
    NextAction,
    NoticeState,
    Payment,
    PaymentStatus,
    Refund,
)
from payments.models.refund import RESERVING
from payments.services.provider_refunds import Theirs
from payments.services.refund_limits import is_past_limit
from payments.services.settling import PROLONGED_DOUBT
from payments.services.timing import MAX_CLAIMS


def what_is_left(case: Case) -> str:
    """A sentence that says what to do instead of ending it, or nothing."""
    for asked, sentence in _LEFT.get(CaseKind(case.kind), ()):
        if asked(case).exists():
            return sentence
    return ""


UNPAID = "The bill is not paid. Close it by saying how it was paid, or write it off, which takes two people."


def is_unpaid(case: Case) -> bool:
    """Whether the guest still owes what this case is about, as far as anybody knows."""
    if case.kind != CaseKind.EXHAUSTED or case.payment is None or case.payment.status != PaymentStatus.FAILED:
        return False
    order = case.payment.order
    is_owed = order.payment_state in {PaymentState.UNPAID, PaymentState.PART_PAID}
    return is_owed and order.status != OrderStatus.CANCELLED


CHARGEBACK = "A chargeback is money that was lost: write it off, which takes two people."
PAST_LIMIT = "More went back than you may give back alone: write it off, which takes two people."


def why_not_alone(case: Case, person: User) -> str:
    """Money that went back past this house is put away by one person only where that one could have given it back."""
    if case.kind != CaseKind.PROVIDER_REFUND:
        return ""
    refund = Refund.objects.select_related("attempt").get(pk=case.subject_id)
    if refund.attempt.capture == Capture.SURPLUS or _came_again(refund):
        return ""
    if case.data.get("theirs") == Theirs.CHARGEBACK:
        return CHARGEBACK
    return PAST_LIMIT if is_past_limit(Actor.user(person), refund) else ""


def _came_again(refund: Refund) -> bool:
    """A chargeback that was won: the provider does not show it any more, and a case of its own says so."""
    return Case.objects.filter(kind=CaseKind.CONTRADICTION, subject_id=refund.pk).exists()


def _in_doubt(case: Case) -> QuerySet[Attempt]:
    return Attempt.objects.filter(payment=case.payment, told__contains=[PROLONGED_DOUBT])


def _undecided(case: Case) -> QuerySet[Attempt]:
    return Attempt.objects.filter(payment=case.payment, mismatch=True)


def _surplus(case: Case) -> QuerySet[Attempt]:
    return Attempt.objects.filter(pk=case.subject_id).exclude(refunded_minor=F("captured_minor"))


def _refund_under_way(case: Case) -> QuerySet[Refund]:
    return Refund.objects.filter(pk=case.subject_id, status__in=RESERVING)


def _change_waits(case: Case) -> QuerySet[CredentialChange]:
    return CredentialChange.objects.filter(pk=case.subject_id, status=ChangeStatus.WAITING)


def _asked_about(case: Case) -> QuerySet[Refund]:
    return Refund.objects.filter(pk=case.subject_id, next_action=NextAction.LOOK_UP)


def _stopped_payment(case: Case) -> QuerySet[Payment]:
    holding = [PaymentStatus.PENDING, PaymentStatus.PROCESSING]
    return Payment.objects.filter(pk=case.subject_id, status__in=holding, next_action=NextAction.NONE)


def _stopped_watch(case: Case) -> QuerySet[Attempt]:
    return Attempt.objects.filter(payment=case.subject_id, watch_claims__gt=MAX_CLAIMS, watch_at__isnull=True)


def _stopped_refund(case: Case) -> QuerySet[Refund]:
    return _refund_under_way(case).filter(next_action=NextAction.NONE)


def _stopped_notice(case: Case) -> QuerySet[InboundNotice]:
    return InboundNotice.objects.filter(pk=case.subject_id, state=NoticeState.QUARANTINED)


def _owed(case: Case) -> QuerySet[Attempt]:
    """Money that is the guest's, with no refund of it under way: of a cancelled order, more than was asked, or what
    made the order payable again and came back from the bank after somebody else had paid.
    """
    held = Attempt.objects.filter(refunds=case.subject_id, capture=Capture.KEPT)
    going_back = F("refunded_minor") + F("refunding_minor")
    of_cancelled = Q(payment__order__status=OrderStatus.CANCELLED, captured_minor__gt=going_back)
    return held.filter(of_cancelled | Q(reopened_minor__gt=going_back))


_TAKE_UP = "It is still set aside: repair what breaks and take it up again, or it stays where it is for ever."
_LEFT: dict[CaseKind, tuple[tuple[Callable[[Case], QuerySet[Any]], str], ...]] = {
    CaseKind.IN_DOUBT: ((_in_doubt, "The doubt is not over: record what the provider says, or take cash against it."),),
    CaseKind.AMOUNT_MISMATCH: ((_undecided, "The amount is not decided: keep it, or give it back."),),
    CaseKind.SURPLUS: ((_surplus, "The money has not gone back yet: ask for its refund again, or record it."),),
    CaseKind.REFUND_FAILED: ((_owed, "The guest's money has not gone back: ask for its refund again, or record it."),),
    CaseKind.REFUND_IN_DOUBT: tuple(
        (left, "The refund is not over: record what the provider says.") for left in (_refund_under_way, _asked_about)
    ),
    CaseKind.CASH_REFUND: ((_refund_under_way, "The cash was not handed over: do that, or record it as not made."),),
    CaseKind.REFUND_APPROVAL: ((_refund_under_way, "The refund waits: a second person approves or rejects it."),),
    CaseKind.CREDENTIALS_CHANGE: (
        (_change_waits, "The new credentials wait: a second person approves or rejects them."),
    ),
    CaseKind.QUARANTINED: tuple(
        (stopped, _TAKE_UP) for stopped in (_stopped_payment, _stopped_watch, _stopped_refund, _stopped_notice)
    ),
}
