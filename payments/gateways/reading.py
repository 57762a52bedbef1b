"""What may be believed of a provider's message: texts, money, headers, signatures. Shared by all gateways."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from kernel import clock
from kernel.money import MAX_MINOR, Money
from payments.gateways.contract import (
    Answer,
    CancelAnswer,
    CancelResult,
    ErrorCode,
    InvalidNotice,
    LookUpResult,
    Outcome,
    Result,
)
from payments.gateways.transport import Exchange
from payments.gateways.verdicts import failed_call, failed_look_up

MIN_SECRET_BYTES = 16  # An empty or guessable secret makes every forgery valid.
MAX_TEXT = 200  # A provider's id or sentence: longer ones are cut, so that a column can hold them.
MAX_URL = 2000  # What every browser still follows.
MAX_NOTICE_BYTES = 256 * 1024  # A notice is a few kilobytes; nobody makes us hash megabytes for nothing.
TOLERANCE_SECONDS = 300  # Older is a replay; a clock that keeps time is never this far off.

# What a reading raises where a provider contradicts itself, or the question, or the documentation.
CONTRADICTIONS = (LookupError, TypeError, ValueError)

# What a documented refusal means. A reused key is doubt: something exists under it, but not what we asked for.
_REFUSALS = {
    ErrorCode.REQUEST_REFUSED: Outcome.NOT_SENT,
    ErrorCode.REFUND_REFUSED: Outcome.DECLINED,
    ErrorCode.CONTRADICTORY_ANSWER: Outcome.UNKNOWN,
}
_REFUSAL_STATUSES = (HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY)

# A charge is answered in the same words as a look-up, but what is no answer to a question is doubt about money.
_OUTCOMES = {
    Answer.SUCCEEDED: Outcome.SUCCEEDED,
    Answer.PENDING: Outcome.PENDING,
    Answer.DECLINED: Outcome.DECLINED,
}
_CANCELLED = {
    Answer.SUCCEEDED: CancelAnswer.TOO_LATE,
    Answer.PENDING: CancelAnswer.NOT_POSSIBLE,
    Answer.DECLINED: CancelAnswer.CANCELLED,
}


def own_error(exchange: Exchange) -> tuple[str, str]:
    """Code and sentence of `{"error": {…}}`, if the provider itself answered; a proxy's error page has none."""
    error = (exchange.body or {}).get("error")
    return (text(error.get("code")), text(error.get("message"))) if isinstance(error, dict) else ("", "")


def failed_move(exchange: Exchange, codes: Mapping[str, ErrorCode]) -> Result:
    """The verdict on a charge or refund that was not answered with 200, by the provider's documented codes."""
    name, message = own_error(exchange)
    code = codes.get(name, ErrorCode.NONE)
    if exchange.status in _REFUSAL_STATUSES and code in _REFUSALS:
        return Result(outcome=_REFUSALS[code], code=code, message=message, raw=exchange.body or {})
    return replace(failed_call(exchange, own_error_format=bool(name)), raw=exchange.body or {})


def understand(exchange: Exchange, read: Callable[[Mapping[str, Any]], LookUpResult]) -> LookUpResult:
    """What a complete answer says by a gateway's own reading, or NO_ANSWER with the reason."""
    raw = exchange.body or {}
    if exchange.status != HTTPStatus.OK or exchange.body is None:
        return replace(failed_look_up(exchange, own_error_format=bool(own_error(exchange)[0])), raw=raw)
    try:
        return read(raw)
    except CONTRADICTIONS:
        return LookUpResult(answer=Answer.NO_ANSWER, code=ErrorCode.CONTRADICTORY_ANSWER, raw=raw)


def as_result(said: LookUpResult, *, next_step: Mapping[str, str]) -> Result:
    """What was read in the answer to a charge or refund, as its result."""
    outcome = _OUTCOMES.get(said.answer, Outcome.UNKNOWN)
    return Result(
        outcome=outcome,
        code=said.code,
        message=said.message,
        reference=said.reference,
        money=said.money,
        next_step=next_step if outcome is Outcome.PENDING else {},
        raw=said.raw,
    )


def as_cancel_result(said: LookUpResult) -> CancelResult:
    """What was read in the answer to a cancel: only a charge that ended without money is cancelled."""
    answer = _CANCELLED.get(said.answer, CancelAnswer.NO_ANSWER)
    code = said.code if answer is CancelAnswer.NO_ANSWER else ErrorCode.NONE
    return CancelResult(answer=answer, code=code, message=said.message, raw=said.raw)


def check_secrets(secrets: tuple[str, ...]) -> None:
    """Refuse to be configured with a secret that protects nothing."""
    if not secrets or any(len(secret.encode()) < MIN_SECRET_BYTES for secret in secrets):
        raise ValueError(f"There must be a webhook secret, and each needs at least {MIN_SECRET_BYTES} bytes.")


def check_signed(message: bytes, signature: str, secrets: Iterable[str]) -> None:
    """Hex HMAC-SHA256 with any of our secrets: two are valid while a new one replaces an old one."""
    if len(message) > MAX_NOTICE_BYTES:
        raise InvalidNotice("The notice is too long to be one.")
    expected = [hmac.new(secret.encode(), message, hashlib.sha256).hexdigest() for secret in secrets]
    # Every secret is compared, so that the time says nothing about which one was nearly right.
    if not sum(hmac.compare_digest(one.encode(), signature.encode()) for one in expected):
        raise InvalidNotice("The signature is not the provider's.")


def check_fresh(signed_at: int) -> None:
    if abs(clock.now().timestamp() - signed_at) > TOLERANCE_SECONDS:
        raise InvalidNotice("The signature is too old, or from the future.")


def one_header(headers: Mapping[str, str], name: str) -> str:
    """A header given twice has two readers that disagree, so exactly one is required."""
    values = [value for given, value in headers.items() if given.lower() == name.lower()]
    if len(values) != 1:
        raise InvalidNotice(f"{name} must be there exactly once.")
    return values[0]


def text(value: Any) -> str:
    return value[:MAX_TEXT] if isinstance(value, str) else ""


def required_text(value: Any) -> str:
    """An identifier: cut to fit it would be another one, so it is refused instead."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT:
        raise ValueError("An identifier is missing, or too long to be one.")
    return value


def positive_money(amount: Any, currency: Any) -> Money:
    """Raises TypeError or ValueError for what is not a believable amount."""
    money = Money(amount, currency)
    if not 0 < money.minor <= MAX_MINOR:
        raise ValueError("No amount of money can be this.")
    return money


def redirect(url: Any) -> Mapping[str, str]:
    """Where the guest goes next; only a web address may come near a browser."""
    is_web = isinstance(url, str) and url.startswith(("https://", "http://")) and len(url) <= MAX_URL
    return {"kind": "redirect", "url": url} if is_web else {}
