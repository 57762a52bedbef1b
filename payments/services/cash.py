"""Cash: a waiter is the provider. Completes once, for the exact amount due, by a named person."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from accounts.models import OFFICE, Role, User
from accounts.services.idempotency import Call, claim
from accounts.services.people import works_as
from events.actors import Actor
from events.services import Journal
from kernel import clock
from kernel.crashpoints import CrashPoint, crashpoint
from kernel.money import MAX_MINOR, Money
from kernel.texts import check_reason
from payments.models import Attempt, AttemptStatus, Method, Payment, PaymentStatus, Refund, RefundStatus
from payments.services import routing, timing
from payments.services.acceptance import MAX_TIP_TO_TOTAL
from payments.services.attempts import begin_locked
from payments.services.bill import Bill, lock_bill_of_payment
from payments.services.deeds import PaymentDeed, deed_of
from payments.services.evidence import Evidence, Finding, Source
from payments.services.facts import PaymentEvent
from payments.services.providers import candidates_for_payment, facts_of
from payments.services.refund_requests import refundable_attempt, request_refund
from payments.services.refunds import complete_cash_refund
from payments.services.refusals import CashRefused
from payments.services.settlement import settle_locked
from payments.services.settling import PROLONGED_DOUBT

MAY_TAKE_CASH = (Role.WAITER, *OFFICE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CashTaken:
    """What the waiter says: the share, what the guest adds as a tip, and the notes that were handed over."""

    amount_minor: int
    added_tip_minor: int = 0
    given_minor: int | None = None


def confirm_cash(*, payment_id: UUID, waiter: User, taken: CashTaken, call: Call | None = None) -> Payment:
    with transaction.atomic():
        if call is not None:
            claim(call)
        bill = lock_bill_of_payment(payment_id)
        payment = bill.payment(payment_id)
        _check_waiter(payment, waiter)
        attempt = bill.live_attempt_of(payment)
        # By the payment too: late money may have paid this share while the waiter walked to the table.
        for_cash = payment.method == Method.CASH and payment.status == PaymentStatus.PROCESSING
        if not for_cash or attempt is None or attempt.status != AttemptStatus.PENDING:
            raise CashRefused(
                f"Payment {payment.reference} does not wait for cash: it is {payment.status}.", code="not_waiting"
            )
        _check_taken(bill, attempt, taken)
        with deed_of(waiter, payment, PaymentDeed.CONFIRM_CASH):
            _settle_cash(bill, attempt, waiter, taken)
        crashpoint(CrashPoint.CASH_BEFORE_COMMIT)
    crashpoint(CrashPoint.CASH_AFTER_COMMIT)
    return payment


def take_cash_against_doubt(
    *, payment_id: UUID, person: User, reason: str, taken: CashTaken, call: Call | None = None
) -> Payment:
    """The provider does not answer and the guest wants to leave. A named person decides; late money is surplus."""
    candidates = candidates_for_payment(payment_id)
    with transaction.atomic():
        if call is not None:
            claim(call)
        bill = lock_bill_of_payment(payment_id)
        payment = bill.payment(payment_id)
        _check_waiter(payment, person)
        doubtful = bill.live_attempt_of(payment)
        is_doubtful = doubtful is not None and doubtful.status == AttemptStatus.UNKNOWN and not doubtful.mismatch
        if doubtful is None or not is_doubtful or payment.status != PaymentStatus.PROCESSING:
            raise CashRefused(f"Payment {payment.reference} is not in doubt.", code="not_in_doubt")
        if payment.is_leased and clock.now() < doubtful.send_before:
            raise CashRefused("The card is being charged right now. Wait half a minute.", code="being_sent")
        check_reason(reason, refusal=CashRefused)
        _check_due(bill, doubtful)  # Before another attempt: where nothing is due none is begun, whoever would take it.
        journal = Journal(Actor.user(person))
        _release(doubtful, payment, reason, journal)
        attempt = _cash_attempt(bill, payment, candidates, journal)
        _check_taken(bill, attempt, taken)
        with deed_of(person, payment, PaymentDeed.TAKE_CASH_AGAINST_DOUBT, reason=reason):
            payment.save()
            doubtful.save()
            attempt.save(force_insert=True)
            journal.write()
            _settle_cash(bill, attempt, person, taken)
    return payment


def record_cash_refund(
    *,
    payment_id: UUID,
    person: User,
    reason: str,
    amount_minor: int | None = None,
    tip_minor: int = 0,
    reopens_order: bool = False,
    call: Call | None = None,
) -> Refund:
    """Money that a named person hands back across the table: asked for and done in one step."""
    with transaction.atomic():
        refund_id = clock.new_id() if call is None else claim(call)
        bill = lock_bill_of_payment(payment_id)
        payment = bill.payment(payment_id)
        _check_waiter(payment, person)
        if not facts_of(refundable_attempt(bill, payment).account).is_manual:
            raise CashRefused(f"Payment {payment.reference} was not paid in cash.", code="not_cash")
        actor = Actor.user(person)
        with deed_of(person, payment, PaymentDeed.HAND_BACK_CASH, reason=reason):
            request_refund(
                refund_id=refund_id,
                payment_id=payment_id,
                amount_minor=amount_minor,
                tip_minor=tip_minor,
                reopens_order=reopens_order,
                reason=reason,
                actor=actor,
                is_handed_over=True,
            )
            return complete_cash_refund(refund_id=refund_id, actor=actor)


def hand_over_refund(*, refund_id: UUID, person: User) -> Refund:
    """A cash refund that was waiting for somebody to hand it back, such as that of a cancelled order."""
    with transaction.atomic():
        payment_id = Refund.objects.values_list("payment_id", flat=True).get(pk=refund_id)
        lock_bill_of_payment(payment_id)
        refund = Refund.objects.select_related("payment", "account").get(pk=refund_id)
        _check_waiter(refund.payment, person)
        if not facts_of(refund.account).is_manual or refund.status != RefundStatus.REQUESTED:
            raise CashRefused(f"This refund is {refund.status}: no cash is waiting.", code="not_waiting")
        with deed_of(person, refund.payment, PaymentDeed.HAND_OVER_REFUND):
            return complete_cash_refund(refund_id=refund_id, actor=Actor.user(person))


def _check_waiter(payment: Payment, person: User) -> None:
    if not works_as(person, MAY_TAKE_CASH, restaurant_id=payment.restaurant_id):
        raise CashRefused("Only staff of this restaurant can take cash for it.", code="not_staff_here")


def _check_taken(bill: Bill, attempt: Attempt, taken: CashTaken) -> None:
    numbers = (taken.amount_minor, taken.added_tip_minor, taken.given_minor or 0)
    if any(type(number) is not int or not 0 <= number <= MAX_MINOR for number in numbers):
        raise CashRefused("Amounts are whole numbers that are not negative.", field="amount", code="bad_amount")
    if taken.amount_minor != attempt.amount_minor:
        raise CashRefused(
            f"Exactly {bill.shown(attempt.amount_minor)} is due; {bill.shown(taken.amount_minor)} was entered.",
            field="amount",
            code="not_exact",
        )
    if taken.given_minor is not None and taken.given_minor < taken.amount_minor + taken.added_tip_minor:
        raise CashRefused("The guest gave less than what is due.", field="given", code="given_too_little")
    if taken.added_tip_minor > MAX_TIP_TO_TOTAL * bill.order.total_minor:
        raise CashRefused("This tip must be a slip of the finger.", field="added_tip", code="tip_too_high")
    _check_due(bill, attempt)


def _check_due(bill: Bill, attempt: Attempt) -> None:
    if not bill.is_payable:
        raise CashRefused(f"Order {bill.order.reference} is cancelled: take no cash.", code="order_cancelled")
    if attempt.amount_minor - attempt.tip_minor > bill.due_minor:
        raise CashRefused(f"Order {bill.order.reference} is paid already: take no cash.", code="already_covered")


def _settle_cash(bill: Bill, attempt: Attempt, person: User, taken: CashTaken) -> None:
    evidence = Evidence(
        source=Source.WAITER,
        finding=Finding.SUCCEEDED,
        money=Money(taken.amount_minor + taken.added_tip_minor, attempt.currency),
        added_tip_minor=taken.added_tip_minor,
        cash_given_minor=taken.given_minor,
        message="Cash was taken at the table.",
    )
    settle_locked(bill=bill, attempt_id=attempt.pk, evidence=evidence, actor=Actor.user(person))


def _release(doubtful: Attempt, payment: Payment, reason: str, journal: Journal) -> None:
    """Not evidence of non-charge: it stays watched, and what arrives on it is given back."""
    journal.move(doubtful, doubtful.release, reason=reason)
    doubtful.forget(PROLONGED_DOUBT)
    payment.close_wanted = False
    payment.retry_until = clock.now() + timing.RETRY_WINDOW
    doubtful.settled_at = doubtful.watch_at = clock.now()
    doubtful.watch_until = clock.now() + facts_of(doubtful.account).late_money_window
    payment.method = Method.CASH
    payment.round += 1
    journal.happened(PaymentEvent.RELEASED, payment, attempt=str(doubtful.pk))


def _cash_attempt(bill: Bill, payment: Payment, candidates: list[routing.Candidate], journal: Journal) -> Attempt:
    payment.wanted_provider = payment.round_provider = ""
    sending = begin_locked(bill=bill, payment=payment, candidates=candidates, journal=journal)
    if sending is None or payment.status != PaymentStatus.PROCESSING:
        raise CashRefused("This restaurant does not take cash.", field="method", code="no_provider")
    journal.move(sending.attempt, sending.attempt.wait, reason="A waiter is at the table.")
    return sending.attempt
