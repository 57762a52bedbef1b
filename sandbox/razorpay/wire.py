"""What Razorpay's things look like on the wire: ids, orders, payments, refunds, refusals, and spoiled answers."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from kernel import clock
from sandbox.behaviours import ChargeStatus, RefundStatus, Spoil
from sandbox.books import Charge, Order, Refund
from sandbox.notices import Webhook
from sandbox.wire import SPOILERS, Refusal, Reply

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID_LENGTH = 14
# A token by which a guest's payment is authorised and never captured, until it goes back by itself.
AUTHORISED_ONLY = frozenset({"sim_pending_not_cancellable", "sim_pending_late_success"})
_NO_ERROR = dict.fromkeys(("error_code", "error_description", "error_source", "error_step", "error_reason"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    code: str = "BAD_REQUEST_ERROR"
    source: str = "issuer_bank"
    step: str = "payment_authorization"
    reason: str
    description: str


# Our sandbox's words for why a charge failed, as Razorpay documents them.
_FAILURES = {
    "insufficient_funds": _Failure(
        code="GATEWAY_ERROR",
        source="customer",
        reason="insufficient_funds",
        description="Payment failed due to insufficient account balance.",
    ),
    "expired_card": _Failure(reason="card_expired", description="The card has expired."),
    "incorrect_cvc": _Failure(source="customer", reason="incorrect_cvv", description="The CVV is wrong."),
    "do_not_honor": _Failure(reason="payment_declined", description="The bank declined this payment."),
    "fraud": _Failure(source="internal", reason="payment_risk_check_failed", description="Blocked for its risk."),
    "stolen_card": _Failure(reason="debit_instrument_blocked", description="The card is blocked."),
    "issuer_unavailable": _Failure(reason="bank_not_available", description="The bank cannot be reached."),
    "declined_by_guest": _Failure(
        source="customer", step="payment_authentication", reason="payment_cancelled", description="Payment cancelled."
    ),
}
_STATUSES = {
    ChargeStatus.PENDING: "created",
    ChargeStatus.SUCCEEDED: "captured",
    ChargeStatus.FAILED: "failed",
    ChargeStatus.CANCELLED: "refunded",  # Authorised, never captured, and given back by Razorpay itself.
}
_REFUND_STATUSES = {
    RefundStatus.PENDING: "pending",
    RefundStatus.SUCCEEDED: "processed",
    RefundStatus.FAILED: "failed",
}


def new_id(kind: str) -> str:
    """Fourteen letters and digits whose case counts, after what kind of thing it is."""
    number, text = clock.new_id().int, ""
    for _ in range(ID_LENGTH):
        number, digit = divmod(number, len(_DIGITS))
        text += _DIGITS[digit]
    return f"{kind}_{text}"


def order_json(order: Order, tries: Sequence[Charge]) -> dict[str, Any]:
    came_in = sum(charge.moved_amount for charge in tries)
    status = "paid" if came_in else "attempted" if tries else "created"
    return {
        "amount": order.amount,
        "amount_due": max(0, order.amount - came_in),
        "amount_paid": came_in,
        "attempts": len(tries),
        "created_at": int(order.created),
        "currency": order.currency,
        "entity": "order",
        "id": order.id,
        "notes": order.notes or [],
        "offer_id": None,
        "receipt": order.receipt or None,
        "status": status,
    }


def payment_json(charge: Charge, refunds: Sequence[Refund]) -> dict[str, Any]:
    back = sum(refund.amount for refund in refunds if refund.status is not RefundStatus.FAILED)
    is_upi, captured = charge.method == "upi", charge.status is ChargeStatus.SUCCEEDED
    back = charge.amount if charge.status is ChargeStatus.CANCELLED else back
    return {
        "id": charge.id,
        "entity": "payment",
        "amount": charge.moved_amount or charge.amount,
        "currency": charge.moved_currency or charge.currency,
        "status": _payment_status(charge, back),
        "order_id": charge.order_id,
        "invoice_id": None,
        "international": False,
        "method": charge.method,
        "amount_refunded": back,
        "refund_status": None if not back else "full" if back >= (charge.moved_amount or charge.amount) else "partial",
        "captured": captured,
        "description": None,
        "card_id": None if is_upi else "card_DESlfW9H8K9uqM",
        "bank": None,
        "wallet": None,
        "vpa": "success@razorpay" if is_upi else None,
        "email": "void@razorpay.com",
        "contact": "+919999999999",
        "notes": [],
        "fee": 0 if captured else None,
        "tax": 0 if captured else None,
        **_error_fields(charge),
        "acquirer_data": {"rrn": None} if is_upi else {"auth_code": None},
        "created_at": int(charge.created),
    }


def refund_json(refund: Refund) -> dict[str, Any]:
    return {
        "id": refund.id,
        "entity": "refund",
        "amount": refund.amount,
        "currency": refund.currency,
        "payment_id": refund.charge_id,
        "notes": refund.notes or [],
        "receipt": refund.receipt or None,
        "acquirer_data": {"arn": None},
        "created_at": int(refund.created),
        "batch_id": None,
        "status": _REFUND_STATUSES[refund.status],
        "speed_processed": "normal",
        "speed_requested": "normal",
    }


def collection(items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"entity": "collection", "count": len(items), "items": list(items)}


def json_reply(value: Mapping[str, Any], *, status: HTTPStatus = HTTPStatus.OK) -> Reply:
    return Reply(status=status, body=json.dumps(value).encode())


def refused(description: str, *, status: HTTPStatus = HTTPStatus.BAD_REQUEST, **more: Any) -> Refusal:
    """An error in Razorpay's format; nothing was done."""
    refusal = Refusal(status, "BAD_REQUEST_ERROR", description)
    refusal.reply = _error_reply(status, "BAD_REQUEST_ERROR", description, **more)
    return refusal


