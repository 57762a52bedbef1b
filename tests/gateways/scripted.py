"""A gateway that answers what a test wrote down, behind a real guard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from kernel import clock
from kernel.money import Money
from payments.gateways.breaker import BreakerBoard, BreakerSettings, BreakerState
from payments.gateways.contract import (
    Answer,
    CancelRequest,
    CancelResult,
    ChargeRequest,
    ErrorCode,
    GatewayFacts,
    LookUpRequest,
    LookUpResult,
    Notice,
    Outcome,
    RefundRequest,
    Result,
    Subject,
)
from payments.gateways.guard import Circuits, GuardedGateway, Operation, circuits

SETTINGS = BreakerSettings(minimum_calls=5, cool_down_seconds=30, probe_lease_seconds=15)
MONEY = Money(84000, "INR")
SECRET = "Basic cnpwX2xpdmU6c2VjcmV0"
CARD = "4111111111111111"
TIMED_OUT = Result(outcome=Outcome.UNKNOWN, code=ErrorCode.TIMED_OUT)
SUCCEEDED = Result(outcome=Outcome.SUCCEEDED, reference="pay_1", money=MONEY)
REFUSED = Result(outcome=Outcome.NOT_SENT, code=ErrorCode.CREDENTIALS_REFUSED)
NO_ANSWER = LookUpResult(answer=Answer.NO_ANSWER, code=ErrorCode.TIMED_OUT)
FACTS = GatewayFacts(
    name="scripted",
    methods=frozenset({"card"}),
    key_lifetime=timedelta(days=1),
    visibility_delay=timedelta(seconds=5),
    late_money_window=timedelta(days=5),
    refund_return_window=timedelta(days=3),
    pending_lifetime=timedelta(minutes=15),
    not_found_is_final=False,
)


@dataclass
class Scripted:
    """Answers what a test put in; an exception is raised, a callable is called. It counts what reached it."""

    answer: Any = SUCCEEDED
    calls: list[str] = field(default_factory=list)
    facts: GatewayFacts = FACTS

    def _say(self, verb: str) -> Any:
        self.calls.append(verb)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer() if callable(self.answer) else self.answer

    def charge(self, request: ChargeRequest) -> Result:
        return self._say("charge")  # type: ignore[no-any-return]  # The script says what fits.

    def refund(self, request: RefundRequest) -> Result:
        return self._say("refund")  # type: ignore[no-any-return]  # The script says what fits.

    def look_up(self, request: LookUpRequest) -> LookUpResult:
        return self._say("look_up")  # type: ignore[no-any-return]  # The script says what fits.

    def cancel(self, request: CancelRequest) -> CancelResult:
        return self._say("cancel")  # type: ignore[no-any-return]  # The script says what fits.

    def read_notice(self, headers: Mapping[str, str], body: bytes) -> Notice:
        return self._say("read_notice")  # type: ignore[no-any-return]  # The script says what fits.


def charge_request() -> ChargeRequest:
    return ChargeRequest(
        key="k", money=MONEY, order_reference="O-1", method="card", send_before=clock.now() + timedelta(seconds=20)
    )


def refund_request() -> RefundRequest:
    return RefundRequest(
        key="r", money=MONEY, charge_key="k", charge_reference="p", send_before=clock.now() + timedelta(seconds=20)
    )


LOOK_UP = LookUpRequest(key="k", subject=Subject.CHARGE)
CANCEL = CancelRequest(key="k")


@dataclass
class Shop:
    """One restaurant's way to its provider."""

    provider: Scripted
    guard: GuardedGateway
    breakers: Circuits

    def charge(self, answer: Any = None) -> Result:
        if answer is not None:
            self.provider.answer = answer
        return self.guard.charge(charge_request())

    def state(self, operation: Operation = Operation.CHARGE) -> BreakerState:
        return self.breakers[operation].peek()


def open_shop(board: BreakerBoard | None = None, **more: Any) -> Shop:
    breakers = circuits(board or BreakerBoard(), "scripted:test", settings=SETTINGS)
    provider = Scripted()
    more = {"assert_outside_transaction": lambda: None, "breakers": breakers, **more}
    return Shop(provider, GuardedGateway(gateway=provider, **more), breakers)
