"""A provider whose every answer the test writes down beforehand: for the services, below any wire format."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kernel.money import Money
from payments.gateways import simulated
from payments.gateways.contract import (
    Answer,
    CancelAnswer,
    CancelRequest,
    CancelResult,
    ChargeRequest,
    ErrorCode,
    GatewayFacts,
    InvalidNotice,
    LookUpRequest,
    LookUpResult,
    Notice,
    Outcome,
    RefundRequest,
    Result,
)
from payments.services.providers import Provider


@dataclass
class ScriptedGateway:
    """Says what is in its queues; by default that everything went well. It writes down what it was asked."""

    facts: GatewayFacts = field(default_factory=lambda: replace(simulated.FACTS, name="scripted", is_simulated=False))
    charges: deque[Result] = field(default_factory=deque)
    refunds: deque[Result] = field(default_factory=deque)
    look_ups: deque[LookUpResult] = field(default_factory=deque)
    cancels: deque[CancelResult] = field(default_factory=deque)
    asked: list[tuple[str, Any]] = field(default_factory=list)

    def charge(self, request: ChargeRequest) -> Result:
        self.asked.append(("charge", request))
        return self.charges.popleft() if self.charges else succeeded(request.money)

    def refund(self, request: RefundRequest) -> Result:
        self.asked.append(("refund", request))
        return self.refunds.popleft() if self.refunds else succeeded(request.money, reference=f"r-{request.key}")

    def look_up(self, request: LookUpRequest) -> LookUpResult:
        self.asked.append(("look_up", request))
        return (
            self.look_ups.popleft()
            if self.look_ups
            else LookUpResult(answer=Answer.NO_ANSWER, code=ErrorCode.RATE_LIMITED)
        )

    def cancel(self, request: CancelRequest) -> CancelResult:
        self.asked.append(("cancel", request))
        return self.cancels.popleft() if self.cancels else CancelResult(answer=CancelAnswer.CANCELLED)

    def read_notice(self, headers: Mapping[str, str], body: bytes) -> Notice:
        raise InvalidNotice

    def count(self, verb: str) -> int:
        return sum(1 for asked, _ in self.asked if asked == verb)


def provider_of(gateway: ScriptedGateway) -> Provider:
    return Provider(facts=gateway.facts, build=lambda facts, credentials: gateway)


def succeeded(money: Money, *, reference: str = "") -> Result:
    return Result(outcome=Outcome.SUCCEEDED, money=money, reference=reference)


def outcome(kind: Outcome, code: Any = "", **more: Any) -> Result:
    return Result(outcome=kind, code=code or ErrorCode.NONE, **more)
