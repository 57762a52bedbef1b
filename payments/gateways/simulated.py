"""The gateway for the sandbox provider in `sandbox/`, and the smallest complete example of a gateway."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, quote

from payments.gateways import contract, reading
from payments.gateways.contract import (
    Answer,
    CancelAnswer,
    Entry,
    EntryKind,
    ErrorCode,
    InvalidNotice,
    LookUpResult,
    Subject,
)
from payments.gateways.transport import Dial, Exchange, HttpTransport, SocketTransport, json_object

MAX_FIELDS = 20  # The return address may have some of its own.
TOTAL_SECONDS = 10.0  # Less than the request budget, far less than the lease.
_CODES = {
    "insufficient_funds": ErrorCode.INSUFFICIENT_FUNDS,
    "expired_card": ErrorCode.EXPIRED_CARD,
    "incorrect_cvc": ErrorCode.INCORRECT_DETAILS,
    "do_not_honor": ErrorCode.CARD_DECLINED,
    "fraud": ErrorCode.FRAUD_SUSPECTED,
    "stolen_card": ErrorCode.STOLEN_CARD,
    "issuer_unavailable": ErrorCode.ISSUER_UNAVAILABLE,
    "declined_by_guest": ErrorCode.CANCELLED_BY_GUEST,
    "cancelled": ErrorCode.CANCELLED_BY_GUEST,
    "invalid_request": ErrorCode.REQUEST_REFUSED,
    "refund_refused": ErrorCode.REFUND_REFUSED,
    "key_reused": ErrorCode.CONTRADICTORY_ANSWER,
}
_STATUSES = {
    "succeeded": Answer.SUCCEEDED,
    "pending": Answer.PENDING,
    "failed": Answer.DECLINED,
    "cancelled": Answer.DECLINED,
}
_NOT_CLOSED = {"too_late": CancelAnswer.TOO_LATE, "not_cancellable": CancelAnswer.NOT_POSSIBLE}
_SIGNATURE = re.compile(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})")
FACTS = contract.GatewayFacts(
    name="simulated",
    methods=frozenset({"card", "upi"}),
    key_lifetime=timedelta(hours=24),
    visibility_delay=timedelta(seconds=2),
    late_money_window=timedelta(days=5),
    refund_return_window=timedelta(days=3),
    pending_lifetime=timedelta(minutes=15),
    not_found_is_final=False,
    is_simulated=True,
    entries=(
        Entry(name="base_url", label="Address of the sandbox", kind=EntryKind.ADDRESS),
        Entry(name="api_key", label="API key"),
        Entry(name="webhook_secrets", label="Signing secret of its notices", kind=EntryKind.SECRETS),
        Entry(name="notify_url", label="Where its notices come", kind=EntryKind.NOTICES),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedCredentials:
    base_url: str
    api_key: str = field(repr=False)
    webhook_secrets: tuple[str, ...] = field(repr=False)
    notify_url: str = ""

    def __post_init__(self) -> None:
        reading.check_secrets(self.webhook_secrets)
        if not self.base_url or not self.api_key:
            raise ValueError("The sandbox provider needs a base URL and an API key.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedGateway:
    credentials: SimulatedCredentials
    facts: contract.GatewayFacts = FACTS
    total_seconds: float = TOTAL_SECONDS
    dial: Dial = SocketTransport

    def charge(self, request: contract.ChargeRequest) -> contract.Result:
        body = {"order_reference": request.order_reference, "method": request.method, "token": request.instrument}
        urls = {"return_url": request.return_url, "notify_url": self.credentials.notify_url}
        return self._move(Subject.CHARGE, request, body | urls)

    def refund(self, request: contract.RefundRequest) -> contract.Result:
        return self._move(Subject.REFUND, request, {"charge_key": request.charge_key})

    def cancel(self, request: contract.CancelRequest) -> contract.CancelResult:
        exchange = self._http().send("POST", f"{_path(Subject.CHARGE, request.key)}/cancel", body={})
        said = reading.as_cancel_result(_understand(exchange, Subject.CHARGE, request.key))
        code, message = reading.own_error(exchange)
        if code in _NOT_CLOSED:
            return contract.CancelResult(answer=_NOT_CLOSED[code], message=message, raw=said.raw)
        return replace(said, message=message or said.message)

    def look_up(self, request: contract.LookUpRequest) -> LookUpResult:
        exchange = self._http().send("GET", _path(request.subject, request.key))
        said = _understand(exchange, request.subject, request.key)
        not_found = exchange.status == HTTPStatus.NOT_FOUND and reading.own_error(exchange)[0] == "not_found"
        return LookUpResult(answer=Answer.NOT_FOUND, raw=said.raw) if not_found else said

    def read_notice(self, headers: Mapping[str, str], body: bytes) -> contract.Notice:
        headers, body = _unwrapped(headers, body)
        if (match := _SIGNATURE.fullmatch(reading.one_header(headers, "X-Sandbox-Signature"))) is None:
            raise InvalidNotice("The signature is malformed.")
        reading.check_signed(match[1].encode() + b"." + body, match[2], self.credentials.webhook_secrets)
        reading.check_fresh(int(match[1]))
        event = json_object(body) or {}
        try:
            subject, thing = Subject(event["data"]["object"]), event["data"]
            if subject is Subject.REFUND and not thing["key"]:  # Not started by us: news about our charge.
                subject, thing = Subject.CHARGE, thing["charge"]
            key, event_id = reading.required_text(thing["key"]), reading.required_text(event["id"])
            return contract.Notice(id=event_id, subject=subject, key=key, result=_read(thing, subject, key))
        except reading.CONTRADICTIONS as error:
            raise InvalidNotice("The notice is signed, but it is not one of the documented ones.") from error

    def _http(self) -> HttpTransport:
        base_url, headers = self.credentials.base_url, {"authorization": f"Bearer {self.credentials.api_key}"}
        return HttpTransport(base_url=base_url, total_seconds=self.total_seconds, headers=headers, dial=self.dial)

    def _move(
        self, subject: Subject, request: contract.ChargeRequest | contract.RefundRequest, about: Mapping[str, str]
    ) -> contract.Result:
        body = {"amount": request.money.minor, "currency": request.money.currency, **about}
        key, path = {"idempotency-key": request.key}, f"/v1/{subject}s"
        exchange = self._http().send("POST", path, body=body, headers=key, send_before=request.send_before)
        if exchange.status != HTTPStatus.OK:
            return reading.failed_move(exchange, _CODES)
        said = _understand(exchange, subject, request.key)
        return reading.as_result(said, next_step=reading.redirect(said.raw.get("pay_url")))


def _unwrapped(headers: Mapping[str, str], body: bytes) -> tuple[Mapping[str, str], bytes]:
    """Through the guest's browser the same event and signature come as the query of the return address."""
    kinds = [value for name, value in headers.items() if name.lower() == "content-type"]
    if not any(kind.startswith("application/x-www-form-urlencoded") for kind in kinds):
        return headers, body
    said = parse_qs(body.decode("ascii", "replace"), max_num_fields=MAX_FIELDS)
    event, signature = said.get("sandbox_event", [""])[0], said.get("sandbox_signature", [""])[0]
    try:
        return {"X-Sandbox-Signature": signature}, urlsafe_b64decode(event.encode())
    except ValueError as error:
        raise InvalidNotice("The event in this query cannot be read.") from error


