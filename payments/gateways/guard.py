"""What is the same for every provider, as a gateway around a gateway: circuit, deadline to send, redaction, metrics.

It adds no decision about money. Whatever the circuit does, a call that was made keeps its own outcome.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum, StrEnum, auto
from typing import Generic, TypeVar

from prometheus_client import Counter, Histogram

from kernel import clock
from payments.gateways.breaker import Breaker, BreakerBoard, BreakerSettings, BreakerState, Permit
from payments.gateways.contract import (
    Answer,
    CancelAnswer,
    CancelRequest,
    CancelResult,
    ChargeRequest,
    ErrorCode,
    Gateway,
    GatewayFacts,
    InvalidNotice,
    LookUpRequest,
    LookUpResult,
    Notice,
    Outcome,
    RefundRequest,
    Result,
)
from payments.gateways.redaction import redact, redact_next_step, redact_text, storable_reference

logger = logging.getLogger(__name__)

# Nobody repairs credentials in half a minute, and a repaired key should not need a button either.
CREDENTIALS_COOL_DOWN_SECONDS = 300.0
# A provider that asks for a pause (429 with Retry-After) gets it, but no answer closes a till for longer than this.
MAX_REST_SECONDS = 300.0
# The innermost frames say what went wrong; endless recursion must not fill the log.
MAX_FRAMES = 20
# From a simulated provider to the total deadline (10 s) and a little beyond, where a deadline was missed.
_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 10.0, 12.0)

CALLS = Counter("steward_gateway_calls", "Calls by what came of them.", ["provider", "operation", "outcome"])
SECONDS = Histogram(
    "steward_gateway_call_seconds", "How long a provider took.", ["provider", "operation"], buckets=_BUCKETS
)


class Operation(StrEnum):
    """What has its own circuit: a provider that takes no charges may well answer look-ups."""

    CHARGE = "charge"
    REFUND = "refund"
    LOOK_UP = "look_up"
    CANCEL = "cancel"


class Health(Enum):
    """What an answer says about the provider, which is not what it says about the money."""

    WELL = auto()
    FAILING = auto()
    NO_INFORMATION = auto()
    CREDENTIALS_REFUSED = auto()


_NO_INFORMATION = frozenset({ErrorCode.RATE_LIMITED, ErrorCode.CIRCUIT_OPEN, ErrorCode.TOO_LATE_TO_SEND})
# Also for NOT_SENT: where only a hand-over object was being made, a time-out is NOT_SENT and the provider is down.
_FAILING = frozenset(
    {
        ErrorCode.UNREACHABLE,
        ErrorCode.TIMED_OUT,
        ErrorCode.CONNECTION_LOST,
        ErrorCode.SERVER_ERROR,
        ErrorCode.UNREADABLE_ANSWER,
        ErrorCode.CONTRADICTORY_ANSWER,
        ErrorCode.PROVIDER_ERROR,
    }
)


def _health_by_code(code: ErrorCode, *, otherwise: Health) -> Health:
    if code in _NO_INFORMATION:
        return Health.NO_INFORMATION
    if code is ErrorCode.CREDENTIALS_REFUSED:
        return Health.CREDENTIALS_REFUSED
    return Health.FAILING if code in _FAILING else otherwise


def _health_of_result(result: Result) -> Health:
    if result.outcome is Outcome.UNKNOWN:
        return _health_by_code(result.code, otherwise=Health.FAILING)
    if result.outcome is Outcome.NOT_SENT:
        return _health_by_code(result.code, otherwise=Health.WELL)
    return Health.WELL  # A provider that says no is as healthy as one that says yes.


def _health_of_look_up(result: LookUpResult) -> Health:
    if result.answer is Answer.NO_ANSWER:
        return _health_by_code(result.code, otherwise=Health.FAILING)
    return Health.WELL


def _health_of_cancel(result: CancelResult) -> Health:
    if result.answer is CancelAnswer.NO_ANSWER:
        return _health_by_code(result.code, otherwise=Health.FAILING)
    return Health.WELL


def _asked_rest_seconds(answer: Result | LookUpResult | CancelResult) -> float:
    """How long this account was asked to leave the provider alone."""
    if isinstance(answer, CancelResult) or answer.code is not ErrorCode.RATE_LIMITED:
        return 0.0
    return float(answer.retry_after_seconds)


def _clean_result(result: Result) -> Result:
    return replace(
        result,
        message=redact_text(result.message),
        reference=storable_reference(result.reference),
        next_step=redact_next_step(result.next_step),
        raw=redact(result.raw),
    )


def _clean_look_up(result: LookUpResult) -> LookUpResult:
    refunds = (
        replace(refund, reference=storable_reference(refund.reference), key=storable_reference(refund.key))
        for refund in result.refunds
    )
    return replace(
        result,
        message=redact_text(result.message),
        reference=storable_reference(result.reference),
        refunds=tuple(refunds),
        raw=redact(result.raw),
    )


def _clean_cancel(result: CancelResult) -> CancelResult:
    return replace(result, message=redact_text(result.message), raw=redact(result.raw))


def _clean_notice(notice: Notice) -> Notice:
    return replace(
        notice,
        id=storable_reference(notice.id),
        key=storable_reference(notice.key),
        result=_clean_look_up(notice.result),
    )


A = TypeVar("A", Result, LookUpResult, CancelResult)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verb(Generic[A]):
    """One verb's words for the things that can happen to all of them."""

    operation: Operation
    kind: type[A]
    label: Callable[[A], str]
    health: Callable[[A], Health]
    clean: Callable[[A], A]
    refused: A  # The circuit is open: nothing was sent.
    broken: A  # Our adapter failed, nobody knows at which byte.
    too_late: A | None = None  # `send_before` is over. None: this verb moves nothing and is never too late.


