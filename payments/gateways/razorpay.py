"""The gateway for Razorpay: orders that a guest pays in Razorpay's window, refunds, signed notices and returns."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, quote

from kernel.money import Money
from payments.gateways import contract, reading
from payments.gateways.contract import Answer, ErrorCode, InvalidNotice, LookUpResult, Outcome, Result, Subject
from payments.gateways.talks import Talk, Unanswered, begin_talk, complete
from payments.gateways.transport import Dial, Exchange, HttpTransport, SocketTransport, json_object
from payments.gateways.verdicts import failed_call, failed_look_up

BASE_URL = "https://api.razorpay.com"
TOTAL_SECONDS = 10.0  # For all requests of one verb together.
# The shortest that Razorpay takes, in minutes. What is authorised later than this goes back to the guest by itself.
CAPTURE_WITHIN_MINUTES = 12
MAX_LISTED = 100  # As many as one of its lists gives at once; no order has so many.
MAX_FIELDS = 20  # Of a guest's return: three are Razorpay's, and the address may have some of its own.

FACTS = contract.GatewayFacts(
    name="razorpay",
    methods=frozenset({"card", "upi", "wallet"}),
    currencies=frozenset({"INR", "MYR", "SGD", "USD", "EUR", "GBP", "AED"}),
    # Razorpay names no lifetime, neither of a receipt nor of a refund's key: what every provider keeps at least.
    key_lifetime=timedelta(hours=24),
    # Its lists by receipt were seen to lag by minutes.
    visibility_delay=timedelta(minutes=10),
    # A bank may report for so long that a payment which looked failed was authorised.
    late_money_window=timedelta(days=5),
    # "Processed" means that the bank was told; a card's takes up to ten days to book it.
    refund_return_window=timedelta(days=10),
    # One try in its window takes up to that long.
    pending_lifetime=timedelta(minutes=15),
    not_found_is_final=False,
    entries=(
        contract.Entry(name="key_id", label="Key id", kind=contract.EntryKind.PLAIN),
        contract.Entry(name="key_secret", label="Key secret"),
        contract.Entry(name="webhook_secrets", label="Webhook secret", kind=contract.EntryKind.SECRETS),
        contract.Entry(name="base_url", label="Address of the API", kind=contract.EntryKind.ADDRESS),
    ),
)
_KEY_ID = re.compile(r"rzp_(test|live)_[A-Za-z0-9]{1,60}")
_OWN_CODES = frozenset({"BAD_REQUEST_ERROR", "GATEWAY_ERROR", "SERVER_ERROR", "SERVICE_UNAVAILABLE"})
_FORM = "application/x-www-form-urlencoded"
_RETURNED = ("order_id", "payment_id", "signature")  # Each exactly once.
_MINE = "steward_refund"  # The note by which a refund of ours is known: a receipt anybody may give.

# By `reason`: `code` says GATEWAY_ERROR also where there was just no money.
_REASONS: Mapping[ErrorCode, str] = {
    ErrorCode.INSUFFICIENT_FUNDS: "insufficient_funds insufficient_fund funds_blocked_by_mandate",
    ErrorCode.LIMIT_EXCEEDED: "credit_limit_exceeded transaction_limit_exceeded transaction_daily_limit_exceeded "
    "transaction_daily_count_exceeded transaction_frequency_limit_exceeded mcc_amount_limit_exceeded",
    ErrorCode.EXPIRED_CARD: "card_expired",
    ErrorCode.INCORRECT_DETAILS: "incorrect_card_details incorrect_card_expiry_date incorrect_cardholder_name "
    "incorrect_cvv incorrect_pin incorrect_atm_pin card_number_invalid card_type_invalid invalid_vpa",
    ErrorCode.AUTHENTICATION_FAILED: "authentication_failed incorrect_otp invalid_otp otp_expired "
    "otp_attempts_exceeded pin_attempts_exceeded pin_not_set card_not_enrolled verification_failed",
    ErrorCode.CARD_DECLINED: "card_declined payment_declined debit_declined debit_instrument_blocked "
    "debit_instrument_inactive authorisation_declined_by_psp card_disabled_for_online_payments "
    "international_transaction_not_allowed transaction_on_vpa_restricted",
    ErrorCode.FRAUD_SUSPECTED: "payment_risk_check_failed compliance_violation payment_amount_tampered",
    ErrorCode.CANCELLED_BY_GUEST: "payment_cancelled payment_timed_out payment_session_expired "
    "payment_collect_request_expired",
    ErrorCode.ISSUER_UNAVAILABLE: "bank_technical_error issuer_technical_error bank_not_available "
    "bank_cutoff_in_progress psp_not_available psp_app_not_available upi_app_technical_error",
}
_CODES = {reason: code for code, reasons in _REASONS.items() for reason in reasons.split()}

# Refusals of a refund that do not say whether ours was made: by its key, or by money that is not there any more.
_PERHAPS_MADE = ("duplicate receipt", "idempotency", "in progress", "fully refunded", "already been", "greater than")
_REFUND_STATES = {"processed": Answer.SUCCEEDED, "pending": Answer.PENDING, "failed": Answer.DECLINED}


@dataclass(frozen=True, slots=True, kw_only=True)
class RazorpayCredentials:
    key_id: str
    key_secret: str = field(repr=False)
    webhook_secrets: tuple[str, ...] = field(repr=False)
    base_url: str = BASE_URL

    def __post_init__(self) -> None:
        reading.check_secrets(self.webhook_secrets)
        if not _KEY_ID.fullmatch(self.key_id):
            raise ValueError("A Razorpay key id begins with rzp_test_ or rzp_live_, and has no space.")
        if not self.key_secret or self.key_secret != self.key_secret.strip():
            raise ValueError("A Razorpay key has a secret, without a space around it.")


@dataclass(frozen=True, slots=True, kw_only=True)
class RazorpayGateway:
    credentials: RazorpayCredentials
    facts: contract.GatewayFacts = FACTS
    total_seconds: float = TOTAL_SECONDS
    dial: Dial = SocketTransport

    def charge(self, request: contract.ChargeRequest) -> Result:
        """Makes an order, from which no money can move until the guest was given its id: no doubt comes from here."""
        talk = self._talk(request.send_before)
        try:
            exchange = talk.send("POST", "/v1/orders", body=_wanted(request))
            order = _order_made_before(talk, exchange) or complete(exchange)
            return self._handed_over(order, request)
        except Unanswered as silence:
            return _nothing_given_away(silence.exchange)
        except reading.CONTRADICTIONS:
            return Result(outcome=Outcome.NOT_SENT, code=ErrorCode.CONTRADICTORY_ANSWER)

    def cancel(self, request: contract.CancelRequest) -> contract.CancelResult:
        """Razorpay knows no way to close an order."""
        return contract.CancelResult(answer=contract.CancelAnswer.NOT_POSSIBLE)

    def refund(self, request: contract.RefundRequest) -> Result:
        """Of a payment, which the order names. Until that is known nothing is sent that could move money."""
        talk = self._talk(request.send_before)
        try:
            payment_id = _refundable(_captured(talk, request.charge_reference))
        except Unanswered as silence:
            return replace(_failed(silence.exchange), outcome=Outcome.NOT_SENT)
        except reading.CONTRADICTIONS:
            return Result(outcome=Outcome.NOT_SENT, code=ErrorCode.CONTRADICTORY_ANSWER)
        notes = {_MINE: request.key}
        body = {"amount": request.money.minor, "speed": "normal", "receipt": request.key, "notes": notes}
        exchange = talk.send(
            "POST", _path("payments", payment_id, "refund"), body=body, headers={"x-refund-idempotency": request.key}
        )
        if exchange.status != HTTPStatus.OK:
            return _refused_refund(exchange)
        said = reading.understand(exchange, lambda thing: _refund_of(thing, request.key, request.money))
        return reading.as_result(said, next_step={})

    def look_up(self, request: contract.LookUpRequest) -> LookUpResult:
        talk = self._talk()
        try:
            if request.subject is Subject.REFUND:
                return _look_up_refund(talk, request)
            return _look_up_charge(talk, request)
        except Unanswered as silence:
            said = failed_look_up(silence.exchange, own_error_format=bool(_own_code(silence.exchange)))
            return replace(said, raw=silence.exchange.body or {})
        except reading.CONTRADICTIONS:
            return LookUpResult(answer=Answer.NO_ANSWER, code=ErrorCode.CONTRADICTORY_ANSWER)

    def read_notice(self, headers: Mapping[str, str], body: bytes) -> contract.Notice:
        if any(name.lower() == "content-type" and value.startswith(_FORM) for name, value in headers.items()):
            return self._read_return(body)
        signature = reading.one_header(headers, "X-Razorpay-Signature")
        reading.check_signed(body, signature, self.credentials.webhook_secrets)
        event = json_object(body) or {}
        try:
            return _notice(_digest(body), event)
        except reading.CONTRADICTIONS as error:
            raise InvalidNotice("The notice is signed, but it is not one of the documented ones.") from error

    def _read_return(self, body: bytes) -> contract.Notice:
        """The guest's browser brings proof that a payment was authorised; that it was captured, only a look-up says."""
        try:
            said = parse_qs(body.decode("ascii"), strict_parsing=True, max_num_fields=MAX_FIELDS)
            order_id, payment_id, signature = (reading.required_text(*said[f"razorpay_{name}"]) for name in _RETURNED)
        except reading.CONTRADICTIONS as error:
            raise InvalidNotice("This is not what Razorpay sends back with a guest.") from error
        message = f"{order_id}|{payment_id}".encode()
        reading.check_signed(message, signature, (self.credentials.key_secret,))
        result = LookUpResult(answer=Answer.PENDING, reference=order_id, raw={"payment_id": payment_id})
        return contract.Notice(id=_digest(message), subject=Subject.CHARGE, key="", result=result)

    def _handed_over(self, order: Mapping[str, Any], request: contract.ChargeRequest) -> Result:
        reference, money = (
            reading.required_text(order["id"]),
            reading.positive_money(order["amount"], order["currency"]),
        )
        if order["receipt"] != request.key or money != request.money:
            raise ValueError("This order is not the one that was asked for.")
        if order["status"] == "paid":
            # Of an earlier send, and the guest was faster than we: only a look-up says what came in.
            return Result(outcome=Outcome.UNKNOWN, code=ErrorCode.CONTRADICTORY_ANSWER, reference=reference, raw=order)
        step = {"kind": "razorpay_checkout", "order_id": reference, "key_id": self.credentials.key_id}
        return Result(outcome=Outcome.PENDING, reference=reference, next_step=step, raw=order)

    def _talk(self, send_before: datetime | None = None) -> Talk:
        base_url, pair = self.credentials.base_url, f"{self.credentials.key_id}:{self.credentials.key_secret}"
        headers = {"authorization": f"Basic {b64encode(pair.encode()).decode()}"}
        http = HttpTransport(base_url=base_url, total_seconds=self.total_seconds, headers=headers, dial=self.dial)
        return begin_talk(http, send_before=send_before)


