"""Why a case has to stay open, or cannot have ended as somebody says: what it shows is still so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db.models import F, Q, QuerySet

from accounts.models import Approval, ApprovalStatus, User
from events.actors import Actor
from failures.models import FITTING, GIVEN_UP, GIVING_UP, Case, CaseKind, Outcome
from orders.models import Order, OrderStatus, PaymentState
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
    RefundStatus,
)
from payments.models.refund import RESERVING
from payments.services.bill import Bill
from payments.services.made_again import given_back_since
from payments.services.provider_refunds import Theirs
from payments.services.refund_limits import is_past_limit
from payments.services.settling import PROLONGED_DOUBT
from payments.services.timing import MAX_CLAIMS


def what_is_left(case: Case) -> str:
    """A sentence that says what to do instead of ending it, or nothing."""
    if case.kind == CaseKind.EXHAUSTED and case.payment is not None and case.payment.holds_its_share:
        return TRIED_IN_DOUBT if case.payment.in_doubt else BEING_TRIED
    for asked, sentence in _LEFT.get(CaseKind(case.kind), ()):
        if asked(case).exists():
            return sentence
    return ""


UNPAID = (
    "The bill is not paid. Try again, or let a waiter take cash; or let a second person agree that it was paid in "
    "another way, or is lost."
)
BEING_TRIED = "It is being tried again, and is not over: its answer comes by itself."
TRIED_IN_DOUBT = "It was tried again, and nobody knows yet whether it was charged. Ask the provider first."
UNDECIDED = "The amount is not decided: keep it, or give it back."
CHARGEBACK = "A chargeback is money that was lost: write it off, which takes two people."
PAST_LIMIT = "More went back than you may give back alone: write it off, which takes two people."
# How a case ends by an action of its own that takes two is chosen by nobody alone: what to do instead.
SAID_BY_TWO: Mapping[str, str] = {
    Outcome.WRITTEN_OFF: "A loss is written off by two people: ask for that.",
    Outcome.GIVEN_BACK_ELSEWHERE: (
        "That it was given back in another way is recorded by two people: ask for that where the case offers it, or "
        "give it back on the payment's page."
    ),
}
CHOSEN = tuple(each for each in Outcome if each not in SAID_BY_TWO)


def why_not_alone(case: Case, person: User) -> str:
    """What one person does not put away, whatever it is called: money that is owed, or that went past this house."""
    if is_unpaid(case):
        return UNPAID
    if case.kind != CaseKind.PROVIDER_REFUND:
        return ""
    refund = Refund.objects.select_related("attempt").get(pk=case.subject_id)
    if refund.attempt.capture == Capture.SURPLUS or _came_again(refund):
        return ""
    if case.data.get("theirs") == Theirs.CHARGEBACK:
        return CHARGEBACK
    return PAST_LIMIT if is_past_limit(Actor.user(person), refund) else ""


def is_unpaid(case: Case) -> bool:
    """Whether the guest still owes what this case is about, as far as anybody knows, and nobody has given it up."""
    if case.kind != CaseKind.EXHAUSTED or case.payment is None or case.payment.status != PaymentStatus.FAILED:
        return False
    order = case.payment.order
    if (
        order.payment_state not in {PaymentState.UNPAID, PaymentState.PART_PAID}
        or order.status == OrderStatus.CANCELLED
    ):
        return False
    given_up = given_up_besides(case)
    if not given_up:
        return True
    return _unpaid_of(order) > given_up


def unpaid_of_bill(payment_id: UUID) -> int:
    """What of it is not paid, as the books stand."""
    return _unpaid_of(Order.objects.get(payments=payment_id))


def _unpaid_of(order: Order) -> int:
    attempts = Attempt.objects.filter(payment__order=order.pk)
    return Bill(order=order, attempts=list(attempts)).due_minor


def given_up_besides(case: Case) -> int:
    """Of the same bill, in other cases of guests who did not pay: what is given up once is not owed a second time."""
    failed = Case.objects.filter(payment__order__payments=case.payment, kind=CaseKind.EXHAUSTED, outcome__in=GIVEN_UP)
    return given_up_in(failed.exclude(pk=case.pk))


def given_up_in(cases: QuerySet[Case]) -> int:
    """How much two people took for paid in another way, or for lost."""
    mine = cases.order_by().values("pk")
    agreed = Approval.objects.filter(asked_from__in=mine, action__in=GIVING_UP, status=ApprovalStatus.DONE)
    # A case that was opened again and given up again: the last word counts.
    last = dict(agreed.order_by("id").values_list("asked_from", "data__amount_minor"))
    return sum(last.values())


def _came_again(refund: Refund) -> bool:
    """A chargeback that was won: the provider does not show it any more, and a case of its own says so."""
    return Case.objects.filter(kind=CaseKind.CONTRADICTION, subject_id=refund.pk).exists()


def outcomes_for(case: Case, refunds: Sequence[Refund]) -> list[Outcome]:
    """How this case can have ended, as it is now."""
    fitting = FITTING.get(CaseKind(case.kind), CHOSEN)
    return [each for each in fitting if not why_not_so(case, each, refunds)]


def why_not_so(case: Case, outcome: Outcome | str, refunds: Iterable[Refund]) -> str:
    """Whoever counts how cases ended must be able to believe it: what the books say against it is no end.

    `refunds` are those of the payment, which a page has read already.
    """
    if outcome == Outcome.GIVEN_BACK:
        return _not_given_back(case, list(refunds))
    check = _SAYS_AGAINST.get(Outcome(outcome)) if outcome else None
    return check(case) if check else ""


def _not_paid(case: Case) -> str:
    if case.payment is None or case.payment.status == PaymentStatus.COMPLETED or _is_order_paid(case.payment):
        return ""
    return "As the books stand nothing came in, and the order is not paid."


def _not_paid_elsewhere(case: Case) -> str:
    is_open = case.payment is not None and not _is_order_paid(case.payment)
    return "As the books stand the order is not paid." if is_open else ""


def _is_paid(case: Case) -> str:
    is_paid = case.payment is not None and case.payment.status == PaymentStatus.COMPLETED
    return "As the books stand the money came in." if is_paid else ""


def _not_given_back(case: Case, refunds: Sequence[Refund]) -> str:
    """Made, or on its way. What a second person may still say no to is neither."""
    if case.payment_id is None:
        return ""
    going = [each for each in refunds if each.status in _GOING_BACK]
    if case.kind in _OF_REFUNDS:
        mine = [each for each in refunds if each.pk == case.subject_id]
        went_back = any(each.status == RefundStatus.COMPLETED or given_back_since(each, going) for each in mine)
    else:
        went_back = bool(going)
    return "" if went_back else "As the books stand nothing went back."


def _is_order_paid(payment: Payment) -> bool:
    return payment.order.payment_state in {PaymentState.PAID, PaymentState.REFUNDED}


_GOING_BACK = (RefundStatus.COMPLETED, RefundStatus.REQUESTED, RefundStatus.PROCESSING)
_OF_REFUNDS = (CaseKind.REFUND_FAILED, CaseKind.REFUND_IN_DOUBT, CaseKind.CASH_REFUND)
_SAYS_AGAINST: dict[Outcome, Callable[[Case], str]] = {
    Outcome.PAID: _not_paid,
    Outcome.PAID_ELSEWHERE: _not_paid_elsewhere,
    Outcome.NEVER_PAID: _is_paid,
}


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
    CaseKind.IN_DOUBT: (
        (_in_doubt, "The doubt is not over: record what the provider says, or let a waiter take cash."),
    ),
    CaseKind.AMOUNT_MISMATCH: ((_undecided, UNDECIDED),),
    CaseKind.SURPLUS: ((_surplus, "The money has not gone back yet. It is the guest's: the case stays until it has."),),
    CaseKind.REFUND_FAILED: (
        (_owed, "The guest's money has not gone back. It is the guest's: the case stays until it has."),
    ),
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
