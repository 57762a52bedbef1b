"""Payments are accepted, retried, held, withdrawn and freed here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from uuid import UUID

from django.db import transaction

from accounts.services.idempotency import Call, claim
from events.actors import SYSTEM, Actor
from events.services import Journal
from kernel import clock
from kernel.crashpoints import CrashPoint, crashpoint
from kernel.statements import Insertion
from payments.models import Attempt, NextAction, Payment, PaymentStatus
from payments.services import routing, timing
from payments.services.acceptance import (
    PaymentDraft,
    check_amounts,
    check_instrument,
    check_method,
    check_provider,
    check_texts,
    wish_for,
    wish_of,
)
from payments.services.attempts import Sending, begin_locked, drive
from payments.services.bill import Bill, lock_bill_of_order, lock_bill_of_payment
from payments.services.deeds import PaymentDeed, deed_on
from payments.services.facts import FailureCode, PaymentEvent
from payments.services.failing import fail_payment
from payments.services.providers import candidates_for_order, candidates_for_payment
from payments.services.refusals import PaymentRefused
from payments.services.withdrawals import withdraw_locked


class Start(StrEnum):
    """When the first attempt of an accepted payment begins."""

    NOW = "now"
    BY_THE_CLOCK = "by_the_clock"
    NOT_YET = "not_yet"


def create_payment(*, draft: PaymentDraft, actor: Actor, call: Call | None = None) -> Payment:
    """Accept and let the clock do the rest."""
    return _accept(draft, actor, Start.BY_THE_CLOCK, call)[0]


def reserve_share(*, draft: PaymentDraft, actor: Actor, call: Call | None = None) -> Payment:
    """Hold a share for a guest who is still choosing. Nothing is charged; it is freed when the hold ends."""
    return _accept(draft, actor, Start.NOT_YET, call)[0]


def start_payment(
    *, payment_id: UUID, actor: Actor, method: str = "", instrument: str = "", call: Call | None = None
) -> Payment:
    """The guest of a held share has chosen."""
    candidates = candidates_for_payment(payment_id)
    with transaction.atomic():
        if call is not None:
            claim(call)
        bill = lock_bill_of_payment(payment_id)
        payment = bill.payment(payment_id)
        if payment.status != PaymentStatus.PENDING or payment.next_action != NextAction.EXPIRE:
            raise PaymentRefused(f"Payment {payment.reference} is {payment.status} already.", code="not_waiting")
        _choose(bill, payment, method, instrument, candidates)
        payment.retry_until = clock.now() + timing.RETRY_WINDOW
        payment.plan(NextAction.BEGIN, clock.now())
        journal = Journal(actor)
        journal.note(payment, step="start", reason="The guest has chosen.")
        payment.save()
        journal.write()
    return payment


def pay(*, draft: PaymentDraft, actor: Actor, call: Call | None = None) -> Payment:
    """Accept and make the first attempt now: one commit before the provider is called, one after."""
    payment, sending = _accept(draft, actor, Start.NOW, call)
    return drive(sending) if sending else payment


def retry_payment(
    *,
    payment_id: UUID,
    actor: Actor,
    method: str = "",
    instrument: str = "",
    provider: str = "",
    candidates: Sequence[routing.Candidate] | None = None,
    call: Call | None = None,
) -> Payment:
    """A failed payment, by the payer while its amount is still free, or by an operator: a new round.

    `provider` counts for this round alone. `candidates` comes from whoever holds a lock already: they are read before.
    """
    candidates = candidates_for_payment(payment_id) if candidates is None else candidates
    with transaction.atomic():
        if call is not None:
            claim(call)
        bill = lock_bill_of_payment(payment_id)
        payment = bill.payment(payment_id)
        _check_retry(bill, payment)
        with deed_on(payment, PaymentDeed.RETRY, actor=actor):
            payment.round_provider = provider
            _choose(bill, payment, method, instrument, candidates)
            payment.round += 1
            payment.retry_until = clock.now() + timing.RETRY_WINDOW
            payment.claims = 0
            journal = Journal(actor)
            labels = " or ".join(each.account.label for each in candidates if each.account.provider == provider)
            at = f" at {labels}" if labels else ""
            journal.move(payment, payment.retry, reason=f"Another try{at} was asked for.")
            payment.plan(NextAction.BEGIN, clock.now())
            journal.happened(PaymentEvent.STARTED, payment, round=payment.round)
            payment.save()
            journal.write()
    return payment


def retry_refusal(bill: Bill, payment: Payment) -> PaymentRefused | None:
    """For a page, of a bill that it read without a lock."""
    try:
        _check_retry(bill, payment)
    except PaymentRefused as refused:
        return refused
    return None


def check_retry(payment_id: UUID) -> None:
    """For whoever wants to know before asking. Whoever asks is told anew, by what is so then."""
    with transaction.atomic():
        bill = lock_bill_of_payment(payment_id)
        _check_retry(bill, bill.payment(payment_id))


def providers_to_retry_at(payment: Payment) -> Mapping[str, list[routing.Candidate]]:
    """Those of the restaurant's that could take it, in their order, each with its accounts."""
    wish = replace(wish_of(payment.order, payment), provider="")
    providers: dict[str, list[routing.Candidate]] = {}
    for candidate in candidates_for_payment(payment.pk):
        if routing.fits(candidate, wish):
            providers.setdefault(candidate.account.provider, []).append(candidate)
    return providers


