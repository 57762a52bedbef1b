"""A refund that failed is made again at most once: not where its money went back since, whoever gave it."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db import transaction

from events.actors import Actor
from kernel.money import Money
from payments.models import Refund, RefundOrigin, RefundStatus
from payments.services.bill import lock_bill_of_payment
from payments.services.refund_requests import request_refund
from payments.services.refusals import RefundRefused

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
        lock_bill_of_payment(Refund.objects.values_list("payment_id", flat=True).get(pk=failed_id))
        failed = Refund.objects.get(pk=failed_id)
        refusal = refusal_to_make_again(failed, Refund.objects.filter(attempt=failed.attempt_id))
        if refusal is not None:
            raise refusal
        return request_refund(
            payment_id=failed.payment_id,
            refund_id=refund_id,
            attempt_id=failed.attempt_id,
            amount_minor=failed.amount_minor,
            tip_minor=failed.tip_minor,
            reopens_order=failed.reopens_order,
            again_of=failed,
            reason=reason,
            actor=actor,
        )


def refusal_to_make_again(failed: Refund, refunds: Iterable[Refund]) -> RefundRefused | None:
    """The one rule, for whoever asks, under the bill's lock, and for the page that offers it."""
    went = how_it_went_back(failed, refunds)
    if not went:
        return None
    if failed.status != RefundStatus.FAILED:
        return _refused(went)
    return _refused(
        f"{went} Sent again, it would go back twice. If the guest is owed as much once more, give it back on the "
        "payment's page."
    )


def how_it_went_back(failed: Refund, refunds: Iterable[Refund]) -> str:
    """A sentence; empty: it did not, as far as anybody knows."""
    if failed.status != RefundStatus.FAILED:
        return "It went back after all."
    since = given_back_since(failed, refunds)
    if since is None:
        return ""
    money = Money(since.total_minor, since.currency).display()
    stands, where = _STANDING[RefundStatus(since.status)], _WHERE.get(RefundOrigin(since.origin), "")
    return f"Since it failed, another refund of {money} {stands}{where}."


def given_back_since(failed: Refund, refunds: Iterable[Refund]) -> Refund | None:
    """As much of the same capture, made or under way: nobody can tell it from the one that failed."""
    others = (each for each in refunds if each.pk != failed.pk and each.attempt_id == failed.attempt_id)
    since = (each for each in others if each.created_at >= failed.created_at and each.status in _STANDING)
    return next((each for each in since if each.total_minor == failed.total_minor), None)


def _refused(sentence: str) -> RefundRefused:
    return RefundRefused(sentence, code="given_back_since")
