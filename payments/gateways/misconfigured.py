"""In the place of a gateway that cannot be built: provably nothing is sent, and nobody takes silence for an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from payments.gateways import contract
from payments.gateways.contract import Answer, CancelAnswer, ErrorCode, InvalidNotice, Outcome

_CODE = ErrorCode.CREDENTIALS_REFUSED


@dataclass(frozen=True, slots=True, kw_only=True)
class MisconfiguredGateway:
    """To the services it is a provider that refuses the account's credentials: the next one is tried, a case opens."""

    facts: contract.GatewayFacts
    message: str

    def charge(self, request: contract.ChargeRequest) -> contract.Result:
        return self._nothing_sent()

    def refund(self, request: contract.RefundRequest) -> contract.Result:
        return self._nothing_sent()

    def cancel(self, request: contract.CancelRequest) -> contract.CancelResult:
        return contract.CancelResult(answer=CancelAnswer.NO_ANSWER, code=_CODE, message=self.message)

    def look_up(self, request: contract.LookUpRequest) -> contract.LookUpResult:
        return contract.LookUpResult(answer=Answer.NO_ANSWER, code=_CODE, message=self.message)

    def read_notice(self, headers: Mapping[str, str], body: bytes) -> contract.Notice:
        raise InvalidNotice(self.message)

    def _nothing_sent(self) -> contract.Result:
        return contract.Result(outcome=Outcome.NOT_SENT, code=_CODE, message=self.message)
