"""The gateway contract: what we ask of a provider and the few things its answer can mean.

A gateway never raises for an outcome: it returns one. It is called with no transaction open and no
database connection held. All dataclasses are frozen, so that an answer is evidence and not a scratch pad.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from kernel.money import Money


class Outcome(StrEnum):
    """What `charge` and `refund` can end in."""

    SUCCEEDED = "succeeded"  # The provider says the money moved.
    PENDING = "pending"  # A customer, a waiter or the provider still has to act.
    DECLINED = "declined"  # The provider said no, finally.
    NOT_SENT = "not_sent"  # Provably no money can move through this call: safe to go elsewhere.
    UNKNOWN = "unknown"  # Everything else, time-outs first: ask again, never charge elsewhere.


class Answer(StrEnum):
    """What `look_up` can say. A refusal to answer says nothing about the money."""

    SUCCEEDED = "succeeded"
    PENDING = "pending"
    DECLINED = "declined"
    NOT_FOUND = "not_found"
    NO_ANSWER = "no_answer"  # Refused, timed out, unparsable, breaker open.


class CancelAnswer(StrEnum):
    CANCELLED = "cancelled"  # The provider confirms that it cannot be paid any more.
    TOO_LATE = "too_late"  # Money moved or is moving: look up.
    NOT_POSSIBLE = "not_possible"  # The provider cannot close it.
    NO_ANSWER = "no_answer"


class ErrorCode(StrEnum):
    """Our vocabulary for every provider's reasons. A gateway maps its codes onto these."""

    NONE = ""
    # The guest can act on these.
    INSUFFICIENT_FUNDS = "insufficient_funds"
    EXPIRED_CARD = "expired_card"
    INCORRECT_DETAILS = "incorrect_details"
    AUTHENTICATION_FAILED = "authentication_failed"
    LIMIT_EXCEEDED = "limit_exceeded"
    CARD_DECLINED = "card_declined"
    CANCELLED_BY_GUEST = "cancelled_by_guest"
    # Another provider may help.
    ISSUER_UNAVAILABLE = "issuer_unavailable"
    PROVIDER_ERROR = "provider_error"
    NOT_SUPPORTED = "not_supported"
    # Nothing more may be tried.
    FRAUD_SUSPECTED = "fraud_suspected"
    STOLEN_CARD = "stolen_card"
    # NOT_SENT: why no money can have moved.
    UNREACHABLE = "unreachable"
    CIRCUIT_OPEN = "circuit_open"
    TOO_LATE_TO_SEND = "too_late_to_send"
    RATE_LIMITED = "rate_limited"
    CREDENTIALS_REFUSED = "credentials_refused"
    REQUEST_REFUSED = "request_refused"
    # UNKNOWN and NO_ANSWER: why we do not know.
    TIMED_OUT = "timed_out"
    CONNECTION_LOST = "connection_lost"
    SERVER_ERROR = "server_error"
    UNREADABLE_ANSWER = "unreadable_answer"
    CONTRADICTORY_ANSWER = "contradictory_answer"
    # Refunds.
    REFUND_REFUSED = "refund_refused"


class Subject(StrEnum):
    """What a key stands for."""

    CHARGE = "charge"
    REFUND = "refund"


NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeRequest:
    key: str  # Our attempt's id: the provider's idempotency key. It never changes.
    money: Money  # Amount and tip together.
    order_reference: str
    method: str
    send_before: datetime  # No byte may leave after this instant.
    instrument: str = field(default="", repr=False)  # The provider's token for what the guest pays with.
    return_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundRequest:
    key: str  # Our refund's id.
    money: Money
    charge_key: str
    charge_reference: str
    send_before: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUpRequest:
    """Asks by *our* key; the provider's reference is a help where we have one."""

    key: str
    subject: Subject
    reference: str = ""
    charge_reference: str = ""  # For refunds: some providers list them under their charge.


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequest:
    key: str
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The answer to `charge` or `refund`."""

    outcome: Outcome
    code: ErrorCode = ErrorCode.NONE
    message: str = ""
    reference: str = ""  # The provider's id, if it gave one.
    money: Money | None = None  # What the provider says moved.
    next_step: Mapping[str, str] = field(default_factory=dict)  # For the guest: {"kind": "redirect", "url": …}.
    retry_after_seconds: int = 0
    raw: Mapping[str, Any] = field(default_factory=dict)  # Redacted by the guard, kept as evidence.


class Theirs(StrEnum):
    """Who sent money back that we did not, as far as the provider says."""

    NOT_SAID = ""
    REFUND = "refund"  # Somebody made it on the provider's own pages.
    CHARGEBACK = "chargeback"  # The guest's bank took it.


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundFact:
    """One refund or chargeback in the provider's books, ours or not."""

    reference: str
    money: Money
    succeeded: bool
    key: str = ""  # Empty: we did not start it.
    theirs: Theirs = Theirs.NOT_SAID


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUpResult:
    answer: Answer
    code: ErrorCode = ErrorCode.NONE
    message: str = ""
    reference: str = ""
    money: Money | None = None
    refunds: tuple[RefundFact, ...] = ()
    retry_after_seconds: int = 0
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelResult:
    answer: CancelAnswer
    code: ErrorCode = ErrorCode.NONE
    message: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A signed message, by webhook or through the guest's browser."""

    id: str  # The provider's event id: the inbox's deduplication key.
    subject: Subject
    key: str  # Our key, as the provider repeats it; may be empty.
    result: LookUpResult


class InvalidNotice(Exception):
    """The one thing a gateway may raise: the signature or the form of a notice is wrong."""


class EntryKind(StrEnum):
    """How a part of our contract is entered, and who may see it then."""

    PLAIN = "plain"  # Who we are there, such as the public half of a key.
    SECRET = "secret"  # noqa: S105  A word of ours.
    SECRETS = "secrets"  # Sign its notices. While a new one takes over, the one before it is good as well.
    ADDRESS = "address"  # Where a provider of this installation listens. Nobody types one into a page.
    NOTICES = "notices"  # Where it shall send its notices: our own address.


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One part of our contract with a provider, under its name in an account's credentials."""

    name: str
    label: str
    kind: EntryKind = EntryKind.SECRET


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayFacts:
    """What a gateway declares about its provider; the services decide by these, never by its name."""

    name: str
    methods: frozenset[str]
    currencies: frozenset[str] | None = None  # None: all.
    key_lifetime: timedelta  # How long the provider remembers an idempotency key.
    visibility_delay: timedelta  # How long a charge may stay invisible to a look-up.
    late_money_window: timedelta  # How long money may still arrive on a closed attempt.
    refund_return_window: timedelta  # How long the guest's bank may still return a refund that was made.
    pending_lifetime: timedelta  # How long a guest may take to act.
    not_found_is_final: bool  # May "not found" free the attempt for another provider?
    is_simulated: bool = False  # No money moves there, so that no live payment may go there.
    is_manual: bool = False  # A named person is the provider: nothing to call or to ask.
    entries: tuple[Entry, ...] = ()  # What its credentials consist of, as a person enters them.


class Gateway(Protocol):
    @property
    def facts(self) -> GatewayFacts: ...

    def charge(self, request: ChargeRequest) -> Result: ...

    def cancel(self, request: CancelRequest) -> CancelResult: ...

    def refund(self, request: RefundRequest) -> Result: ...

    def look_up(self, request: LookUpRequest) -> LookUpResult: ...

    def read_notice(self, headers: Mapping[str, str], body: bytes) -> Notice: ...