def _understand(exchange: Exchange, subject: Subject, key: str) -> LookUpResult:
    return reading.understand(exchange, lambda thing: _read(thing, subject, key))


def _path(subject: Subject, key: str) -> str:
    return f"/v1/{subject}s/by-key/{quote(key, safe='')}"


def _read(thing: Mapping[str, Any], subject: Subject, key: str) -> LookUpResult:
    """Raises one of reading.CONTRADICTIONS where the provider contradicts itself or the question."""
    if thing["object"] != subject or thing["key"] != key:
        raise ValueError("This is about something else.")
    answer = _STATUSES[thing["status"]]
    declined = ErrorCode.CARD_DECLINED if subject is Subject.CHARGE else ErrorCode.REFUND_REFUSED
    return LookUpResult(
        answer=answer,
        code=_CODES.get(thing["failure_code"], declined) if answer is Answer.DECLINED else ErrorCode.NONE,
        message=reading.text(thing["failure_message"]),
        reference=reading.required_text(thing["id"]),
        money=reading.positive_money(**thing["moved"]) if answer is Answer.SUCCEEDED else None,
        refunds=tuple(map(_refund, thing["refunds"])) if subject is Subject.CHARGE else (),
        raw=thing,
    )


_THEIRS = {"dashboard": contract.Theirs.REFUND, "chargeback": contract.Theirs.CHARGEBACK}


def _refund(fact: Mapping[str, Any]) -> contract.RefundFact:
    money, reference = reading.positive_money(fact["amount"], fact["currency"]), reading.required_text(fact["id"])
    succeeded = fact["status"] == "succeeded"
    theirs = _THEIRS.get(reading.text(fact.get("origin", "")), contract.Theirs.NOT_SAID)
    key = reading.text(fact["key"])
    return contract.RefundFact(reference=reference, key=key, money=money, succeeded=succeeded, theirs=theirs)
