"""Payments are accepted, retried, held, withdrawn and freed here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db import transaction

from events.actors import SYSTEM, Actor
from events.services import Journal
from kernel import clock
from kernel.crashpoints import CrashPoint, crashpoint
from kernel.money import MAX_MINOR
from kernel.texts import check_text
from orders.models import Order
from payments.models import AttemptStatus, Method, NextAction, Payment, PaymentStatus
from payments.services import routing, timing
from payments.services.attempts import Sending, begin_locked, drive
from payments.services.bill import Bill, lock_bill_of_order, lock_bill_of_payment
from payments.services.facts import FailureCode, PaymentEvent
from payments.services.providers import candidates_for_order
from payments.services.refusals import PaymentRefused


class Start(StrEnum):
    """When the first attempt of an accepted payment begins."""

    NOW = "now"
    BY_THE_CLOCK = "by_the_clock"
    NOT_YET = "not_yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentDraft:
    order_id: UUID
    method: str
    amount_minor: int | None = None  # None: all that is free.
    tip_minor: int = 0
    currency: str = ""  # Empty: the order's.
    instrument: str = field(default="", repr=False)
    provider: str = ""
    return_url: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


def create_payment(*, draft: PaymentDraft, actor: Actor) -> Payment:
    """Accept and let the clock do the rest."""
    return _accept(draft, actor, Start.BY_THE_CLOCK)[0]


def reserve_share(*, draft: PaymentDraft, actor: Actor) -> Payment:
    """Hold a share for a guest who is still choosing. Nothing is charged; it is freed when the hold ends."""
    return _accept(draft, actor, Start.NOT_YET)[0]


def start_payment(*, payment_id: UUID, actor: Actor, method: str = "", instrument: str = "") -> Payment:
    """The guest of a held share has chosen."""
    with transaction.atomic():
        payment = lock_bill_of_payment(payment_id).payment(payment_id)
        if payment.status != PaymentStatus.PENDING or payment.next_action != NextAction.EXPIRE:
            raise PaymentRefused(f"Payment {payment.reference} is {payment.status} already.", code="not_waiting")
        payment.method = method or payment.method
        payment.instrument = instrument or payment.instrument
        payment.retry_until = clock.now() + timing.RETRY_WINDOW
        payment.plan(NextAction.BEGIN, clock.now())
        journal = Journal(actor)
        journal.note(payment, step="start", reason="The guest has chosen.")
        payment.save()
        journal.write()
    return payment


def pay(*, draft: PaymentDraft, actor: Actor) -> Payment:
    """Accept and make the first attempt now: one commit before the provider is called, one after."""
    payment, sending = _accept(draft, actor, Start.NOW)
    return drive(sending) if sending else payment


def retry_payment(*, payment_id: UUID, actor: Actor, method: str = "", instrument: str = "") -> Payment:
    """A failed payment, by the payer while its amount is still free, or by an operator: a new round."""
    with transaction.atomic():
        bill = lock_bill_of_payment(payment_id)
        payment = bill.payment(payment_id)
        _check_retry(bill, payment)
        payment.method = method or payment.method
        payment.instrument = instrument or payment.instrument
        payment.round += 1
        payment.retry_until = clock.now() + timing.RETRY_WINDOW
        payment.claims = 0
        journal = Journal(actor)
        journal.move(payment, payment.retry, reason="Another try was asked for.")
        payment.plan(NextAction.BEGIN, clock.now())
        journal.happened(PaymentEvent.PROCESSING, payment, round=payment.round)
        payment.save()
        journal.write()
    return payment


def extend_hold(*, payment_id: UUID) -> Payment:
    """The guest is still choosing."""
    with transaction.atomic():
        payment = lock_bill_of_payment(payment_id).payment(payment_id)
        if payment.status == PaymentStatus.PENDING:
            payment.hold_until = clock.now() + timing.HOLD
            if payment.next_action == NextAction.EXPIRE:
                payment.plan(NextAction.EXPIRE, payment.hold_until)
            payment.save(update_fields=["hold_until", *_PLAN])
    return payment


def cancel_payment(*, payment_id: UUID, actor: Actor) -> Payment:
    """At once where nothing can have been charged; else the provider is asked to close it first."""
    with transaction.atomic():
        bill = lock_bill_of_payment(payment_id)
        payment = bill.payment(payment_id)
        journal = Journal(actor)
        withdraw_locked(bill=bill, payment=payment, journal=journal)
        payment.save()
        journal.write()
    return payment


def withdraw_locked(*, bill: Bill, payment: Payment, journal: Journal) -> None:
    """For a locked bill. An attempt that is UNKNOWN stays live: closing it needs evidence, not a wish."""
    if not payment.holds_its_share:
        return
    live = bill.live_attempt_of(payment)
    if live is None:
        fail_locked(payment=payment, code=FailureCode.CANCELLED, journal=journal, reason="Withdrawn before a charge.")
    elif live.status == AttemptStatus.PENDING:
        payment.plan(NextAction.CANCEL, clock.now())
    elif live.status == AttemptStatus.UNKNOWN and not live.mismatch and not payment.is_leased:
        payment.plan(NextAction.LOOK_UP, clock.now())


def fail_locked(*, payment: Payment, code: FailureCode, journal: Journal, reason: str) -> None:
    """For a locked payment of which no attempt is live; the caller saves and writes."""
    payment.failure_code = code
    journal.move(payment, payment.fail, reason=reason)
    journal.happened(PaymentEvent.FAILED, payment, code=code.value)


def expire_payment(*, payment_id: UUID, actor: Actor = SYSTEM) -> Payment:
    """A share without a live attempt is freed when its hold ends."""
    with transaction.atomic():
        bill = lock_bill_of_payment(payment_id)
        payment = bill.payment(payment_id)
        started = payment.next_action != NextAction.EXPIRE
        if payment.status != PaymentStatus.PENDING or started or clock.now() < payment.hold_until:
            return payment
        journal = Journal(actor)
        fail_locked(payment=payment, code=FailureCode.EXPIRED, journal=journal, reason="The hold of this share ended.")
        payment.save()
        journal.write()
    return payment


_PLAN = ("next_action", "next_action_at", "lease_token", "lease_until")


def _accept(draft: PaymentDraft, actor: Actor, start: Start) -> tuple[Payment, Sending | None]:
    candidates = candidates_for_order(draft.order_id)
    with transaction.atomic():
        bill = lock_bill_of_order(draft.order_id)
        payment = _new_payment(bill, draft, candidates)
        journal = Journal(actor)
        journal.created(payment, reason="Accepted.")
        journal.happened(
            PaymentEvent.CREATED,
            payment,
            order=str(bill.order.pk),
            amount_minor=payment.amount_minor,
            tip_minor=payment.tip_minor,
            currency=payment.currency,
            method=payment.method,
        )
        bill.payments.append(payment)
        sending = None
        if start == Start.NOW:
            sending = begin_locked(bill=bill, payment=payment, candidates=candidates, journal=journal)
        elif start == Start.NOT_YET:
            payment.plan(NextAction.EXPIRE, payment.hold_until)
        payment.save(force_insert=True)
        if sending:
            sending.attempt.save(force_insert=True)
        journal.write()
        crashpoint(CrashPoint.ACCEPT_BEFORE_COMMIT)
    crashpoint(CrashPoint.ACCEPT_AFTER_COMMIT)
    return payment, sending


def _new_payment(bill: Bill, draft: PaymentDraft, candidates: list[routing.Candidate]) -> Payment:
    order = bill.order
    _check_texts(draft)
    amount = bill.free_minor if draft.amount_minor is None else draft.amount_minor
    _check_amounts(bill, draft, amount)
    _check_method(order, draft, amount, candidates)
    now = clock.now()
    payment = Payment(
        restaurant_id=order.restaurant_id,
        mode=order.mode,
        order=order,
        reference=clock.new_reference("P"),
        amount_minor=amount,
        tip_minor=draft.tip_minor,
        currency=order.currency,
        method=draft.method,
        wanted_provider=draft.provider,
        instrument=draft.instrument,
        return_url=draft.return_url,
        metadata=dict(draft.metadata),
        hold_until=now + timing.HOLD,
        retry_until=now + timing.RETRY_WINDOW,
        created_at=now,
    )
    payment.plan(NextAction.BEGIN, now)
    return payment


def _check_texts(draft: PaymentDraft) -> None:
    """A token is a provider's word for a card; whoever sends the card itself is stopped here (I18)."""
    check_text(draft.instrument, field="instrument", longest=MAX_INSTRUMENT, refusal=PaymentRefused)
    check_text(json.dumps(dict(draft.metadata)), field="metadata", longest=MAX_METADATA, refusal=PaymentRefused)
    if len(draft.return_url) > MAX_RETURN_URL:
        raise PaymentRefused("This address is too long.", field="return_url", code="bad_text")


