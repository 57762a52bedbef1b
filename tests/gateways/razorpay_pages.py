"""What Razorpay documents that it sends: each typed from the page of its documentation that is named."""

from __future__ import annotations

from typing import Any

ORDER_ID, PAYMENT_ID, REFUND_ID = "order_DESxiijbl9xjDB", "pay_DESyzxuld02Zul", "rfnd_FS8TWyPrCsa0OB"


def order(**other: Any) -> dict[str, Any]:
    """api/orders/create: the answer. What an order's capture was set to, it does not repeat."""
    return {
        "amount": 84000,
        "amount_due": 84000,
        "amount_paid": 0,
        "attempts": 0,
        "created_at": 1756455561,
        "currency": "INR",
        "entity": "order",
        "id": ORDER_ID,
        "notes": {"order": "O-7313KA1T"},
        "offer_id": None,
        "receipt": "key-1",
        "status": "created",
        **other,
    }


def payment(**other: Any) -> dict[str, Any]:
    """api/orders/fetch-payments: a captured UPI payment."""
    return {
        "id": PAYMENT_ID,
        "entity": "payment",
        "amount": 84000,
        "currency": "INR",
        "status": "captured",
        "order_id": ORDER_ID,
        "invoice_id": None,
        "international": False,
        "method": "upi",
        "amount_refunded": 0,
        "refund_status": None,
        "captured": True,
        "description": None,
        "card_id": None,
        "bank": None,
        "wallet": None,
        "vpa": "success@razorpay",
        "email": "void@razorpay.com",
        "contact": "+919999999999",
        "notes": [],
        "fee": 2,
        "tax": 0,
        "error_code": None,
        "error_description": None,
        "error_source": None,
        "error_step": None,
        "error_reason": None,
        "acquirer_data": {"rrn": "267567962619", "upi_transaction_id": "F5B66C7C07CA6FEAD77E956DC2FC7ABE"},
        "created_at": 1701688721,
        "upi": {"vpa": "success@razorpay"},
        **other,
    }


def failed(**other: Any) -> dict[str, Any]:
    """api/orders/fetch-payments: one that failed."""
    said = {
        "status": "failed",
        "captured": False,
        "fee": None,
        "tax": None,
        "error_code": "BAD_REQUEST_ERROR",
        "error_description": "Payment was unsuccessful due to a temporary issue.",
        "error_source": "gateway",
        "error_step": "payment_response",
        "error_reason": "payment_failed",
        "acquirer_data": {"rrn": None},
    }
    return payment(**{**said, **other})


def refund(**other: Any) -> dict[str, Any]:
    """api/refunds/create-normal: the answer."""
    return {
        "id": REFUND_ID,
        "entity": "refund",
        "amount": 1000,
        "currency": "INR",
        "payment_id": PAYMENT_ID,
        "notes": {"steward_refund": "key-1"},
        "receipt": "key-1",
        "acquirer_data": {"arn": None},
        "created_at": 1597078866,
        "batch_id": None,
        "status": "processed",
        "speed_processed": "normal",
        "speed_requested": "normal",
        **other,
    }


def dispute(**other: Any) -> dict[str, Any]:
    """webhooks/disputes: one that was lost."""
    return {
        "id": "disp_EsIAlDcoUr8CaQ",
        "entity": "dispute",
        "payment_id": PAYMENT_ID,
        "amount": 39000,
        "currency": "INR",
        "amount_deducted": 39000,
        "reason_code": "processed_invalid_expired_card",
        "respond_by": 1590431400,
        "status": "lost",
        "phase": "chargeback",
        "created_at": 1589907957,
        **other,
    }


def collection(*items: dict[str, Any]) -> dict[str, Any]:
    """api/orders/fetch-all: every list of theirs."""
    return {"entity": "collection", "count": len(items), "items": list(items)}


def event(name: str, **things: dict[str, Any]) -> dict[str, Any]:
    """webhooks/payments: the envelope."""
    return {
        "entity": "event",
        "account_id": "acc_BFQ7uQEaa7j2z7",
        "event": name,
        "contains": list(things),
        "payload": {thing: {"entity": said} for thing, said in things.items()},
        "created_at": 1567675356,
    }


CAPTURED = event("payment.captured", payment=payment())


def refusal(description: str, **other: Any) -> dict[str, Any]:
    """errors, api/orders/create: what is refused."""
    said = {
        "code": "BAD_REQUEST_ERROR",
        "description": description,
        "source": "business",
        "step": "payment_initiation",
        "reason": "input_validation_failed",
        "metadata": {},
        **other,
    }
    return {"error": said}