_CIRCUIT_OPEN = "The circuit is open: this provider is not being asked just now."
_BROKEN = "The gateway failed while it handled this call."
_UNKNOWN = Result(outcome=Outcome.UNKNOWN, code=ErrorCode.UNREADABLE_ANSWER, message=_BROKEN)
_NOT_SENT = Result(outcome=Outcome.NOT_SENT, code=ErrorCode.CIRCUIT_OPEN, message=_CIRCUIT_OPEN)
_TOO_LATE = Result(
    outcome=Outcome.NOT_SENT, code=ErrorCode.TOO_LATE_TO_SEND, message="The time to send was over before it began."
)

_CHARGE = _Verb(
    operation=Operation.CHARGE,
    kind=Result,
    label=lambda result: result.outcome,
    health=_health_of_result,
    clean=_clean_result,
    refused=_NOT_SENT,
    broken=_UNKNOWN,
    too_late=_TOO_LATE,
)
_REFUND = replace(_CHARGE, operation=Operation.REFUND)
_LOOK_UP = _Verb(
    operation=Operation.LOOK_UP,
    kind=LookUpResult,
    label=lambda result: result.answer,
    health=_health_of_look_up,
    clean=_clean_look_up,
    refused=LookUpResult(answer=Answer.NO_ANSWER, code=ErrorCode.CIRCUIT_OPEN, message=_CIRCUIT_OPEN),
    broken=LookUpResult(answer=Answer.NO_ANSWER, code=ErrorCode.UNREADABLE_ANSWER, message=_BROKEN),
)
_CANCEL = _Verb(
    operation=Operation.CANCEL,
    kind=CancelResult,
    label=lambda result: result.answer,
    health=_health_of_cancel,
    clean=_clean_cancel,
    refused=CancelResult(answer=CancelAnswer.NO_ANSWER, code=ErrorCode.CIRCUIT_OPEN, message=_CIRCUIT_OPEN),
    broken=CancelResult(answer=CancelAnswer.NO_ANSWER, code=ErrorCode.UNREADABLE_ANSWER, message=_BROKEN),
)

Circuits = Mapping[Operation, Breaker]
OnCall = Callable[[Operation, Result | LookUpResult | CancelResult, float], None]


def circuits(
    board: BreakerBoard, stem: str, *, settings: BreakerSettings | None = None, is_measured: bool = True
) -> Circuits:
    """One breaker for each operation; `stem` is "provider:mode", or that and an account."""
    return {
        operation: board.breaker(f"{stem}:{operation}", settings=settings, is_measured=is_measured)
        for operation in Operation
    }


def _nobody(operation: Operation, answer: Result | LookUpResult | CancelResult, seconds: float) -> None:
    pass


