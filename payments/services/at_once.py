"""What a caller waits for: written first, like everything, and then done inside the request instead of by the clock."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from accounts.services.idempotency import Call
from events.actors import Actor
from payments.models import NextAction, Payment, ProviderAccount, Refund
from payments.services import timing
from payments.services.asking import Asked, nobody_was_asked, stopped_by_hand, what_was_said
from payments.services.attempts import run_payment
from payments.services.lookups import look_up_payment
from payments.services.payments import retry_payment, start_payment
from payments.services.refund_requests import request_refund
from payments.services.refund_settlement import ENDED
from payments.services.refunds import look_up_refund, send_refund


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


def ask_now(*, payment_id: UUID) -> Asked:
    """The provider, about a payment that is under way; whoever sends or asks right now is left alone."""
    payment = _payment(payment_id)
    if _is_to_be_asked(payment):
        evidence = look_up_payment(payment_id=payment_id)
        if evidence is not None and payment.account is not None:
            return what_was_said(evidence, payment.account)
        payment = _payment(payment_id)
    return _nobody_was_asked(payment, payment.account)


def ask_about_refund_now(*, refund_id: UUID) -> Asked:
    evidence = look_up_refund(refund_id=refund_id)
    refund = _refund(refund_id)
    return _nobody_was_asked(refund, refund.account) if evidence is None else what_was_said(evidence, refund.account)


def why_not_asked(row: Payment | Refund, account: ProviderAccount) -> Asked | None:
    """What asking now would come to, where that is known without trying; whether a provider rests is not."""
    return stopped_by_hand(account) if _is_to_be_asked(row) else _nobody_was_asked(row, account)


def _is_to_be_asked(row: Payment | Refund) -> bool:
    is_open = isinstance(row, Refund) or row.holds_its_share
    return is_open and row.next_action == NextAction.LOOK_UP and not row.is_leased


def _nobody_was_asked(row: Payment | Refund, account: ProviderAccount | None) -> Asked:
    is_over = row.status in ENDED if isinstance(row, Refund) else not row.holds_its_share
    return nobody_was_asked(row, account, is_over=is_over)


def _refund(refund_id: UUID) -> Refund:
    return Refund.objects.select_related("account").get(pk=refund_id)


def _payment(payment_id: UUID) -> Payment:
    return Payment.objects.select_related("account").get(pk=payment_id)
