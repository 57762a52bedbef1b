"""Cash: the provider is a named waiter, so there is nothing to call, and nobody to ask but people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from payments.gateways import contract
from payments.gateways.contract import Answer, CancelAnswer, InvalidNotice, Outcome

# A long evening at a table. After it the request expires, and the guest or the waiter starts anew.
PENDING_LIFETIME = timedelta(hours=4)
FACTS = contract.GatewayFacts(
    name="cash",
    methods=frozenset({"cash"}),
    key_lifetime=timedelta(0),
    visibility_delay=timedelta(0),
    late_money_window=timedelta(0),  # Cash arrives in a hand, and that hand confirms it.
    refund_return_window=timedelta(0),
    pending_lifetime=PENDING_LIFETIME,
    not_found_is_final=False,
    is_manual=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CashGateway:
    facts: contract.GatewayFacts = FACTS

    def charge(self, request: contract.ChargeRequest) -> contract.Result:
        return contract.Result(outcome=Outcome.PENDING, next_step={"kind": "wait_for_waiter"})

    def refund(self, request: contract.RefundRequest) -> contract.Result:
        """A named person hands it over and records it."""
        return contract.Result(outcome=Outcome.PENDING)

    def cancel(self, request: contract.CancelRequest) -> contract.CancelResult:
        return contract.CancelResult(answer=CancelAnswer.CANCELLED)

    def look_up(self, request: contract.LookUpRequest) -> contract.LookUpResult:
        return contract.LookUpResult(answer=Answer.PENDING)

    def read_notice(self, headers: Mapping[str, str], body: bytes) -> contract.Notice:
        raise InvalidNotice("Nobody sends notices about cash.")
