"""What a named human may decide where evidence is missing: always with a reason, always through the one door."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import User
from events.actors import Actor
from events.services import Journal
from kernel import clock
from payments.models import (
    Attempt,
    Capture,
    InboundNotice,
    NextAction,
    NoticeState,
    Payment,
    Refund,
    RefundOrigin,
)
from payments.services import captures, timing
from payments.services.bill import Bill, lock_bill_of_payment
from payments.services.by_hand import check_finance, settling_by_hand
from payments.services.deeds import PaymentDeed, deed_of
from payments.services.evidence import Evidence, Finding, Source
from payments.services.facts import PaymentEvent
from payments.services.mismatches import MismatchChoice, undecided_in
from payments.services.providers import PROVIDERS
from payments.services.refund_limits import check_how_often, limit_of
from payments.services.refund_requests import reserve_refund
from payments.services.refund_settlement import OPEN
from payments.services.refusals import PaymentRefused
from payments.services.settling import Settling


def resolve_mismatch(*, payment_id: UUID, choice: MismatchChoice, person: User, reason: str) -> Payment:
    """Another amount was captured than asked: keep it, give it all back, or give back what was too much."""
    with transaction.atomic():
        bill = lock_bill_of_payment(payment_id)
        check_finance(bill.payment(payment_id).restaurant_id, person, reason)
        evidence = Evidence(source=Source.OPERATOR, finding=Finding.SUCCEEDED, message=reason)
        settling = settling_by_hand(bill, payment_id, evidence, Actor.user(person))
        attempt = settling.attempt
        if not attempt.mismatch:
            raise PaymentRefused("No amount is waiting for a decision here.", code="no_mismatch")
        undecided = undecided_in(bill, settling.payment, attempt)
        if choice != MismatchChoice.KEEP:
            check_how_often(Actor.user(person))
        limit = limit_of(Actor.user(person), attempt) if choice == MismatchChoice.REFUND_ALL else None
        refusal = undecided.refusal(choice, limit=limit)
        if refusal is not None:
            raise refusal
        with deed_of(person, settling.payment, PaymentDeed.RESOLVE_MISMATCH, reason=reason):
            _apply_choice(settling, choice, reason)
            settling.journal.happened(PaymentEvent.MISMATCH_RESOLVED, settling.payment, choice=choice.value)
            settling.save()
    return settling.payment


def release_from_quarantine(*, payment_id: UUID, person: User, reason: str) -> Payment:
    """Whatever broke is repaired: the clock takes the payment and its refunds up again."""
    with transaction.atomic():
        bill = lock_bill_of_payment(payment_id)
        payment = bill.payment(payment_id)
        check_finance(payment.restaurant_id, person, reason)
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
        check_finance(notice.restaurant_id, person, reason)
        if notice.state not in {NoticeState.ORPHANED, NoticeState.QUARANTINED}:
            raise PaymentRefused(f"This notice is {notice.state}: it was not set aside.", code="not_set_aside")
        with deed_of(person, notice, PaymentDeed.TAKE_UP_NOTICE, reason=reason):
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
