"""What people saw at a provider that gives no evidence itself: one says it, another one agrees, and then it is so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self
from uuid import UUID

from django.db import transaction

from accounts.models import Approval, User
from accounts.services.approvals import Wanted, ask_approval, use_approval
from events.actors import Actor
from kernel.money import MAX_MINOR, Money
from payments.models import Attempt, AttemptStatus, NextAction, Payment, Refund, RefundStatus
from payments.services.bill import lock_bill_of_payment
from payments.services.by_hand import check_finance, settling_by_hand
from payments.services.deeds import PaymentDeed, deed_on
from payments.services.evidence import Evidence, Finding, Source
from payments.services.provider_refunds import made_by_hand
from payments.services.refund_settlement import OPEN, settle_refund
from payments.services.refusals import PaymentRefused, RefundRefused
from payments.services.rehearsals import check_that_it_comes_out_the_same, rehearsed
from payments.services.settlement import settle_locked

# What was seen, by the name of saying it.
OF_CHARGES: Mapping[PaymentDeed, Finding] = {
    PaymentDeed.RECORD_CHARGED: Finding.SUCCEEDED,
    PaymentDeed.RECORD_NOT_CHARGED: Finding.NOT_CHARGED,
}
OF_REFUNDS: Mapping[PaymentDeed, Finding] = {
    PaymentDeed.RECORD_REFUND_MADE: Finding.SUCCEEDED,
    PaymentDeed.RECORD_REFUND_NOT_MADE: Finding.NOT_CHARGED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One attempt or refund, and what somebody saw of it. Whatever else its payment tries is not meant by it."""

    deed: PaymentDeed
    payment_id: UUID
    subject_id: UUID
    reason: str
    captured_minor: int | None = None
    approval_id: UUID | None = None

    @classmethod
    def approved_by(cls, approval: Approval) -> Self:
        return cls(
            deed=PaymentDeed(approval.action),
            payment_id=UUID(approval.data["payment"]),
            subject_id=approval.subject_id,
            reason=approval.reason,
            captured_minor=approval.data.get("captured_minor"),
            approval_id=approval.pk,
        )


class OtherAmount(PaymentRefused):
    """What somebody says was captured is not what was to be charged: a slip of the keyboard, or news."""

    code = "other_amount"

    def __init__(self, *, written: Money, asked: Money) -> None:
        sentence = f"You write {written.display()}; {asked.display()} was to be charged."
        super().__init__(sentence, field="amount")
        self.written, self.asked = written, asked


def other_amount(attempt: Attempt, captured_minor: int) -> OtherAmount | None:
    """The one rule, for whoever says it and for the pages that show it. What it leads to is decided later."""
    if captured_minor == attempt.amount_minor or not _may_be_captured(captured_minor):
        return None
    written, asked = (Money(minor, attempt.currency) for minor in (captured_minor, attempt.amount_minor))
    return OtherAmount(written=written, asked=asked)


def ask_to_record_charge(
    *,
    payment_id: UUID,
    deed: PaymentDeed,
    person: User,
    reason: str,
    asked_from: UUID,
    captured_minor: int | None = None,
    means_amount: bool = False,
) -> Approval:
    """The provider's pages show that the open attempt took the money, and how much; or that it did not.

    Another amount than was to be charged is taken from whoever says that it is meant.
    """
    with transaction.atomic():
        bill = lock_bill_of_payment(payment_id)
        payment = bill.payment(payment_id)
        check_finance(payment.restaurant_id, person, reason)
        live = bill.live_attempt_of(payment)
        if live is None:
            raise PaymentRefused(f"Payment {payment.reference} is {payment.status}: nothing is open.", code="not_open")
        other = other_amount(live, captured_minor) if captured_minor is not None and not means_amount else None
        if other is not None:
            raise other
        sighting = Sighting(
            deed=deed, payment_id=payment_id, subject_id=live.pk, reason=reason, captured_minor=captured_minor
        )
        return _ask(sighting, live, person, asked_from)


def ask_to_record_refund(
    *, refund_id: UUID, deed: PaymentDeed, person: User, reason: str, asked_from: UUID
) -> Approval:
    """The provider's pages show that the money went back; or that it did not, or is given up on."""
    with transaction.atomic():
        payment_id = Refund.objects.values_list("payment_id", flat=True).get(pk=refund_id)
        payment = lock_bill_of_payment(payment_id).payment(payment_id)
        check_finance(payment.restaurant_id, person, reason)
        sighting = Sighting(deed=deed, payment_id=payment_id, subject_id=refund_id, reason=reason)
        return _ask(sighting, Refund.objects.get(pk=refund_id), person, asked_from)


