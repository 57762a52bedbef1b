"""Money that the provider captured: kept, surplus, or of another amount than asked."""

from __future__ import annotations

from kernel import clock
from kernel.money import Money
from payments.models import AttemptStatus, Capture, NextAction, PaymentStatus, RefundOrigin
from payments.services.facts import AFTER_FAILURES, PaymentEvent
from payments.services.provider_refunds import record_provider_refunds
from payments.services.refund_requests import reserve_refund
from payments.services.settling import Settling
from payments.services.withdrawals import withdraw_what_does_not_fit


def capture(s: Settling, money: Money, *, wrong_amount: bool = False) -> None:
    """Decided under the order's lock about every capture, late or not. The first settled is kept."""
    kept = not wrong_amount and _is_due(s) and not _went_back_already(s, money)
    _store(s, money, Capture.KEPT if kept else Capture.SURPLUS)
    record_provider_refunds(s)  # What went back already is not given back once more.
    late = not s.attempt.is_live
    step = s.attempt.succeed_late if late else s.attempt.succeed
    s.move(step, reason="The money moved." if kept else "The money moved, but it is not due: it goes back.")
    if kept:
        complete_payment(s)
    else:
        return_surplus(s)
        if not late:
            finish_after_surplus(s)


def hold_mismatch(s: Settling, money: Money) -> None:
    """Another amount than asked: nothing is completed, the attempt stays live, a human decides."""
    known = s.attempt.mismatch
    _store(s, money, Capture.UNDECIDED)
    if s.attempt.status != AttemptStatus.UNKNOWN:
        s.move(s.attempt.mismatched, reason="Another amount was captured than was asked for.")
    s.attempt.mismatch = True
    s.payment.plan(NextAction.NONE)
    if not known:
        s.journal.happened(
            PaymentEvent.AMOUNT_MISMATCHED,
            s.payment,
            attempt=str(s.attempt.pk),
            expected=[s.expected.minor, s.expected.currency],
            captured=[money.minor, money.currency],
        )


def complete_payment(s: Settling) -> None:
    payment, attempt = s.payment, s.attempt
    is_late = payment.status == PaymentStatus.FAILED
    if payment.status != PaymentStatus.COMPLETED:
        s.move_payment(payment.complete_late if is_late else payment.complete, reason="A capture is kept.")
    payment.method = attempt.method  # Late money may have come by another one than was tried last.
    s.journal.happened(
        PaymentEvent.COMPLETED,
        payment,
        attempt=str(attempt.pk),
        amount_minor=attempt.captured_minor - attempt.tip_minor,
        tip_minor=attempt.tip_minor,
        currency=attempt.currency,
        **({AFTER_FAILURES: True} if is_late or _is_after_failures(s) else {}),
    )
    if attempt.status == AttemptStatus.LATE_SUCCESS:
        s.journal.happened(PaymentEvent.COMPLETED_LATE, payment, attempt=str(attempt.pk))
    s.release_other_attempts()
    withdraw_what_does_not_fit(bill=s.bill, journal=s.journal)


def _is_after_failures(s: Settling) -> bool:
    """Of this bill: whoever had given it up has to know, and nobody else has to look."""
    return s.payment.round > 1 or any(each.status == PaymentStatus.FAILED for each in s.bill.payments)


def return_surplus(s: Settling) -> None:
    """It was never ours: no four eyes, one refund, one case. What the provider gave back already is not sent twice."""
    if s.attempt.refundable_minor <= 0:
        return
    refund = reserve_refund(
        attempt=s.attempt,
        amount_minor=s.attempt.refundable_minor,
        tip_minor=0,
        origin=RefundOrigin.SURPLUS,
        reason="Captured although it was not due.",
        journal=s.journal,
    )
    s.journal.happened(
        PaymentEvent.SURPLUS_CAPTURED,
        s.payment,
        attempt=str(s.attempt.pk),
        refund=str(refund.pk),
        amount_minor=s.attempt.captured_minor,
        currency=s.attempt.captured_currency,
    )


def _is_due(s: Settling) -> bool:
    share = s.attempt.amount_minor - s.attempt.tip_minor
    return s.bill.is_payable and not s.bill.has_kept(s.payment) and share <= s.bill.due_minor


def _went_back_already(s: Settling, money: Money) -> bool:
    """The same answer that brings the money says that the provider returned it: it pays for nothing."""
    returned = (fact.money for fact in s.evidence.refunds if fact.succeeded and fact.money.currency == money.currency)
    return sum(each.minor for each in returned) >= money.minor


def _store(s: Settling, money: Money, decided: Capture) -> None:
    attempt, evidence = s.attempt, s.evidence
    attempt.captured_minor = money.minor
    attempt.captured_currency = money.currency
    # Where a guest tried several times under one attempt, the money is in the one that succeeded, and goes back there.
    attempt.provider_reference = evidence.reference or attempt.provider_reference
    attempt.capture = decided
    attempt.mismatch = attempt.mismatch and decided == Capture.UNDECIDED
    attempt.tip_minor += evidence.added_tip_minor
    s.payment.tip_minor += evidence.added_tip_minor
    attempt.cash_given_minor = evidence.cash_given_minor
    attempt.settled_at = clock.now()
    attempt.watch_at = None
    attempt.error_code = attempt.error_message = ""


def finish_after_surplus(s: Settling) -> None:
    """The guest's money did move, so that this payment can never be called failed for lack of a charge."""
    if s.payment.status == PaymentStatus.PROCESSING:
        s.move_payment(s.payment.complete, reason="Captured, not due, on its way back.")
        s.journal.happened(PaymentEvent.COMPLETED, s.payment, attempt=str(s.attempt.pk), surplus=True)
