"""What asking a provider by hand came to: what it said, or why nobody was asked, and until when."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from kernel.modes import Mode
from payments.gateways.breaker import Breaker, BreakerState
from payments.gateways.contract import ErrorCode
from payments.gateways.guard import Operation
from payments.models import NextAction, Payment, ProviderAccount, Refund
from payments.services.evidence import Evidence, Finding
from payments.services.provider_lights import lasting_words
from payments.services.providers import circuits_of, is_usable, own_circuits_of


class WhyNot(StrEnum):
    """Why nobody was asked."""

    IN_HAND = "in_hand"  # Whoever sends or asks holds it, and whoever died doing that: until the lease is over.
    SENT_FIRST = "sent_first"  # It is sent, or sent again with its key, and only then asked about.
    BEING_CLOSED = "being_closed"
    NOT_BEGUN = "not_begun"
    WAITS_FOR_PERSON = "waits_for_person"  # An amount to decide about, or whatever broke and was set aside.
    OVER = "over"
    STOPPED_BY_HAND = "stopped_by_hand"
    RESTING = "resting"  # The circuit opened by itself.
    UNUSABLE = "unusable"  # Nothing can be built from the account's credentials.


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Exactly one of the first two is there."""

    finding: Finding | None = None
    why_not: WhyNot | None = None
    until: datetime | None = None
    provider: str = ""  # What people call it.
    is_refund: bool = False  # That nobody was asked about.


_INSTEAD = {
    NextAction.NONE: WhyNot.WAITS_FOR_PERSON,
    NextAction.BEGIN: WhyNot.SENT_FIRST,
    NextAction.RESEND: WhyNot.SENT_FIRST,
    NextAction.LOOK_UP: WhyNot.IN_HAND,  # Somebody was quicker by a moment.
    NextAction.CANCEL: WhyNot.BEING_CLOSED,
    NextAction.EXPIRE: WhyNot.NOT_BEGUN,
}


def nobody_was_asked(row: Payment | Refund, account: ProviderAccount | None, *, is_over: bool) -> Asked:
    if row.is_leased:
        return _not(WhyNot.IN_HAND, account, row.lease_until)
    if is_over:
        return replace(_not(WhyNot.OVER, account), is_refund=isinstance(row, Refund))
    return _not(_INSTEAD[NextAction(row.next_action)], account, row.next_action_at)


def what_was_said(evidence: Evidence, account: ProviderAccount) -> Asked:
    """A circuit that is open and an account that cannot be used answer in the provider's place."""
    if evidence.code == ErrorCode.CIRCUIT_OPEN:
        return _stopped(account)
    if evidence.code == ErrorCode.CREDENTIALS_REFUSED and not is_usable(account):
        return _not(WhyNot.UNUSABLE, account)
    return Asked(finding=evidence.finding, provider=account.label)


def stopped_by_hand(account: ProviderAccount) -> Asked | None:
    word = lasting_words({account.provider}, mode=Mode(account.mode)).get((account.provider, Operation.LOOK_UP.value))
    is_stopped = word is not None and word.state == BreakerState.OPEN
    return _not(WhyNot.STOPPED_BY_HAND, account, word.expires_at) if word and is_stopped else None


def _stopped(account: ProviderAccount) -> Asked:
    by_hand = stopped_by_hand(account)
    if by_hand is not None:
        return by_hand
    circuits = (circuits_of(account)[Operation.LOOK_UP], own_circuits_of(account)[Operation.LOOK_UP])
    return _not(WhyNot.RESTING, account, max(filter(None, map(_rests_until, circuits)), default=None))


def _rests_until(circuit: Breaker) -> datetime | None:
    rest = circuit.rest()
    return rest.until if rest else None


def _not(why: WhyNot, account: ProviderAccount | None, until: datetime | None = None) -> Asked:
    return Asked(why_not=why, until=until, provider=account.label if account else "")
