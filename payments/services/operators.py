"""What a named human may decide where evidence is missing: always with a reason, always through the one door."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import OFFICE, User
from accounts.services.people import works_as
from events.actors import Actor
from events.services import Journal
from kernel import clock
from kernel.money import MAX_MINOR, Money
from kernel.texts import check_reason
from payments.models import (
    Attempt,
    AttemptStatus,
    Capture,
    InboundNotice,
    NextAction,
    NoticeState,
    Payment,
    Refund,
    RefundOrigin,
    RefundStatus,
)
from payments.services import captures, timing
from payments.services.bill import Bill, lock_bill_of_payment
from payments.services.deeds import PaymentDeed, deed_of
from payments.services.evidence import Evidence, Finding, Source
from payments.services.facts import PaymentEvent
from payments.services.provider_refunds import made_by_hand
from payments.services.providers import PROVIDERS, facts_of
from payments.services.refund_requests import reserve_refund
from payments.services.refund_settlement import OPEN, settle_refund
from payments.services.refusals import PaymentRefused, RefundRefused
from payments.services.settlement import settle_locked
from payments.services.settling import Settling

_RECORDED = {
    Finding.SUCCEEDED: PaymentDeed.RECORD_REFUND_MADE,
    Finding.NOT_CHARGED: PaymentDeed.RECORD_REFUND_NOT_MADE,
}


class MismatchChoice(StrEnum):
    KEEP = "keep"
    REFUND_ALL = "refund_all"
    REFUND_DIFFERENCE = "refund_difference"


def resolve_mismatch(*, payment_id: UUID, choice: MismatchChoice, person: User, reason: str) -> Payment:
    """Another amount was captured than asked: keep it, give it all back, or give back what was too much."""
    with transaction.atomic():
        settling = _settling(payment_id, person, reason, Finding.SUCCEEDED)
        attempt = settling.attempt
        if not attempt.mismatch:
            raise PaymentRefused("No amount is waiting for a decision here.", code="no_mismatch")
        _check_choice(settling, choice)
        with deed_of(person, settling.payment, PaymentDeed.RESOLVE_MISMATCH, reason=reason):
            _apply_choice(settling, choice, reason)
            settling.journal.happened(PaymentEvent.MISMATCH_RESOLVED, settling.payment, choice=choice.value)
            settling.save()
    return settling.payment


def record_not_charged(*, payment_id: UUID, person: User, reason: str) -> Payment:
    """A named human has seen at the provider that nothing was charged. That is evidence, and it has a name."""
    with transaction.atomic():
        settling = _settling(payment_id, person, reason, Finding.NOT_CHARGED)
        if settling.attempt.mismatch:
            raise PaymentRefused("Money was captured here: decide about its amount instead.", code="captured")
        _check_that_nobody_asks(settling)
        with deed_of(person, settling.payment, PaymentDeed.RECORD_NOT_CHARGED, reason=reason):
            _settle_by_hand(settling, settling.evidence, person)
    return settling.payment


def record_charged(*, payment_id: UUID, captured_minor: int, person: User, reason: str) -> Payment:
    """A named human has seen at the provider that the money moved, and how much of it."""
    with transaction.atomic():
        settling = _settling(payment_id, person, reason, Finding.SUCCEEDED)
        if type(captured_minor) is not int or not 0 < captured_minor <= MAX_MINOR:
            raise PaymentRefused("Say how much was captured, in minor units.", field="amount", code="bad_amount")
        _check_that_nobody_asks(settling)
        money = Money(captured_minor, settling.attempt.currency)
        with deed_of(person, settling.payment, PaymentDeed.RECORD_CHARGED, reason=reason):
            _settle_by_hand(settling, replace(settling.evidence, money=money), person)
    return settling.payment


def record_refund_made(*, refund_id: UUID, person: User, reason: str) -> Refund:
    """A named human has seen at the provider that the money went back."""
    return _settle_refund_by_hand(refund_id, person, reason, Finding.SUCCEEDED)


def record_refund_not_made(*, refund_id: UUID, person: User, reason: str) -> Refund:
    """A named human has seen at the provider that it did not, or gives up on one that never got there."""
    return _settle_refund_by_hand(refund_id, person, reason, Finding.NOT_CHARGED)


def release_from_quarantine(*, payment_id: UUID, person: User, reason: str) -> Payment:
    """Whatever broke is repaired: the clock takes the payment and its refunds up again."""
    with transaction.atomic():
        bill = lock_bill_of_payment(payment_id)
        payment = bill.payment(payment_id)
        _check_person(payment.restaurant_id, person, reason)
        stopped = list(_stopped_refunds(payment))
        unwatched = [attempt for attempt in bill.attempts_of(payment) if attempt.watch_claims > timing.MAX_CLAIMS]
        is_stopped = _is_stopped(payment, bill)
        if not (is_stopped or stopped or unwatched):
            raise PaymentRefused(f"Payment {payment.reference} is not set aside.", code="not_set_aside")
        journal = Journal(Actor.user(person))
        payment.claims = 0
        if is_stopped:
            payment.plan(*_where_it_stopped(payment, bill))
        with deed_of(person, payment, PaymentDeed.TAKE_UP, reason=reason):
            _watch_again(unwatched)
            for refund in stopped:
                _take_up(refund)
            journal.note(payment, step="take_up", reason=reason)
            journal.happened(PaymentEvent.TAKEN_UP, payment)
            payment.save()
            journal.write()
    return payment


def _is_stopped(payment: Payment, bill: Bill) -> bool:
    """Without a next action; but an undecided amount waits for a decision, not for the clock."""
    live = bill.live_attempt_of(payment)
    is_undecided = live is not None and live.mismatch
    return payment.holds_its_share and payment.next_action == NextAction.NONE and not is_undecided


def _where_it_stopped(payment: Payment, bill: Bill) -> tuple[NextAction, datetime]:
    if bill.live_attempt_of(payment) is not None:
        return NextAction.LOOK_UP, clock.now()
    if payment.is_only_held:
        return NextAction.EXPIRE, payment.hold_until
    return NextAction.BEGIN, clock.now()


def take_up_notice(*, notice_id: UUID, person: User, reason: str) -> InboundNotice:
    """A notice that was set aside, because it broke us or spoke of something unknown, is read once more."""
    with transaction.atomic():
        notice = InboundNotice.objects.select_for_update().get(pk=notice_id)
        _check_person(notice.restaurant_id, person, reason)
        if notice.state not in {NoticeState.ORPHANED, NoticeState.QUARANTINED}:
            raise PaymentRefused(f"This notice is {notice.state}: it was not set aside.", code="not_set_aside")
        notice.state = NoticeState.STORED
        notice.claims = notice.tries = 0
        notice.next_action_at = clock.now()
        journal = Journal(Actor.user(person))
        journal.happened(PaymentEvent.NOTICE_TAKEN_UP, notice, reason=reason)
        notice.save(update_fields=["state", "claims", "tries", "next_action_at", "version"])
        journal.write()
    return notice


def _stopped_refunds(payment: Payment) -> QuerySet[Refund]:
    """Cash waits for a person, not for the clock: it is never stopped."""
    under_way = Refund.objects.select_for_update(of=("self",)).select_related("account")
    mine = under_way.filter(payment=payment, status__in=OPEN, next_action=NextAction.NONE)
    return mine.exclude(account__provider__in=[name for name in PROVIDERS if PROVIDERS[name].facts.is_manual])


def _watch_again(attempts: list[Attempt]) -> None:
    for attempt in attempts:
        attempt.watch_claims = 0
        attempt.watch_at = clock.now()
        attempt.save(update_fields=["watch_claims", "watch_at"])


def _take_up(refund: Refund) -> None:
    refund.claims = 0
    refund.plan(NextAction.LOOK_UP if refund.may_have_arrived else NextAction.BEGIN, clock.now())
    refund.save()


def _check_that_nobody_asks(s: Settling) -> None:
    if s.attempt.status == AttemptStatus.SENT or s.payment.is_leased:
        raise PaymentRefused("Somebody is asking the provider right now. Wait half a minute.", code="being_sent")


def _settle_by_hand(s: Settling, evidence: Evidence, person: User) -> None:
    settle_locked(bill=s.bill, attempt_id=s.attempt.pk, evidence=evidence, actor=Actor.user(person))


def _settle_refund_by_hand(refund_id: UUID, person: User, reason: str, finding: Finding) -> Refund:
    with transaction.atomic():
        payment_id = Refund.objects.values_list("payment_id", flat=True).get(pk=refund_id)
        payment = lock_bill_of_payment(payment_id).payment(payment_id)
        refund = Refund.objects.select_for_update().get(pk=refund_id)
        _check_person(payment.restaurant_id, person, reason)
        if refund.status not in OPEN and refund.next_action != NextAction.LOOK_UP:
            raise RefundRefused(f"This refund is {refund.status} already.", code="not_open")
        if finding == Finding.SUCCEEDED:
            _check_that_it_is_not_known(refund)
        if refund.is_leased:
            raise RefundRefused("It is being sent right now. Wait half a minute.", code="being_sent")
        money = Money(refund.total_minor, refund.currency)
        evidence = Evidence(source=Source.OPERATOR, finding=finding, money=money, message=reason)
        with deed_of(person, payment, _RECORDED[finding], reason=reason):
            return settle_refund(refund_id=refund_id, evidence=evidence, actor=Actor.user(person))


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


def _settling(payment_id: UUID, person: User, reason: str, finding: Finding) -> Settling:
    bill = lock_bill_of_payment(payment_id)
    payment = bill.payment(payment_id)
    _check_person(payment.restaurant_id, person, reason)
    attempt = bill.live_attempt_of(payment)
    if attempt is None:
        raise PaymentRefused(f"Payment {payment.reference} is {payment.status}: nothing is open.", code="not_open")
    return Settling(
        bill=bill,
        payment=payment,
        attempt=attempt,
        evidence=Evidence(source=Source.OPERATOR, finding=finding, message=reason),
        facts=facts_of(attempt.account),
        journal=Journal(Actor.user(person)),
        now=clock.now(),
    )


def _check_person(restaurant_id: UUID, person: User, reason: str) -> None:
    if not works_as(person, OFFICE, restaurant_id=restaurant_id):
        raise PaymentRefused("Only finance staff of this restaurant may decide this.", code="not_finance_here")
    check_reason(reason, refusal=PaymentRefused)


def _check_choice(s: Settling, choice: MismatchChoice) -> None:
    if choice == MismatchChoice.REFUND_ALL:
        return
    captured = Money(s.attempt.captured_minor, s.attempt.captured_currency)
    if captured.currency != s.expected.currency:
        raise PaymentRefused("Another currency was captured: only giving it all back is possible.", code="currency")
    if choice == MismatchChoice.REFUND_DIFFERENCE and captured.minor <= s.expected.minor:
        raise PaymentRefused("Less than asked was captured: there is no difference to give back.", code="too_little")
    share = (s.expected.minor if choice == MismatchChoice.REFUND_DIFFERENCE else captured.minor) - s.attempt.tip_minor
    if not s.bill.is_payable or s.bill.has_kept(s.payment) or not 0 < share <= s.bill.due_minor:
        raise PaymentRefused("That much is not due any more: give it all back.", code="not_due")


def _apply_choice(s: Settling, choice: MismatchChoice, reason: str) -> None:
    attempt = s.attempt
    attempt.mismatch = False
    attempt.capture = Capture.SURPLUS if choice == MismatchChoice.REFUND_ALL else Capture.KEPT
    s.move(attempt.succeed, reason=reason)
    if choice == MismatchChoice.REFUND_ALL:
        captures.return_surplus(s)
        captures.finish_after_surplus(s)
        return
    if choice == MismatchChoice.REFUND_DIFFERENCE:
        _give_back_difference(s, attempt, reason)
    captures.complete_payment(s)


def _give_back_difference(s: Settling, attempt: Attempt, reason: str) -> None:
    """Less what the provider gave back meanwhile by itself. The excess is the guest's, also if its refund fails."""
    attempt.excess_minor = attempt.reopened_minor = attempt.captured_minor - s.expected.minor
    difference = attempt.refundable_minor - s.expected.minor
    if difference <= 0:
        return
    reserve_refund(
        attempt=attempt,
        amount_minor=difference,
        tip_minor=0,
        origin=RefundOrigin.PERSON,
        reason=reason,
        journal=s.journal,
    )