def _wanted(request: contract.ChargeRequest) -> dict[str, Any]:
    within = CAPTURE_WITHIN_MINUTES
    limits = {"automatic_expiry_period": within, "manual_expiry_period": within, "refund_speed": "normal"}
    return {
        "amount": request.money.minor,
        "currency": request.money.currency,
        "receipt": request.key,
        "unique_receipt": True,
        "notes": {"order": request.order_reference},
        "payment": {"capture": "automatic", "capture_options": limits},
    }


def _order_made_before(talk: Talk, exchange: Exchange) -> Mapping[str, Any] | None:
    """Some accounts refuse a receipt that they have, and name the order that has it."""
    metadata = _own_error(exchange).get("metadata")
    order_id = metadata.get("order_id") if isinstance(metadata, dict) else None
    return talk.get(_path("orders", order_id)) if order_id and "receipt" in _refusal(exchange).lower() else None


def _look_up_charge(talk: Talk, request: contract.LookUpRequest) -> LookUpResult:
    order = talk.get(_path("orders", request.reference)) if request.reference else _by_receipt(talk, request.key)
    if order is None:
        return LookUpResult(answer=Answer.NOT_FOUND)
    reference = reading.required_text(order["id"])
    if order["receipt"] != request.key:
        raise ValueError("This order is another attempt's.")
    if order["status"] in {"created", "attempted"}:
        return LookUpResult(answer=Answer.PENDING, reference=reference, raw=order)
    if order["status"] != "paid":
        raise ValueError("Razorpay does not document this state of an order.")
    payments = _captured(talk, reference)
    refunds = [refund for payment in payments if payment["amount_refunded"] for refund in _refunds(talk, payment)]
    return LookUpResult(
        answer=Answer.SUCCEEDED,
        reference=reference,
        money=_sum(payments),
        refunds=tuple(map(_fact, refunds)),
        raw={"order": order, "payments": payments},
    )


