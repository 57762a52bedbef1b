"""The decision table: what follows when an attempt ended without money. Data; "stop" is its default."""

from __future__ import annotations

from enum import StrEnum

from payments.gateways.contract import ErrorCode
from payments.services.evidence import Finding


class Decision(StrEnum):
    STOP = "stop"
    ASK_CUSTOMER = "ask_customer"
    SAME_PROVIDER = "same_provider"
    NEXT_PROVIDER = "next_provider"


DECISIONS: dict[tuple[Finding, ErrorCode], Decision] = {
    # Provably nothing happened there: go on at once.
    (Finding.NOT_SENT, ErrorCode.UNREACHABLE): Decision.NEXT_PROVIDER,
    (Finding.NOT_SENT, ErrorCode.CIRCUIT_OPEN): Decision.NEXT_PROVIDER,
    (Finding.NOT_SENT, ErrorCode.RATE_LIMITED): Decision.NEXT_PROVIDER,
    (Finding.NOT_SENT, ErrorCode.CREDENTIALS_REFUSED): Decision.NEXT_PROVIDER,
    (Finding.NOT_SENT, ErrorCode.REQUEST_REFUSED): Decision.NEXT_PROVIDER,
    # The provider is well, we were slow: the same attempt again.
    (Finding.NOT_SENT, ErrorCode.TOO_LATE_TO_SEND): Decision.SAME_PROVIDER,
    # It was looked for long enough and is not there.
    (Finding.NOT_FOUND, ErrorCode.NONE): Decision.NEXT_PROVIDER,
    # The provider said no, and it was the provider's fault.
    (Finding.DECLINED, ErrorCode.PROVIDER_ERROR): Decision.NEXT_PROVIDER,
    (Finding.DECLINED, ErrorCode.ISSUER_UNAVAILABLE): Decision.NEXT_PROVIDER,
    (Finding.DECLINED, ErrorCode.NOT_SUPPORTED): Decision.NEXT_PROVIDER,
    # The guest can do something about it.
    (Finding.DECLINED, ErrorCode.INSUFFICIENT_FUNDS): Decision.ASK_CUSTOMER,
    (Finding.DECLINED, ErrorCode.EXPIRED_CARD): Decision.ASK_CUSTOMER,
    (Finding.DECLINED, ErrorCode.INCORRECT_DETAILS): Decision.ASK_CUSTOMER,
    (Finding.DECLINED, ErrorCode.AUTHENTICATION_FAILED): Decision.ASK_CUSTOMER,
    (Finding.DECLINED, ErrorCode.LIMIT_EXCEEDED): Decision.ASK_CUSTOMER,
    (Finding.DECLINED, ErrorCode.CARD_DECLINED): Decision.ASK_CUSTOMER,
    (Finding.DECLINED, ErrorCode.CANCELLED_BY_GUEST): Decision.ASK_CUSTOMER,
}


def decide(finding: Finding, code: ErrorCode) -> Decision:
    return DECISIONS.get((finding, code), Decision.STOP)