def signature(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


class RazorpayWebhook(Webhook):
    """Its signature has no time in it, so that a repetition is the same to the byte."""

    @property
    def headers(self) -> dict[str, str]:
        return {
            "content-type": "application/json",
            "user-agent": "Razorpay-Webhook/v1",
            "request-id": self.id,
            "x-razorpay-event-id": self.id,
            "x-razorpay-signature": signature(self.secret, self.body),
        }


def _payment_status(charge: Charge, back: int) -> str:
    if charge.status is ChargeStatus.PENDING and charge.token in AUTHORISED_ONLY:
        return "authorized"
    is_all_back = charge.status is ChargeStatus.SUCCEEDED and back >= charge.moved_amount
    return "refunded" if is_all_back else _STATUSES[charge.status]


def _error_fields(charge: Charge) -> dict[str, Any]:
    if charge.status is not ChargeStatus.FAILED:
        return dict(_NO_ERROR)
    failure = _FAILURES.get(charge.failure_code, _FAILURES["do_not_honor"])
    return {
        "error_code": failure.code,
        "error_description": failure.description,
        "error_source": failure.source,
        "error_step": failure.step,
        "error_reason": failure.reason,
    }


def _error_reply(status: HTTPStatus, code: str, description: str, **more: Any) -> Reply:
    error = {"code": code, "description": description, "source": "NA", "step": "NA", "reason": "NA", "metadata": {}}
    return json_reply({"error": {**error, **more}}, status=status)


def _always(status: HTTPStatus, code: str, description: str) -> Callable[[Reply], Reply]:
    return lambda reply: _error_reply(status, code, description)


def _rate_limited(reply: Reply) -> Reply:
    """It documents no Retry-After."""
    return _error_reply(HTTPStatus.TOO_MANY_REQUESTS, "BAD_REQUEST_ERROR", "Request throttled.")


RAZORPAY_SPOILERS: Mapping[Spoil, Callable[[Reply], Reply]] = {
    **SPOILERS,
    Spoil.ERROR_500: _always(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "SERVER_ERROR",
        "The server encountered an error. The incident has been reported to admins.",
    ),
    Spoil.UNAUTHORISED: _always(HTTPStatus.UNAUTHORIZED, "BAD_REQUEST_ERROR", "Authentication failed"),
    Spoil.RATE_LIMITED: _rate_limited,
}