@dataclass(frozen=True, slots=True)
class _Admission:
    """The permits that one call holds; none of them where no circuit was asked."""

    provider: Permit | None = None
    account: Permit | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardedGateway:
    """A gateway around a gateway. Cheap: made for one use, around breakers that live on the process's board."""

    gateway: Gateway
    assert_outside_transaction: Callable[[], None]  # Raises if a transaction is open or a connection is held.
    breakers: Circuits = field(default_factory=dict)  # Of the provider. An operation without one is never refused.
    # Of the account, so that one restaurant's revoked key closes no other restaurant's till. Without these,
    # refused credentials trip the provider's own.
    account: Circuits = field(default_factory=dict)
    forced: Mapping[Operation, BreakerState] = field(default_factory=dict)  # An operator's word: OPEN or CLOSED.
    on_call: OnCall = _nobody  # Hears of each call that reached the gateway, with its seconds.

    def __post_init__(self) -> None:
        if BreakerState.HALF_OPEN in self.forced.values():
            raise ValueError("An operator forces a circuit open or closed; half-open is found out, not ordered.")

    @property
    def facts(self) -> GatewayFacts:
        return self.gateway.facts

    def charge(self, request: ChargeRequest) -> Result:
        return self._ask(_CHARGE, lambda: self.gateway.charge(request), request.send_before)

    def refund(self, request: RefundRequest) -> Result:
        return self._ask(_REFUND, lambda: self.gateway.refund(request), request.send_before)

    def look_up(self, request: LookUpRequest) -> LookUpResult:
        return self._ask(_LOOK_UP, lambda: self.gateway.look_up(request))

    def cancel(self, request: CancelRequest) -> CancelResult:
        return self._ask(_CANCEL, lambda: self.gateway.cancel(request))

    def read_notice(self, headers: Mapping[str, str], body: bytes) -> Notice:
        """Nothing is sent, so nothing is refused. A gateway that fails on a notice has not verified it."""
        try:
            notice = self.gateway.read_notice(headers, body)
            return _clean_notice(notice)
        except InvalidNotice:
            raise
        except Exception as error:  # noqa: BLE001  A bug must not turn a forged notice into a server error.
            _log_failure(self.facts.name, "read_notice", error)
        raise InvalidNotice("The notice could not be read.")

    def _ask(self, verb: _Verb[A], send: Callable[[], A], send_before: datetime | None = None) -> A:
        self.assert_outside_transaction()
        if verb.too_late is not None and send_before is not None and clock.now() >= send_before:
            return self._counted(verb, verb.too_late)
        admission = self._admit(verb.operation)
        if admission is None:
            return self._counted(verb, verb.refused)
        health, rest = Health.NO_INFORMATION, 0.0
        try:
            answer = self._call(verb, send)
            health, rest = verb.health(answer), _asked_rest_seconds(answer)
        finally:  # Also when the process is told to stop: a probe that is not given back blocks until its lease ends.
            self._tell(verb.operation, admission, health, rest)
        return self._counted(verb, answer)

    def _call(self, verb: _Verb[A], send: Callable[[], A]) -> A:
        started = clock.monotonic()
        try:
            answer = send()
            if not isinstance(answer, verb.kind):
                raise TypeError(f"The gateway returned {type(answer).__name__}.")
            answer = verb.clean(answer)
        except Exception as error:  # noqa: BLE001  Bytes may have left: a bug must not look like "not sent".
            _log_failure(self.facts.name, verb.operation, error)
            answer = verb.broken
        self._observe(verb.operation, answer, clock.monotonic() - started)
        return answer

    def _admit(self, operation: Operation) -> _Admission | None:
        if operation in self.forced:
            return _Admission() if self.forced[operation] is BreakerState.CLOSED else None
        account, provider = self.account.get(operation), self.breakers.get(operation)
        account_permit = account.acquire_cheaply() if account else None
        if account_permit is not None and not account_permit.allowed:
            return None
        permit = provider.acquire() if provider else None
        if permit is not None and not permit.allowed:
            _record(account, account_permit, success=None)
            return None
        return _Admission(provider=permit, account=account_permit)

    def _tell(self, operation: Operation, admission: _Admission, health: Health, rest_seconds: float) -> None:
        """The circuits learn from the answer; the answer learns nothing from the circuits."""
        provider, account = self.breakers.get(operation), self.account.get(operation)
        if health is Health.CREDENTIALS_REFUSED:
            tripped = (account, admission.account) if account else (provider, admission.provider)
            _trip(*tripped, CREDENTIALS_COOL_DOWN_SECONDS)
        elif rest_seconds:
            _trip(account, admission.account, min(rest_seconds, MAX_REST_SECONDS))
        # What was just tripped ignores these, because the permits belong to its life before.
        if admission.account is not None and admission.account.probe:
            _record(account, admission.account, success=True if health is Health.WELL else None)
        _record(provider, admission.provider, success=_SUCCESS[health])

    def _observe(self, operation: Operation, answer: Result | LookUpResult | CancelResult, seconds: float) -> None:
        SECONDS.labels(provider=self.facts.name, operation=operation).observe(seconds)
        try:
            self.on_call(operation, answer, seconds)
        except Exception as error:  # noqa: BLE001  The answer is about money; whoever wanted to watch it is not.
            _log_failure(self.facts.name, operation, error)

    def _counted(self, verb: _Verb[A], answer: A) -> A:
        CALLS.labels(provider=self.facts.name, operation=verb.operation, outcome=verb.label(answer)).inc()
        return answer


_SUCCESS: Mapping[Health, bool | None] = {
    Health.WELL: True,
    Health.FAILING: False,
    Health.NO_INFORMATION: None,
    Health.CREDENTIALS_REFUSED: True,  # It answered in its own format: the provider is up.
}


def _record(breaker: Breaker | None, permit: Permit | None, *, success: bool | None) -> None:
    if breaker and permit:
        breaker.record(permit, success=success)


def _trip(breaker: Breaker | None, permit: Permit | None, cool_down_seconds: float) -> None:
    if breaker and permit:
        breaker.trip(cool_down_seconds=cool_down_seconds, permit=permit)


def _log_failure(provider: str, operation: str, error: Exception) -> None:
    """Where it failed and with what kind of error. Its text stays out: it may quote a header or a card."""
    where = "".join(traceback.format_tb(error.__traceback__, limit=-MAX_FRAMES))
    logger.error("The gateway of %s failed in %s: %s\n%s", provider, operation, type(error).__name__, where)