MAX_INSTRUMENT = 500  # The longest token of a provider is half of it.
MAX_METADATA = 8_000  # Somebody else's notes, not somebody else's database.
MAX_RETURN_URL = 500


def _check_amounts(bill: Bill, draft: PaymentDraft, amount: int) -> None:
    order = bill.order
    if not bill.is_payable:
        raise PaymentRefused(f"Order {order.reference} is cancelled.", field="order", code="order_cancelled")
    if draft.currency and draft.currency != order.currency:
        raise PaymentRefused(
            f"Order {order.reference} is in {order.currency}, not {draft.currency}.",
            field="currency",
            code="wrong_currency",
        )
    if type(amount) is not int or type(draft.tip_minor) is not int:
        raise PaymentRefused("Amounts are whole numbers of minor units.", field="amount", code="not_an_integer")
    if bill.due_minor <= 0:
        raise PaymentRefused(f"Order {order.reference} is paid already.", field="order", code="already_covered")
    if bill.free_minor <= 0:
        raise PaymentRefused(
            f"What is left of order {order.reference} is being paid right now.", field="order", code="being_paid"
        )
    if amount <= 0 or not 0 <= draft.tip_minor <= MAX_MINOR:
        raise PaymentRefused("The amount must be above zero, and a tip not below.", field="amount", code="bad_amount")
    if amount > bill.free_minor:
        raise PaymentRefused(
            f"{amount} is more than the {bill.free_minor} that is left to pay.", field="amount", code="more_than_due"
        )


