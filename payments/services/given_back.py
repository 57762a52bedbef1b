"""What a guest was given past every provider, in cash or by a transfer: it counts once a second person agrees."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Self
from uuid import UUID

from django.db import transaction

from accounts.models import Approval, User
from accounts.services.approvals import Wanted, ask_approval, use_approval
from events.actors import Actor
from events.services import Journal
from kernel import clock
from kernel.money import Money
from payments.models import Attempt, Capture, Refund, RefundOrigin
from payments.services.bill import lock_bill_of_payment
from payments.services.by_hand import check_finance
from payments.services.deeds import PaymentDeed, deed_on
from payments.services.evidence import Evidence, Finding, Source
from payments.services.made_again import GOING_BACK, last_failed_of, refusal_to_count_twice, what_is_left_of
from payments.services.refund_requests import check_refund, reserve_refund, save_reservation, tip_left_in
from payments.services.refund_settlement import settle_refund
from payments.services.refusals import RefundRefused
from payments.services.rehearsals import check_that_it_comes_out_the_same, rehearsed


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenBack:
    """The refund as it will stand in the books. It has its id from the beginning, so that it is made once."""

    refund_id: UUID
    payment_id: UUID
    attempt_id: UUID
    failed_id: UUID | None  # In whose place it stands. Of a surplus none need have failed.
    asked_by: str
    reason: str
    approval_id: UUID | None = None

    @classmethod
    def approved_by(cls, approval: Approval) -> Self:
        said = approval.data
        return cls(
            refund_id=approval.subject_id,
            payment_id=UUID(said["payment"]),
            attempt_id=UUID(said["attempt"]),
            failed_id=UUID(said["again_of"]) if said["again_of"] else None,
            asked_by=str(approval.maker_id),
            reason=approval.reason,
            approval_id=approval.pk,
        )


def ask_to_record_given_back(
    *, payment_id: UUID, subject_id: UUID, person: User, reason: str, asked_from: UUID
) -> Approval:
    """Of a refund that failed as much of it as is still here; of an attempt whose money was not due all that is."""
    with transaction.atomic():
        bill = lock_bill_of_payment(payment_id)
        payment = bill.payment(payment_id)
        check_finance(payment.restaurant_id, person, reason)
        failed = Refund.objects.filter(pk=subject_id, payment=payment_id).first() or last_failed_of(subject_id)
        given = GivenBack(
            refund_id=clock.new_id(),
            payment_id=payment_id,
            attempt_id=failed.attempt_id if failed else subject_id,
            failed_id=failed.pk if failed else None,
            asked_by=str(person.pk),
            reason=reason,
        )
        before, after = rehearsed(payment_id, partial(_record, given, Actor.user(person)))
        wanted = Wanted(
            restaurant_id=payment.restaurant_id,
            mode=payment.mode,
            action=PaymentDeed.RECORD_GIVEN_BACK.value,
            subject_id=given.refund_id,
            reason=reason,
            asked_from=asked_from,
            data=_data_of(given, bill.attempt(given.attempt_id), failed),
            before=before,
            after=after,
        )
        return ask_approval(wanted, maker=person, actor=Actor.user(person))


def record_given_back(*, approval_id: UUID, person: User) -> None:
    """In the transaction in which the second person agrees. Nothing is sent, and no provider is told."""
    with transaction.atomic():
        approval = Approval.objects.get(pk=approval_id)
        given, actor = GivenBack.approved_by(approval), Actor.user(person)
        payment = lock_bill_of_payment(given.payment_id).payment(given.payment_id)
        do = partial(_record, given, actor)
        check_that_it_comes_out_the_same(approval, given.payment_id, do)
        with deed_on(payment, PaymentDeed.RECORD_GIVEN_BACK, actor=actor, reason=given.reason):
            use_approval(
                approval_id=approval_id,
                action=PaymentDeed.RECORD_GIVEN_BACK.value,
                subject_id=given.refund_id,
                actor=actor,
            )
            do()


def refusal_to_record_given_back(
    attempt: Attempt, failed: Refund | None, refunds: Iterable[Refund]
) -> RefundRefused | None:
    """The one rule, for whoever says it, under the bill's lock, and for the page that offers it."""
    if failed is not None:
        twice = "Recorded as well, it would count twice."
        return refusal_to_count_twice(failed, attempt, _in_its_place(failed, refunds), twice)
    if attempt.capture != Capture.SURPLUS:
        return RefundRefused("No refund of it failed: give it back on the payment's page.", code="nothing_to_refund")
    return None if attempt.refundable_minor else RefundRefused(GOING_BACK, code="nothing_to_refund")


def _in_its_place(failed: Refund, refunds: Iterable[Refund]) -> list[Refund]:
    """What people asked for before it had failed was for something else. On the provider's pages it is made at once."""

    def may_be(each: Refund) -> bool:
        is_theirs = each.origin == RefundOrigin.PROVIDER or each.again_of_id == failed.pk
        return is_theirs or failed.finished_at is None or each.created_at >= failed.finished_at

    return [each for each in refunds if may_be(each)]


def _record(given: GivenBack, actor: Actor) -> None:
    bill = lock_bill_of_payment(given.payment_id)
    attempt = bill.attempt(given.attempt_id)
    refunds = list(Refund.objects.filter(attempt=attempt))
    failed = next((each for each in refunds if each.pk == given.failed_id), None)
    refusal = refusal_to_record_given_back(attempt, failed, refunds)
    if refusal is not None:
        raise refusal
    share, tip = _amounts(attempt, failed, refunds)
    check_refund(attempt, share, tip, tip_left_in(attempt, refunds))
    journal = Journal(actor)
    refund = reserve_refund(
        refund_id=given.refund_id,
        attempt=attempt,
        amount_minor=share,
        tip_minor=tip,
        origin=RefundOrigin.OUTSIDE,
        reason=given.reason,
        journal=journal,
        reopens_order=failed is not None and failed.reopens_order,
        is_handed_over=True,
        again_of=failed,
        asked_by=given.asked_by,
    )
    save_reservation(attempt, journal)
    evidence = Evidence(
        source=Source.OPERATOR,
        finding=Finding.SUCCEEDED,
        money=Money(refund.total_minor, refund.currency),
        message=given.reason,
        approval_id=given.approval_id,
    )
    settle_refund(refund_id=refund.pk, evidence=evidence, actor=actor)


def _amounts(attempt: Attempt, failed: Refund | None, refunds: Iterable[Refund]) -> tuple[int, int]:
    return what_is_left_of(failed, attempt, refunds) if failed else (attempt.refundable_minor, 0)


def _data_of(given: GivenBack, attempt: Attempt, failed: Refund | None) -> dict[str, Any]:
    share, tip = _amounts(attempt, failed, Refund.objects.filter(attempt=attempt))
    return {
        "payment": str(given.payment_id),
        "attempt": str(given.attempt_id),
        "again_of": str(failed.pk) if failed else None,
        "amount_minor": share,
        "tip_minor": tip,
        "reopens_order": failed is not None and failed.reopens_order,
        "currency": attempt.captured_currency,
    }
