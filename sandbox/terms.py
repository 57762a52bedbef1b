"""What callers ask for: request bodies, checked. Everything that is refused here is refused before processing."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from sandbox.behaviours import CHARGES
from sandbox.wire import Refusal

MAX_AMOUNT = 10**12  # More than any bill in any currency's minor units.
MAX_TIMES = 1000
MAX_TEXT = 500  # Keys and references are short; a URL with a query is the longest thing here.
_CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeTerms:
    amount: int
    currency: str
    order_reference: str
    method: str
    token: str
    return_url: str
    notify_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundTerms:
    charge_key: str
    amount: int
    currency: str


def charge_terms(body: Mapping[str, Any]) -> ChargeTerms:
    if body.get("capture", "automatic") != "automatic":
        raise invalid("capture can only be automatic.")
    terms = ChargeTerms(
        amount=amount(body),
        currency=_currency(body),
        order_reference=text(body, "order_reference", required=True),
        method=text(body, "method", required=True),
        token=text(body, "token"),
        return_url=url(body, "return_url"),
        notify_url=url(body, "notify_url"),
    )
    if terms.token not in CHARGES:
        raise invalid("This token is not one of the test tokens.")
    return terms


def refund_terms(body: Mapping[str, Any]) -> RefundTerms:
    charge_key = text(body, "charge_key", required=True)
    return RefundTerms(charge_key=charge_key, amount=amount(body), currency=_currency(body))


def amount(body: Mapping[str, Any]) -> int:
    value = body.get("amount")
    if type(value) is not int or not 0 < value <= MAX_AMOUNT:
        raise invalid("amount must be a whole number of minor units above 0.")
    return value


def text(body: Mapping[str, Any], name: str, *, required: bool = False) -> str:
    value = body.get(name, "")
    if not isinstance(value, str) or len(value) > MAX_TEXT or (required and not value):
        raise invalid(f"{name} must be a text of at most {MAX_TEXT} characters.")
    return value


def number(body: Mapping[str, Any], name: str, *, most: float) -> float | None:
    value = body.get(name)
    if value is None:
        return None
    if type(value) not in (int, float) or not 0 <= value <= most:
        raise invalid(f"{name} must be a number from 0 to {most}.")
    return float(value)


def times(body: Mapping[str, Any]) -> int:
    value = body.get("times", 1)
    if type(value) is not int or not 0 <= value <= MAX_TIMES:
        raise invalid(f"times must be a whole number from 0 to {MAX_TIMES}.")
    return value


def choice(body: Mapping[str, Any], name: str, allowed: Collection[str]) -> str:
    value = text(body, name)
    if value not in set(allowed):
        raise invalid(f"{name} must be one of: {', '.join(allowed)}.")
    return value


def invalid(message: str) -> Refusal:
    return Refusal(HTTPStatus.BAD_REQUEST, "invalid_request", message)


def refund_refused(message: str) -> Refusal:
    return Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "refund_refused", message)


def _currency(body: Mapping[str, Any]) -> str:
    value = text(body, "currency")
    if not _CURRENCY.fullmatch(value):
        raise invalid("currency must be three capital letters.")
    return value


def url(body: Mapping[str, Any], name: str) -> str:
    """A guest's browser is sent there, so it must be a web address and never a script."""
    value = text(body, name)
    if value and not value.startswith(("https://", "http://")):
        raise invalid(f"{name} must begin with https:// or http://.")
    return value