def _check_method(order: Order, draft: PaymentDraft, amount: int, candidates: list[routing.Candidate]) -> None:
    if draft.method not in Method.values:
        known = ", ".join(Method.values)
        raise PaymentRefused(f"{draft.method!r} is not one of: {known}.", field="method", code="unknown_method")
    wish = routing.Wish(
        method=draft.method,
        currency=order.currency,
        amount_minor=amount + draft.tip_minor,
        channel=order.channel,
        provider=draft.provider,
    )
    if not any(routing.fits(candidate, wish) for candidate in candidates):
        raise PaymentRefused(
            f"This restaurant has no provider for {draft.method} in {order.currency} at this amount.",
            field="method",
            code="no_provider",
        )


def _check_retry(bill: Bill, payment: Payment) -> None:
    if payment.status != PaymentStatus.FAILED:
        raise PaymentRefused(f"Payment {payment.reference} is {payment.status}, not failed.", code="not_failed")
    if not bill.is_payable:
        raise PaymentRefused(f"Order {bill.order.reference} is cancelled.", field="order", code="order_cancelled")
    if payment.amount_minor > bill.free_minor:
        raise PaymentRefused(
            f"Only {bill.free_minor} of the order is still free; this payment is for {payment.amount_minor}.",
            field="amount",
            code="more_than_due",
        )
    if bill.live_attempt_of(payment) is not None:
        raise PaymentRefused("An earlier attempt is not closed yet.", code="attempt_live")