def record_sighting(*, approval_id: UUID, person: User) -> None:
    """In the transaction in which the second person agrees. About that attempt or refund, and none that came since."""
    with transaction.atomic():
        approval = Approval.objects.get(pk=approval_id)
        seen = Sighting.approved_by(approval)
        payment = lock_bill_of_payment(seen.payment_id).payment(seen.payment_id)
        actor = Actor.user(person)
        check_that_it_comes_out_the_same(approval, seen.payment_id, partial(_record, seen, actor))
        with deed_on(payment, seen.deed, actor=actor, reason=seen.reason):
            use_approval(approval_id=approval_id, action=seen.deed.value, subject_id=seen.subject_id, actor=actor)
            _record(seen, actor)


def _ask(seen: Sighting, subject: Attempt | Refund, person: User, asked_from: UUID) -> Approval:
    before, after = rehearsed(seen.payment_id, partial(_record, seen, Actor.user(person)))
    wanted = Wanted(
        restaurant_id=subject.restaurant_id,
        mode=subject.mode,
        action=seen.deed.value,
        subject_id=seen.subject_id,
        reason=seen.reason,
        asked_from=asked_from,
        data=_data_of(seen),
        before=before,
        after=after,
    )
    return ask_approval(wanted, maker=person, actor=Actor.user(person))


def _data_of(seen: Sighting) -> dict[str, Any]:
    amount = {} if seen.captured_minor is None else {"captured_minor": seen.captured_minor}
    return {"payment": str(seen.payment_id), **amount}


def _record(seen: Sighting, actor: Actor) -> None:
    if seen.deed in OF_CHARGES:
        _record_charge(seen, actor)
    else:
        _record_refund(seen, actor)


def _record_charge(seen: Sighting, actor: Actor) -> None:
    evidence = _evidence(seen, OF_CHARGES[seen.deed])
    settling = settling_by_hand(lock_bill_of_payment(seen.payment_id), seen.payment_id, evidence, actor)
    attempt = settling.attempt
    if attempt.pk != seen.subject_id:
        raise PaymentRefused("That attempt has ended; another one is open now. Look again.", code="not_open")
    if seen.deed == PaymentDeed.RECORD_CHARGED:
        evidence = replace(evidence, money=_captured(seen, attempt))
    refusal = refusal_to_record_charge(settling.payment, attempt)
    if refusal is not None:
        raise refusal
    settle_locked(bill=settling.bill, attempt_id=attempt.pk, evidence=evidence, actor=actor)


def refusal_to_record_charge(payment: Payment, attempt: Attempt) -> PaymentRefused | None:
    """The one rule, for whoever says it, under the bill's lock, and for the page that offers it."""
    if attempt.mismatch:
        return PaymentRefused("Money was captured here: decide about its amount instead.", code="captured")
    if attempt.status == AttemptStatus.SENT or payment.is_leased:
        return PaymentRefused(
            "Somebody is asking the provider right now. This opens again within half a minute.", code="being_sent"
        )
    return None


def _captured(seen: Sighting, attempt: Attempt) -> Money:
    minor = seen.captured_minor
    if type(minor) is not int or not _may_be_captured(minor):
        most = Money(MAX_MINOR, attempt.currency).display()
        raise PaymentRefused(
            f"Say how much was captured: above zero, and at most {most}.", field="amount", code="bad_amount"
        )
    return Money(minor, attempt.currency)


def _may_be_captured(minor: int) -> bool:
    return 0 < minor <= MAX_MINOR


def _record_refund(seen: Sighting, actor: Actor) -> None:
    finding = OF_REFUNDS[seen.deed]
    refund = Refund.objects.select_for_update().get(pk=seen.subject_id)
    refusal = refusal_to_record(refund)
    if refusal is not None:
        raise refusal
    if finding == Finding.SUCCEEDED:
        _check_that_it_is_not_known(refund)
    money = Money(refund.total_minor, refund.currency)
    settle_refund(refund_id=refund.pk, evidence=replace(_evidence(seen, finding), money=money), actor=actor)


def refusal_to_record(refund: Refund) -> RefundRefused | None:
    """The one rule, for whoever says it, under the bill's lock, and for the page that offers it."""
    if refund.status not in OPEN and refund.next_action != NextAction.LOOK_UP:
        return RefundRefused(f"This refund is {refund.status} already.", code="not_open")
    if refund.is_leased:
        return RefundRefused("It is being sent right now. Wait half a minute.", code="being_sent")
    return None


def _check_that_it_is_not_known(refund: Refund) -> None:
    """Made by hand at the provider, it may have come to us from there already, as a refund of its own."""
    if refund.status == RefundStatus.COMPLETED:
        return  # It is counted already; that is only being asked about.
    if (known := made_by_hand(refund)) is not None:
        raise RefundRefused(
            f"The provider's own books brought refund {known.provider_reference} of this amount already. If that is "
            "what you see there, record this one as not made.",
            code="known_already",
        )


def _evidence(seen: Sighting, finding: Finding) -> Evidence:
    return Evidence(source=Source.OPERATOR, finding=finding, message=seen.reason, approval_id=seen.approval_id)
