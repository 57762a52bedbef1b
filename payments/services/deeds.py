"""What named people do to payments and notices, as the audit keeps it: a name for each deed, and how both look."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from accounts.models import User
from events.actors import Actor
from events.audit import Deed, audited
from payments.models import Attempt, InboundNotice, Payment, Refund

_PAYMENT = ("status", "in_doubt", "failure_code")
_ATTEMPT = ("id", "status", "mismatch", "capture", "captured_minor", "captured_currency", "refunded_minor")
_REFUND = ("id", "status", "in_doubt", "amount_minor", "tip_minor", "currency")
_NOTICE = ("state", "claims", "tries")


class PaymentDeed(StrEnum):
    CONFIRM_CASH = "confirm_cash"
    TAKE_CASH_AGAINST_DOUBT = "take_cash_against_doubt"
    HAND_BACK_CASH = "hand_back_cash"
    HAND_OVER_REFUND = "hand_over_refund"
    RETRY = "retry"
    CANCEL = "cancel"
    REQUEST_REFUND = "request_refund"
    RESOLVE_MISMATCH = "resolve_mismatch"
    RECORD_CHARGED = "record_charged"
    RECORD_NOT_CHARGED = "record_not_charged"
    RECORD_REFUND_MADE = "record_refund_made"
    RECORD_REFUND_NOT_MADE = "record_refund_not_made"
    RECORD_GIVEN_BACK = "record_given_back"
    TAKE_UP = "take_up"
    TAKE_UP_NOTICE = "take_up_notice"


@contextmanager
def deed_on(row: Payment | InboundNotice, deed: PaymentDeed, *, actor: Actor, reason: str = "") -> Iterator[None]:
    """Under the order's lock; of a notice under its own: which payment it speaks of is known once it was read."""
    is_notice = isinstance(row, InboundNotice)
    subject = Deed(
        actor=actor,
        action=deed.value,
        subject_kind="notice" if is_notice else "payment",
        subject_id=str(row.pk),
        picture=partial(_picture_of_notice if is_notice else picture_of_payment, row.pk),
        restaurant_id=row.restaurant_id,
        mode=row.mode,
        reason=reason,
    )
    with audited(subject):
        yield


@contextmanager
def deed_of(person: User, row: Payment | InboundNotice, deed: PaymentDeed, *, reason: str = "") -> Iterator[None]:
    with deed_on(row, deed, actor=Actor.user(person), reason=reason):
        yield


def picture_of_payment(payment_id: UUID) -> dict[str, Any]:
    """States and amounts, as they stand in the database."""
    mine = {"payment_id": payment_id}
    return {
        "payment": _shown(Payment.objects.filter(pk=payment_id), _PAYMENT)[0],
        "attempts": _shown(Attempt.objects.filter(**mine).order_by("number"), _ATTEMPT),
        "refunds": _shown(Refund.objects.filter(**mine).order_by("id"), _REFUND),
    }


def _picture_of_notice(notice_id: UUID) -> dict[str, Any]:
    return {"notice": _shown(InboundNotice.objects.filter(pk=notice_id), _NOTICE)[0]}


def _shown(rows: QuerySet[Any, Any], names: tuple[str, ...]) -> list[dict[str, Any]]:
    return [{name: _plain(value) for name, value in row.items()} for row in rows.values(*names)]


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value
