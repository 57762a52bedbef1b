"""Why a charge did not come, or nobody knows: each code in the words of whoever looks after a restaurant's money."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from payments.services.facts import FailureCode

# By the codes as they are stored: the gateways, whose vocabulary it is, are talked to by services alone.
_WORDS: Final[Mapping[str, str]] = {
    "insufficient_funds": "not enough money on the card or account",
    "expired_card": "the card has expired",
    "incorrect_details": "the card's details were wrong",
    "authentication_failed": "the bank could not make sure that it was the guest",
    "limit_exceeded": "above the limit of the card or account",
    "card_declined": "the guest's bank said no",
    "cancelled_by_guest": "the guest cancelled",
    "issuer_unavailable": "the guest's bank could not be reached",
    "provider_error": "something broke at the provider",
    "not_supported": "the provider does not take this",
    "fraud_suspected": "fraud is suspected",
    "stolen_card": "the card is reported lost or stolen",
    "unreachable": "the provider could not be reached",
    "circuit_open": "the provider was left alone, as it failed too often",
    "too_late_to_send": "it was too late to send it",
    "rate_limited": "the provider was asked too often",
    "credentials_refused": "the provider refused our credentials",
    "request_refused": "the provider did not accept the request",
    "timed_out": "the provider did not answer in time",
    "connection_lost": "the connection to the provider broke off",
    "server_error": "the provider said that something broke there",
    "unreadable_answer": "the provider's answer could not be read",
    "contradictory_answer": "the provider's answer contradicts itself",
    "refund_refused": "the provider refused the refund",
    FailureCode.CANCELLED: "cancelled before anybody paid",
    FailureCode.EXPIRED: "nobody paid in time",
    FailureCode.EXHAUSTED: "no provider took it",
    FailureCode.DECLINED: "declined",
    FailureCode.NOT_DUE: "not due any more",
}


def reason_in_words(code: str) -> str:
    """Empty: there is none."""
    return _WORDS.get(code, code.replace("_", " "))