def extend_hold(*, payment_id: UUID, actor: Actor) -> Payment:
    """The guest is still choosing."""
    with transaction.atomic():
        payment = lock_bill_of_payment(payment_id).payment(payment_id)
        if payment.status == PaymentStatus.PENDING:
            payment.hold_until = clock.now() + timing.HOLD
            if payment.next_action == NextAction.EXPIRE:
                payment.plan(NextAction.EXPIRE, payment.hold_until)
            journal = Journal(actor)
            journal.happened(PaymentEvent.HOLD_EXTENDED, payment, until=payment.hold_until.isoformat())
            payment.save(update_fields=["hold_until", "version", *_PLAN])
            journal.write()
    return payment


def cancel_payment(*, payment_id: UUID, actor: Actor) -> Payment:
    """At once where nothing can have been charged; else the provider is asked to close it first."""
    with transaction.atomic():
        bill = lock_bill_of_payment(payment_id)
        payment = bill.payment(payment_id)
        with deed_on(payment, PaymentDeed.CANCEL, actor=actor):
            journal = Journal(actor)
            withdraw_locked(bill=bill, payment=payment, journal=journal)
            payment.save()
            journal.write()
    return payment


def expire_payment(*, payment_id: UUID, actor: Actor = SYSTEM) -> Payment:
    """A share without a live attempt is freed when its hold ends."""
    with transaction.atomic():
        bill = lock_bill_of_payment(payment_id)
        payment = bill.payment(payment_id)
        started = payment.next_action != NextAction.EXPIRE
        if payment.status != PaymentStatus.PENDING or started or clock.now() < payment.hold_until:
            return payment
        journal = Journal(actor)
        reason = "The hold of this share ended."
        fail_payment(payment=payment, code=FailureCode.EXPIRED, reason=reason, journal=journal)
        payment.save()
        journal.write()
    return payment


_PAYMENTS, _ATTEMPTS = Insertion(Payment), Insertion(Attempt)
_PLAN = ("next_action", "next_action_at", "lease_token", "lease_until")


def _accept(
    draft: PaymentDraft, actor: Actor, start: Start, call: Call | None = None
) -> tuple[Payment, Sending | None]:
    candidates = candidates_for_order(draft.order_id)
    with transaction.atomic():
        payment_id = clock.new_id() if call is None else claim(call)
        bill = lock_bill_of_order(draft.order_id)
        payment = _new_payment(payment_id, bill, draft, candidates)
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
            payment.retry_until = None
            payment.plan(NextAction.EXPIRE, payment.hold_until)
        _PAYMENTS.write([payment])
        if sending:
            _ATTEMPTS.write([sending.attempt])
        journal.write()
        crashpoint(CrashPoint.ACCEPT_BEFORE_COMMIT)
    crashpoint(CrashPoint.ACCEPT_AFTER_COMMIT)
    return payment, sending


def _new_payment(payment_id: UUID, bill: Bill, draft: PaymentDraft, candidates: list[routing.Candidate]) -> Payment:
    order = bill.order
    check_texts(draft)
    amount = bill.free_minor if draft.amount_minor is None else draft.amount_minor
    check_amounts(bill, draft, amount)
    if draft.is_to_be_chosen:
        check_provider(draft.provider, candidates)
    else:
        check_method(wish_for(order, draft.method, amount + draft.tip_minor, draft.provider), candidates)
    now = clock.now()
    payment = Payment(
        id=payment_id,
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
        customer=json.dumps(dict(draft.customer)) if draft.customer else "",
        return_url=draft.return_url,
        metadata=dict(draft.metadata),
        hold_until=now + timing.HOLD,
        retry_until=now + timing.RETRY_WINDOW,
        created_at=now,
    )
    payment.plan(NextAction.BEGIN, now)
    return payment


def _choose(
    bill: Bill, payment: Payment, method: str, instrument: str, candidates: Sequence[routing.Candidate]
) -> None:
    """What the guest pays with from now on. A token and a wished provider belong to the method that they came with; a
    provider that was wished for without a method is wished for with every one.
    """
    check_instrument(instrument)
    if method and method != payment.method:
        payment.instrument = ""
        if payment.method:
            payment.wanted_provider = ""
        payment.method = method
    payment.instrument = instrument or payment.instrument
    check_method(wish_of(bill.order, payment), candidates)


# Whoever has not paid after as many needs a person; whoever tries out cards that are not theirs gets no more.
MOST_ROUNDS = 30


def _check_retry(bill: Bill, payment: Payment) -> None:
    if payment.status != PaymentStatus.FAILED:
        raise PaymentRefused(f"Payment {payment.reference} is {payment.status}, not failed.", code="not_failed")
    if payment.round >= MOST_ROUNDS:
        raise PaymentRefused(f"It was tried {payment.round} times already.", code="tried_too_often")
    if not bill.is_payable:
        raise PaymentRefused(f"Order {bill.order.reference} is cancelled.", code="order_cancelled")
    _check_share_is_left(bill, payment)
    if bill.live_attempt_of(payment) is not None:
        raise PaymentRefused("An earlier attempt is not closed yet.", code="attempt_live")


def _check_share_is_left(bill: Bill, payment: Payment) -> None:
    """A retry names no amount: nothing in its request could be corrected."""
    if bill.due_minor <= 0:
        raise PaymentRefused(f"Order {bill.order.reference} is paid already.", code="already_covered")
    if payment.amount_minor > bill.due_minor:
        raise PaymentRefused(
            f"Only {bill.shown(bill.due_minor)} of the order is left to pay; "
            f"this payment is for {bill.shown(payment.amount_minor)}.",
            code="share_taken",
        )
    if payment.amount_minor > bill.free_minor:
        raise PaymentRefused(
            f"Only {bill.shown(bill.free_minor)} of the order is free, the rest is being paid right now.",
            code="being_paid",
        )
