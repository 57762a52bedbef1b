"""What goes over the wire: requests, replies, the JSON of things, errors, and the ways an answer is spoiled."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

from sandbox.behaviours import ChargeStatus, Network, RefundStatus, Spoil
from sandbox.books import Charge, Refund

HUGE_BYTES = 10 * 1024 * 1024  # Far above what any caller should be ready to keep.
BASIS_POINTS = 10_000
RETRY_AFTER_SECONDS = 2
_JSON = {"content-type": "application/json"}
_HTML = {"content-type": "text/html; charset=utf-8"}

_FAILURES = {
    "insufficient_funds": "There is not enough money on this account.",
    "expired_card": "The card is expired.",
    "incorrect_cvc": "The security code is wrong.",
    "do_not_honor": "The bank declined without giving a reason.",
    "fraud": "The bank suspects fraud.",
    "stolen_card": "The card was reported stolen.",
    "issuer_unavailable": "The bank cannot be reached. Another provider may help.",
    "declined_by_guest": "The guest pressed Decline.",
    "cancelled": "The charge was cancelled before it was paid.",
    "refund_refused": "The bank did not accept the refund.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    method: str
    path: str  # Decoded, without the query.
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)  # Names in lower case.
    body: bytes = b""

    def json(self) -> dict[str, Any]:
        try:
            value = json.loads(self.body or b"{}")
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise Refusal(HTTPStatus.BAD_REQUEST, "invalid_request", "The body must be a JSON object.")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the provider would answer, and what the network makes of it."""

    status: int = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=lambda: _JSON)
    body: bytes = b""
    network: Network = Network.NONE
    delay_seconds: float = 0.0


class Refusal(Exception):
    """An error in the provider's own format; nothing was done."""

    def __init__(self, status: HTTPStatus, code: str, message: str) -> None:
        super().__init__(message)
        self.reply = error_reply(status, code, message)


def json_reply(value: Mapping[str, Any]) -> Reply:
    return Reply(body=json.dumps(value).encode())


def error_reply(status: HTTPStatus, code: str, message: str) -> Reply:
    return replace(json_reply({"error": {"code": code, "message": message}}), status=status)


def html_reply(page: str, *, status: HTTPStatus = HTTPStatus.OK) -> Reply:
    return Reply(status=status, headers=_HTML, body=page.encode())


def redirect_reply(location: str) -> Reply:
    return Reply(status=HTTPStatus.SEE_OTHER, headers={"location": location})


def charge_json(charge: Charge, refunds: list[Refund], *, page_url: str, fee_bps: int) -> dict[str, Any]:
    moved = {"amount": charge.moved_amount, "currency": charge.moved_currency} if charge.moved_amount else None
    failed = charge.status in {ChargeStatus.FAILED, ChargeStatus.CANCELLED}
    return {
        "object": "charge",
        "id": charge.id,
        "key": charge.key,
        "status": charge.status,
        "amount": charge.amount,
        "currency": charge.currency,
        "moved": moved,
        "fee": charge.moved_amount * fee_bps // BASIS_POINTS,
        "order_reference": charge.order_reference,
        "method": charge.method,
        "created": charge.created,
        "failure_code": charge.failure_code if failed else "",
        "failure_message": _FAILURES.get(charge.failure_code, "") if failed else "",
        "pay_url": page_url,
        "refunds": [refund_json(refund, charge) for refund in refunds],
    }


def refund_json(refund: Refund, charge: Charge) -> dict[str, Any]:
    failed = refund.status is RefundStatus.FAILED
    done = refund.status is RefundStatus.SUCCEEDED
    return {
        "object": "refund",
        "id": refund.id,
        "key": refund.key,
        "status": refund.status,
        "amount": refund.amount,
        "currency": refund.currency,
        "moved": {"amount": refund.amount, "currency": refund.currency} if done else None,
        "charge_id": charge.id,
        "charge_key": charge.key,
        "origin": refund.origin,
        "created": refund.created,
        "failure_code": "refund_refused" if failed else "",
        "failure_message": _FAILURES["refund_refused"] if failed else "",
    }


def signature(secret: str, body: bytes, signed_at: int) -> str:
    digest = hmac.new(secret.encode(), b"%d." % signed_at + body, hashlib.sha256).hexdigest()
    return f"t={signed_at},v1={digest}"


def fingerprint(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _page(status: HTTPStatus) -> Callable[[Reply], Reply]:
    page = f"<html><head><title>{status} {status.phrase}</title></head><body><h1>{status.phrase}</h1></body></html>"
    return lambda reply: html_reply(page, status=status)


def _error(status: HTTPStatus, code: str, message: str) -> Callable[[Reply], Reply]:
    return lambda reply: error_reply(status, code, message)


def _rate_limited(reply: Reply) -> Reply:
    error = error_reply(HTTPStatus.TOO_MANY_REQUESTS, "rate_limited", "Slow down.")
    return replace(error, headers={**_JSON, "retry-after": str(RETRY_AFTER_SECONDS)})


def _huge(reply: Reply) -> Reply:
    return replace(reply, body=reply.body[:-1] + b', "padding": "' + b"x" * HUGE_BYTES + b'"}')


# The reply as the caller gets it.
SPOILERS: Mapping[Spoil, Callable[[Reply], Reply]] = {
    Spoil.NONE: lambda reply: reply,
    Spoil.HTML_403: _page(HTTPStatus.FORBIDDEN),
    Spoil.HTML_502: _page(HTTPStatus.BAD_GATEWAY),
    Spoil.HTML_503: _page(HTTPStatus.SERVICE_UNAVAILABLE),
    Spoil.ERROR_500: _error(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "Something broke here."),
    Spoil.UNAUTHORISED: _error(HTTPStatus.UNAUTHORIZED, "unauthorised", "This API key is not valid."),
    Spoil.RATE_LIMITED: _rate_limited,
    Spoil.GARBAGE: lambda reply: replace(reply, body=bytes(range(128, 256)) * 4),
    Spoil.TRUNCATED: lambda reply: replace(reply, body=reply.body[: len(reply.body) // 2]),
    Spoil.HUGE: _huge,
}
