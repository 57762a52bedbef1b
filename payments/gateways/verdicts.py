"""What an HTTP exchange means where no provider's own code says more: shared by all HTTP gateways."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from payments.gateways.contract import Answer, ErrorCode, LookUpResult, Outcome, Result
from payments.gateways.transport import Exchange

# Refused before processing, provided that the refusal is in the provider's own error format.
_REFUSED_BEFORE_PROCESSING: Mapping[int | None, ErrorCode] = {
    HTTPStatus.UNAUTHORIZED: ErrorCode.CREDENTIALS_REFUSED,
    HTTPStatus.FORBIDDEN: ErrorCode.CREDENTIALS_REFUSED,
    HTTPStatus.TOO_MANY_REQUESTS: ErrorCode.RATE_LIMITED,
}


def failed_call(exchange: Exchange, *, own_error_format: bool) -> Result:
    """The verdict on a charge or refund that brought no answer of the provider's own."""
    if not exchange.sent:
        return Result(outcome=Outcome.NOT_SENT, code=exchange.trouble, message=exchange.message)
    refused = _REFUSED_BEFORE_PROCESSING.get(exchange.status)
    if refused and own_error_format:
        return Result(
            outcome=Outcome.NOT_SENT,
            code=refused,
            message=exchange.message,
            retry_after_seconds=exchange.retry_after_seconds,
        )
    return Result(outcome=Outcome.UNKNOWN, code=why_unknown(exchange), message=exchange.message)


def failed_look_up(exchange: Exchange, *, own_error_format: bool) -> LookUpResult:
    """A look-up that was refused or garbled says nothing about the money, but why it was refused is worth knowing."""
    refused = _REFUSED_BEFORE_PROCESSING.get(exchange.status) if own_error_format else None
    return LookUpResult(
        answer=Answer.NO_ANSWER,
        code=refused or why_unknown(exchange),
        message=exchange.message,
        retry_after_seconds=exchange.retry_after_seconds,
    )


def why_unknown(exchange: Exchange) -> ErrorCode:
    if exchange.trouble:
        return exchange.trouble
    if exchange.status is not None and exchange.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ErrorCode.SERVER_ERROR
    return ErrorCode.UNREADABLE_ANSWER
