"""What callers ask for: bodies and queries, checked as Razorpay documents that it does."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sandbox.razorpay.wire import refused
from sandbox.terms import MAX_AMOUNT
from sandbox.wire import Refusal

LEAST_AMOUNT = 100  # One rupee.
LONGEST_RECEIPT = 40
SHORTEST_KEY = 10  # Of a refund's idempotency key.
LEAST_EXPIRY_MINUTES = 12
MOST_EXPIRY_MINUTES = 7200
MOST_LISTED, LISTED = 100, 10
MOST_NOTES, LONGEST_NOTE = 15, 256
_KNOWN = frozenset(
    {
        *("amount", "currency", "receipt", "unique_receipt", "notes", "payment"),
        *("partial_payment", "first_payment_min_amount", "payment_capture"),
    }
)
_KEY = re.compile(r"[A-Za-z0-9_-]+")
_Listed = TypeVar("_Listed", bound=Any)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTerms:
    amount: int
    currency: str
    receipt: str
    unique_receipt: bool
    notes: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundTerms:
    amount: int
    receipt: str
    notes: Mapping[str, str]


def order_terms(body: Mapping[str, Any]) -> OrderTerms:
    if unknown := sorted(set(body) - _KNOWN):
        raise _invalid(f"{', '.join(unknown)} is/are not required and should not be sent", reason="extra_field_sent")
    amount, currency = _amount(body), body.get("currency")
    if amount < LEAST_AMOUNT:
        raise _invalid(
            "Order amount less than minimum amount allowed",
            step="order_creation",
            reason="amount_less_than_minimum_amount",
        )
    if not isinstance(currency, str) or len(currency) != len("INR"):
        raise _invalid("The currency should be a valid ISO 4217 currency code", field="currency")
    _check_capture(body.get("payment"))
    return OrderTerms(
        amount=amount,
        currency=currency,
        receipt=_receipt(body),
        unique_receipt=body.get("unique_receipt") is True,
        notes=_notes(body),
    )


def refund_terms(body: Mapping[str, Any], *, whole: int, key: str) -> RefundTerms:
    """Without an amount all that is left."""
    if key and len(key) < SHORTEST_KEY:
        raise _invalid("The idempotency key must be at least 10 characters long.")
    if key and not _KEY.fullmatch(key):
        raise _invalid("The idempotency key must only contain alphanumeric characters, underscores, and hyphens")
    amount = _amount(body) if "amount" in body else whole
    return RefundTerms(amount=amount, receipt=_receipt(body), notes=_notes(body))


def page_of(found: Sequence[_Listed], query: Mapping[str, str]) -> list[_Listed]:
    """Newest first; `from` and `to` are about when a thing was made, whatever became of it since."""
    count, skip = _number(query, "count", LISTED), _number(query, "skip", 0)
    if count > MOST_LISTED:
        raise _invalid(f"The count may not be greater than {MOST_LISTED}.")
    since, until = _number(query, "from", 0), _number(query, "to", 2**40)
    within = [entry for entry in found if since <= entry.created <= until]
    return within[skip : skip + count]


def _check_capture(payment: Any) -> None:
    if payment is None:
        return
    options = payment.get("capture_options", {}) if isinstance(payment, dict) else {}
    soon, late = options.get("automatic_expiry_period"), options.get("manual_expiry_period", MOST_EXPIRY_MINUTES)
    if not isinstance(payment, dict) or payment.get("capture") not in {"automatic", "manual"}:
        raise _invalid("The capture field should be automatic or manual.", field="capture")
    if type(soon) is not int or not LEAST_EXPIRY_MINUTES <= soon <= MOST_EXPIRY_MINUTES:
        raise _invalid("The automatic expiry period must be at least 12.", field="automatic_expiry_period")
    if type(late) is not int or not soon <= late <= MOST_EXPIRY_MINUTES:
        raise _invalid("The manual expiry period is not valid.", field="manual_expiry_period")


def _amount(body: Mapping[str, Any]) -> int:
    value = body.get("amount")
    if value is None:
        raise _invalid("amount: is required.", field="amount")
    if type(value) is not int or not 0 < value <= MAX_AMOUNT:
        raise _invalid("The amount must be an integer.", field="amount")
    return value


def _receipt(body: Mapping[str, Any]) -> str:
    value = body.get("receipt") or ""
    if not isinstance(value, str):
        raise _invalid(f"expected string but provided {type(value).__name__}", field="receipt")
    if len(value) > LONGEST_RECEIPT:
        raise _invalid(f"The receipt may not be greater than {LONGEST_RECEIPT} characters.", field="receipt")
    return value


def _notes(body: Mapping[str, Any]) -> Mapping[str, str]:
    notes = body.get("notes") or {}
    if not isinstance(notes, dict) or len(notes) > MOST_NOTES:
        raise _invalid(f"The notes may not have more than {MOST_NOTES} items.", field="notes")
    if any(not isinstance(value, str) or len(value) > LONGEST_NOTE for value in notes.values()):
        raise _invalid(f"A note may not be greater than {LONGEST_NOTE} characters.", field="notes")
    return notes


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    value = query.get(name, "")
    if not value:
        return default
    if not value.isascii() or not value.isdigit():
        raise _invalid(f"The {name} must be an integer.", field=name)
    return int(value)


def _invalid(description: str, **more: Any) -> Refusal:
    said = {"source": "business", "step": "payment_initiation", "reason": "input_validation_failed", **more}
    return refused(description, **said)
