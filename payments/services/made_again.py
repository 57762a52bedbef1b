"""A refund that failed is made again at most once: not where its money went back since, whoever gave it."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db import transaction

from events.actors import Actor
from kernel.money import Money
from payments.models import Attempt, Capture, Refund, RefundOrigin, RefundStatus
from payments.services.bill import lock_bill_of_payment
from payments.services.refund_requests import request_refund, tip_left_in
from payments.services.refusals import RefundRefused

GOING_BACK = "All of it is on its way back, or has gone back."
_SENT_TWICE = (
    "Sent again, it would go back twice. If the guest is owed as much once more, give it back on the payment's page."
)
_AFTER_ALL = "It went back after all."
_STANDING = {
    RefundStatus.COMPLETED: "was made",
    RefundStatus.REQUESTED: "is on its way",
    RefundStatus.PROCESSING: "is on its way",
    RefundStatus.WAITING_APPROVAL: "waits for a second person",
}
_WHERE = {RefundOrigin.PROVIDER: " on the provider's own pages", RefundOrigin.OUTSIDE: " in another way"}


def make_refund_again(*, failed_id: UUID, reason: str, actor: Actor, refund_id: UUID | None = None) -> Refund:
    """Of the same share and tip, with a key of its own: the provider has refused the other one for good."""
    with transaction.atomic():
        bill = lock_bill_of_payment(Refund.objects.values_list("payment_id", flat=True).get(pk=failed_id))
        failed = Refund.objects.get(pk=failed_id)
        attempt = bill.attempt(failed.attempt_id)
        refunds = list(Refund.objects.filter(attempt=attempt))
        refusal = refusal_to_make_again(failed, attempt, refunds)
        if refusal is not None:
            raise refusal
        share, tip = what_is_left_of(failed, attempt, refunds)
        return request_refund(
            payment_id=failed.payment_id,
            refund_id=refund_id,
            attempt_id=failed.attempt_id,
            amount_minor=share,
            tip_minor=tip,
            reopens_order=failed.reopens_order,
            again_of=failed,
            reason=reason,
            actor=actor,
        )


def last_failed_of(attempt_id: UUID) -> Refund | None:
    """Of a surplus that no provider took back: whoever waits for it waits for any that gives it back."""
    failed = Refund.objects.filter(attempt=attempt_id, status=RefundStatus.FAILED)
    return failed.order_by("created_at", "id").last()


def what_is_left_of(failed: Refund, attempt: Attempt, refunds: Iterable[Refund]) -> tuple[int, int]:
    """Share and tip, as much of both as is still here: some may have gone back at the provider. Of a surplus all."""
    if attempt.capture == Capture.SURPLUS:
        return attempt.refundable_minor, 0
    tip_left = tip_left_in(attempt, refunds)
    return min(failed.amount_minor, attempt.refundable_minor - tip_left), min(failed.tip_minor, tip_left)


def refusal_to_make_again(failed: Refund, attempt: Attempt, refunds: Iterable[Refund]) -> RefundRefused | None:
    """The one rule, for whoever asks, under the bill's lock, and for the page that offers it."""
    return refusal_to_count_twice(failed, attempt, refunds, _SENT_TWICE)


def refusal_to_count_twice(
    failed: Refund, attempt: Attempt, refunds: Iterable[Refund], twice: str
) -> RefundRefused | None:
    """`twice` says what would come of it. A surplus goes back whole: what is still here of it has not gone."""
    if failed.status != RefundStatus.FAILED:
        return RefundRefused(_AFTER_ALL, code="given_back_since")
    since = given_back_since(failed, refunds) if attempt.capture != Capture.SURPLUS else None
    if since is not None:
        return RefundRefused(f"{_how_it_went_back(since)} {twice}", code="given_back_since")
    return None if attempt.refundable_minor else RefundRefused(GOING_BACK, code="nothing_to_refund")


def given_back_since(failed: Refund, refunds: Iterable[Refund]) -> Refund | None:
    """In its place, or as much of the same capture, made or under way: nobody can tell it from the one that failed."""
    others = (each for each in refunds if each.pk != failed.pk and each.attempt_id == failed.attempt_id)
    since = (each for each in others if each.created_at >= failed.created_at and each.status in _STANDING)
    return next(
        (each for each in since if failed.pk == each.again_of_id or each.total_minor == failed.total_minor), None
    )


def _how_it_went_back(since: Refund) -> str:
    money = Money(since.total_minor, since.currency).display()
    stands, where = _STANDING[RefundStatus(since.status)], _WHERE.get(RefundOrigin(since.origin), "")
    return f"Since it failed, another refund of {money} {stands}{where}."
