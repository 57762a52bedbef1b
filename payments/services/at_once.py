"""What a caller waits for: written first, like everything, and then done inside the request instead of by the clock."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from accounts.services.idempotency import Call
from events.actors import Actor
from payments.models import NextAction, Payment, Refund
from payments.services import timing
from payments.services.attempts import run_payment
from payments.services.lookups import look_up_payment
from payments.services.payments import retry_payment, start_payment
from payments.services.refund_requests import request_refund
from payments.services.refunds import send_refund


def longest_request() -> timedelta:
    """After this no request is still at work: what it began belongs to the clock."""
    return timing.request_budget() + timing.provider_deadline() / 2


def start_now(*, payment_id: UUID, actor: Actor, method: str, instrument: str, call: Call) -> None:
    start_payment(payment_id=payment_id, actor=actor, method=method, instrument=instrument, call=call)
    run_payment(payment_id=payment_id)


def retry_now(*, payment_id: UUID, actor: Actor, method: str, instrument: str, call: Call) -> None:
    retry_payment(payment_id=payment_id, actor=actor, method=method, instrument=instrument, call=call)
    run_payment(payment_id=payment_id)


def refund_now(
    *,
    payment_id: UUID,
    amount_minor: int | None,
    tip_minor: int,
    reason: str,
    reopens_order: bool,
    actor: Actor,
    call: Call,
) -> Refund:
    refund = request_refund(
        payment_id=payment_id,
        amount_minor=amount_minor,
        tip_minor=tip_minor,
        reason=reason,
        reopens_order=reopens_order,
        actor=actor,
        call=call,
    )
    if refund.next_action == NextAction.BEGIN:
        send_refund(refund_id=refund.pk)
    return refund


def ask_now(*, payment_id: UUID) -> None:
    """The provider, about a payment that is under way; whoever sends or asks right now is left alone."""
    payment = Payment.objects.get(pk=payment_id)
    if payment.holds_its_share and payment.next_action == NextAction.LOOK_UP and not payment.is_leased:
        look_up_payment(payment_id=payment_id)
