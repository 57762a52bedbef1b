"""Whose word it is that money moved or did not: the provider's, the waiter's, or that of people who saw it there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery

from accounts.models import Approval, ApprovalStatus
from payments.models import Attempt, AttemptStatus, Capture, Payment, PaymentStatus, Refund, RefundOrigin, RefundStatus
from payments.services.deeds import PaymentDeed
from payments.services.providers import facts_of


class Whose(StrEnum):
    PROVIDER = "provider"
    WAITER = "waiter"
    PEOPLE = "people"  # One recorded it, with evidence, and another one agreed.


_OF_REFUNDS: Final[Mapping[str, PaymentDeed]] = {
    RefundStatus.COMPLETED: PaymentDeed.RECORD_REFUND_MADE,
    RefundStatus.FAILED: PaymentDeed.RECORD_REFUND_NOT_MADE,
}
_RECORDS: Final = (
    *(PaymentDeed.RECORD_CHARGED, PaymentDeed.RECORD_NOT_CHARGED),
    *(*_OF_REFUNDS.values(), PaymentDeed.RECORD_GIVEN_BACK),
)


# Of approvals: what is not only asked for, but so.
IS_RECORDED: Final = Q(checker__isnull=False, status=ApprovalStatus.DONE, action__in=_RECORDS)


def recorded_by_people(rows: Iterable[Attempt | Refund]) -> frozenset[UUID]:
    """Of these, which stand as people recorded. A provider that says something else since has the last word."""
    might = perhaps_recorded(rows)
    done = Approval.objects.filter(IS_RECORDED, subject_id__in=might).order_by("id")
    return as_recorded(rows, done) if might else frozenset()


def perhaps_recorded(rows: Iterable[Attempt | Refund]) -> list[UUID]:
    """The others stand as no person can have recorded them."""
    return [row.pk for row in rows if _deed_that_led_to(row) is not None]


def as_recorded(rows: Iterable[Attempt | Refund], approvals: Iterable[Approval]) -> frozenset[UUID]:
    """The same, of a page that has read the approvals of all its rows, the oldest first."""
    last = {each.subject_id: each.action for each in approvals if each.status == ApprovalStatus.DONE}
    return frozenset(row.pk for row in rows if row.pk in last and last[row.pk] == _deed_that_led_to(row))


def _deed_that_led_to(row: Attempt | Refund) -> PaymentDeed | None:
    """If a person did it."""
    if isinstance(row, Refund):
        is_outside = row.origin == RefundOrigin.OUTSIDE
        return PaymentDeed.RECORD_GIVEN_BACK if is_outside else _OF_REFUNDS.get(row.status)
    if row.captured_minor:
        return PaymentDeed.RECORD_CHARGED
    return PaymentDeed.RECORD_NOT_CHARGED if row.status == AttemptStatus.NOT_CHARGED else None


def whose_word_of(row: Attempt | Refund) -> Whose:
    if recorded_by_people([row]):
        return Whose.PEOPLE
    return Whose.WAITER if facts_of(row.account).is_manual else Whose.PROVIDER


def with_whose_word(payments: QuerySet[Payment]) -> QuerySet[Payment]:
    """For a page of one: what `whose_word_of_payment` reads, in the question that reads the payment."""
    mine = Attempt.objects.filter(payment=OuterRef("pk"))
    last = Attempt.objects.filter(payment=OuterRef("payment")).order_by("-number").values("pk")[:1]
    kept, refused = mine.filter(capture=Capture.KEPT), mine.filter(pk=Subquery(last), status=AttemptStatus.NOT_CHARGED)
    return payments.annotate(
        is_charge_recorded=Exists(kept.filter(_is_recorded(PaymentDeed.RECORD_CHARGED))),
        is_refusal_recorded=Exists(refused.filter(_is_recorded(PaymentDeed.RECORD_NOT_CHARGED))),
    )


def _is_recorded(deed: PaymentDeed) -> Exists:
    return Exists(Approval.objects.filter(IS_RECORDED, subject_id=OuterRef("pk"), action=deed))


def whose_word_of_payment(payment: Any) -> Whose:
    """Of one that was read with it: whose it is that it was paid, or that it was not."""
    by_people = {
        PaymentStatus.COMPLETED: payment.is_charge_recorded,  # By that of its attempts whose money is kept.
        PaymentStatus.FAILED: payment.is_refusal_recorded,  # By the last of them.
    }
    return Whose.PEOPLE if by_people.get(payment.status) else Whose.PROVIDER
