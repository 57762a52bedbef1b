"""What a named human may decide where evidence is missing: always with a reason, always through the one door."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from django.db import transaction

from accounts.models import Membership, Role, User
from events.actors import Actor
from events.services import Journal
from kernel import clock
from kernel.money import Money
from kernel.texts import check_reason
from payments.models import (
    Attempt,
    AttemptStatus,
    Capture,
    NextAction,
    Payment,
    PaymentStatus,
    Refund,
    RefundOrigin,
    RefundStatus,
)
from payments.services import captures
from payments.services.bill import lock_bill_of_payment
from payments.services.evidence import Evidence, Finding, Source
from payments.services.facts import PaymentEvent
from payments.services.providers import facts_of
from payments.services.refund_requests import reserve_refund
from payments.services.refusals import PaymentRefused
from payments.services.settlement import settle_locked
from payments.services.settling import Settling

MAY_DECIDE = (Role.FINANCE, Role.ADMIN)


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
        if settling.attempt.status == AttemptStatus.SENT or settling.payment.is_leased:
            raise PaymentRefused("Somebody is asking the provider right now. Wait half a minute.", code="being_sent")
        settle_locked(
            bill=settling.bill, attempt_id=settling.attempt.pk, evidence=settling.evidence, actor=Actor.user(person)
        )
    return settling.payment


def release_from_quarantine(*, payment_id: UUID, person: User, reason: str) -> Payment:
    """Whatever broke is repaired: the clock takes the payment and its refunds up again."""
    with transaction.atomic():
        bill = lock_bill_of_payment(payment_id)
        payment = bill.payment(payment_id)
        _check_person(payment, person, reason)
        now, journal = clock.now(), Journal(Actor.user(person))
        payment.claims = 0
        if payment.holds_its_share and payment.next_action == NextAction.NONE:
            live = bill.live_attempt_of(payment)
            payment.plan(NextAction.LOOK_UP if live else NextAction.BEGIN, now)
        stopped = Refund.objects.select_for_update().filter(
            payment=payment, status__in=[RefundStatus.REQUESTED, RefundStatus.PROCESSING], next_action=NextAction.NONE
        )
        for refund in stopped.select_related("account"):
            _take_up(refund)
        journal.note(payment, step="take_up", reason=reason)
        journal.happened(PaymentEvent.TAKEN_UP, payment)
        payment.save()
        journal.write()
    return payment


def _take_up(refund: Refund) -> None:
    if facts_of(refund.account).is_manual:
        return
    refund.claims = 0
    refund.plan(NextAction.LOOK_UP if refund.may_have_arrived else NextAction.BEGIN, clock.now())
    refund.save()


def _settling(payment_id: UUID, person: User, reason: str, finding: Finding) -> Settling:
    bill = lock_bill_of_payment(payment_id)
    payment = bill.payment(payment_id)
    _check_person(payment, person, reason)
    attempt = bill.live_attempt_of(payment)
    if attempt is None or payment.status != PaymentStatus.PROCESSING:
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


def _check_person(payment: Payment, person: User, reason: str) -> None:
    allowed = Membership.objects.filter(
        user=person, user__is_active=True, restaurant=payment.restaurant_id, role__in=MAY_DECIDE
    )
    if not allowed.exists():
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
    attempt.reopened_minor = attempt.captured_minor - s.expected.minor
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