def _by_receipt(talk: Talk, key: str) -> Mapping[str, Any] | None:
    """Its list finds parts of a receipt too. Of two orders with ours, the one that was paid is meant."""
    found = _items(talk.get(f"/v1/orders?receipt={quote(key, safe='')}&count={MAX_LISTED}"))
    mine = [order for order in found if order["receipt"] == key]
    return next((order for order in mine if order["status"] == "paid"), mine[0] if mine else None)


def _look_up_refund(talk: Talk, request: contract.LookUpRequest) -> LookUpResult:
    if request.reference:
        return _refund_of(talk.get(_path("refunds", request.reference)), request.key)
    listed = [refund for payment in _captured(talk, request.charge_reference) for refund in _refunds(talk, payment)]
    mine = next((refund for refund in listed if refund["receipt"] == request.key), None)
    return LookUpResult(answer=Answer.NOT_FOUND) if mine is None else _refund_of(mine, request.key)


def _captured(talk: Talk, order_id: str) -> list[Mapping[str, Any]]:
    """Of all tries at this order, those that took money; what never was captured goes back by itself."""
    return [payment for payment in _items(talk.get(_path("orders", order_id, "payments"))) if _is_captured(payment)]


def _refunds(talk: Talk, payment: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return _items(talk.get(f"{_path('payments', payment['id'], 'refunds')}?count={MAX_LISTED}"))


def _path(things: str, reference: Any, *parts: str) -> str:
    return "/".join(["/v1", things, quote(reading.required_text(reference), safe=""), *parts])


def _refund_of(thing: Mapping[str, Any], key: str, asked: Money | None = None) -> LookUpResult:
    money, answer = reading.positive_money(thing["amount"], thing["currency"]), _REFUND_STATES[thing["status"]]
    if thing["receipt"] != key or asked not in {None, money}:
        raise ValueError("This refund is not the one that was asked for.")
    return LookUpResult(
        answer=answer,
        code=ErrorCode.REFUND_REFUSED if answer is Answer.DECLINED else ErrorCode.NONE,
        reference=reading.required_text(thing["id"]),
        money=money if answer is Answer.SUCCEEDED else None,
        raw=thing,
    )


def _refundable(captured: Sequence[Mapping[str, Any]]) -> str:
    """With two of them a repetition could be sent to the other one, where its key is new: people decide then."""
    if len(captured) != 1:
        raise ValueError("An order has exactly one payment that can be refunded.")
    return reading.required_text(captured[0]["id"])


def _sum(payments: Sequence[Mapping[str, Any]]) -> Money:
    """Two payments for one order are another amount than was asked for, and so a person's matter."""
    amounts = [reading.positive_money(payment["amount"], payment["currency"]) for payment in payments]
    (currency,) = {money.currency for money in amounts}
    return reading.positive_money(sum(money.minor for money in amounts), currency)


def _is_captured(payment: Mapping[str, Any]) -> bool:
    """Its state decides: `captured` alone is true in some of the documented failures."""
    return payment["status"] in {"captured", "refunded"} and payment["captured"] is True


def _digest(signed: bytes) -> str:
    """An event's own id stands in a header, which nobody signs."""
    return f"sha256:{hashlib.sha256(signed).hexdigest()}"


def _notice(notice_id: str, event: Mapping[str, Any]) -> contract.Notice:
    """Matched by the order: of our keys a payment repeats none."""
    name, payload = reading.required_text(event["event"]), event["payload"]
    if name.startswith("refund.") and (key := _own_key(payload["refund"]["entity"])):
        result = _refund_of(payload["refund"]["entity"], key)
        return contract.Notice(id=notice_id, subject=Subject.REFUND, key=key, result=result)
    result = _charge_news(payload["payment"]["entity"], _facts_told(name, payload))
    return contract.Notice(id=notice_id, subject=Subject.CHARGE, key="", result=result)


def _facts_told(name: str, payload: Mapping[str, Any]) -> tuple[contract.RefundFact, ...]:
    if name.startswith("refund."):
        return (_fact(payload["refund"]["entity"]),)
    return (_chargeback(payload["dispute"]["entity"]),) if name == "payment.dispute.lost" else ()


def _charge_news(payment: Mapping[str, Any], refunds: tuple[contract.RefundFact, ...]) -> LookUpResult:
    """A try that failed ends nothing: the order stays open, and the guest may try again."""
    order_id = reading.required_text(payment["order_id"])
    if not _is_captured(payment):
        code = _CODES.get(reading.text(payment.get("error_reason")), ErrorCode.NONE)
        message = reading.text(payment.get("error_description"))
        return LookUpResult(answer=Answer.PENDING, code=code, message=message, reference=order_id, raw=payment)
    return LookUpResult(
        answer=Answer.SUCCEEDED,
        reference=order_id,
        money=reading.positive_money(payment["amount"], payment["currency"]),
        refunds=refunds,
        raw=payment,
    )


def _fact(refund: Mapping[str, Any]) -> contract.RefundFact:
    key = _own_key(refund)
    return contract.RefundFact(
        reference=reading.required_text(refund["id"]),
        money=reading.positive_money(refund["amount"], refund["currency"]),
        succeeded=refund["status"] == "processed",
        key=key,
        theirs=contract.Theirs.NOT_SAID if key else contract.Theirs.REFUND,
    )


def _own_key(refund: Mapping[str, Any]) -> str:
    """Notes are an empty list where there are none."""
    notes = refund["notes"]
    return reading.text(notes.get(_MINE)) if isinstance(notes, dict) else ""


def _chargeback(dispute: Mapping[str, Any]) -> contract.RefundFact:
    return contract.RefundFact(
        reference=reading.required_text(dispute["id"]),
        money=reading.positive_money(dispute["amount_deducted"], dispute["currency"]),
        succeeded=True,
        theirs=contract.Theirs.CHARGEBACK,
    )


def _refused_refund(exchange: Exchange) -> Result:
    message, raw = _refusal(exchange), exchange.body or {}
    if not message:
        return _failed(exchange)
    if exchange.status == HTTPStatus.CONFLICT or any(part in message.lower() for part in _PERHAPS_MADE):
        return Result(outcome=Outcome.UNKNOWN, code=ErrorCode.CONTRADICTORY_ANSWER, message=message, raw=raw)
    return Result(outcome=Outcome.DECLINED, code=ErrorCode.REFUND_REFUSED, message=message, raw=raw)


def _nothing_given_away(exchange: Exchange) -> Result:
    """Whatever became of the order, nobody who could pay it knows its id."""
    failed, message = replace(_failed(exchange), outcome=Outcome.NOT_SENT), _refusal(exchange)
    return replace(failed, code=ErrorCode.REQUEST_REFUSED, message=message) if message else failed


def _failed(exchange: Exchange) -> Result:
    return replace(failed_call(exchange, own_error_format=bool(_own_code(exchange))), raw=exchange.body or {})


def _refusal(exchange: Exchange) -> str:
    """Why Razorpay itself did not take a request. Empty where it did not say so."""
    is_refused = exchange.status in {HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT}
    why = reading.text(_own_error(exchange).get("description")) or "It gave no reason."
    return why if is_refused and _own_code(exchange) == "BAD_REQUEST_ERROR" else ""


def _own_error(exchange: Exchange) -> Mapping[str, Any]:
    error = (exchange.body or {}).get("error")
    return error if isinstance(error, dict) else {}


def _own_code(exchange: Exchange) -> str:
    """Empty for a proxy's page, which says nothing about the money."""
    code = reading.text(_own_error(exchange).get("code"))
    return code if code in _OWN_CODES else ""


def _items(collection: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(collection["items"])
