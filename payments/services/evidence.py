"""Evidence: what a provider, a signed message or a named human told us, in one shape for the one door."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from kernel.money import Money
from payments.gateways.contract import (
    Answer,
    CancelAnswer,
    CancelResult,
    ErrorCode,
    LookUpResult,
    RefundFact,
    Result,
)
from payments.services import timing

MESSAGE_LENGTH = 300  # The columns' size.


class Source(StrEnum):
    CHARGE = "charge"
    LOOK_UP = "look_up"
    NOTICE = "notice"
    CANCEL = "cancel"
    LEASE = "lease"  # The sender's lease is over and nothing was settled: its process died.
    WAITER = "waiter"
    OPERATOR = "operator"
    BOOKS = "books"  # Our own: something in them speaks against what was about to be done.


class Finding(StrEnum):
    SUCCEEDED = "succeeded"
    PENDING = "pending"
    DECLINED = "declined"
    NOT_SENT = "not_sent"  # Only ever from a charge or refund itself.
    UNKNOWN = "unknown"
    NOT_FOUND = "not_found"
    NO_ANSWER = "no_answer"
    CANCELLED = "cancelled"
    NOT_PAID = "not_paid"  # Time is over, it cannot be closed there, and a look-up just said unpaid.
    NOT_CHARGED = "not_charged"  # A named human's word.
    CONTRADICTED = "contradicted"  # It cannot be true together with what we know: a human sees both.


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    source: Source
    finding: Finding
    code: ErrorCode = ErrorCode.NONE
    message: str = ""
    reference: str = ""
    money: Money | None = None
    added_tip_minor: int = 0  # Cash only: a tip that was added at the table.
    cash_given_minor: int | None = None
    refunds: tuple[RefundFact, ...] = ()
    next_step: Mapping[str, str] = field(default_factory=dict)
    retry_after_seconds: int = 0
    raw: Mapping[str, Any] = field(default_factory=dict)
    latency_ms: int | None = None
    # A sender's own answer counts only while it still holds the lease under which it sent (I12).
    lease_token: UUID | None = None
    asked_at: datetime | None = None  # Just before the question; None where nobody was asked.
    approval_id: UUID | None = None  # A named human's word: of which another one agreed to it.

    def is_out_of_date(self, now: datetime, *, sent_at: datetime | None = None) -> bool:
        """Others may have sent, asked and been told since: whoever was paused with it knows nothing any more."""
        if self.asked_at is None:
            return False
        return now >= self.asked_at + timing.lease() or (sent_at is not None and self.asked_at < sent_at)

    @property
    def short_message(self) -> str:
        return self.message[:MESSAGE_LENGTH]

    def for_history(self) -> dict[str, Any]:
        said = {
            "source": self.source.value,
            "finding": self.finding.value,
            "code": self.code.value,
            "message": self.message,
            "reference": self.reference,
            "money": [self.money.minor, self.money.currency] if self.money else None,
            "approval": str(self.approval_id) if self.approval_id else None,
        }
        return {name: value for name, value in said.items() if value}


SENDER_DIED = Evidence(
    source=Source.LEASE, finding=Finding.UNKNOWN, message="The sender's lease is over and it told nothing."
)


def from_result(result: Result, *, source: Source, lease_token: UUID, latency_ms: int) -> Evidence:
    return Evidence(
        source=source,
        finding=Finding(result.outcome.value),
        code=result.code,
        message=result.message,
        reference=result.reference,
        money=result.money,
        next_step=result.next_step,
        retry_after_seconds=result.retry_after_seconds,
        raw=result.raw,
        latency_ms=latency_ms,
        lease_token=lease_token,
    )


def from_look_up(
    result: LookUpResult, *, source: Source = Source.LOOK_UP, asked_at: datetime | None = None
) -> Evidence:
    """A message that carries no answer changes nothing, exactly like a look-up that was refused."""
    return Evidence(
        source=source,
        finding=Finding(result.answer.value),
        code=result.code,
        message=result.message,
        reference=result.reference,
        money=result.money,
        refunds=result.refunds,
        retry_after_seconds=result.retry_after_seconds,
        raw=result.raw,
        asked_at=asked_at,
    )


def contradicting(evidence: Evidence, sentence: str) -> Evidence:
    """The same evidence where it cannot be believed: it decides nothing, and whose it claims to be is not kept."""
    return replace(
        evidence,
        finding=Finding.CONTRADICTED,
        code=ErrorCode.CONTRADICTORY_ANSWER,
        message=sentence,
        reference="",
        money=None,
        refunds=(),
        lease_token=None,
    )


def from_cancel(result: CancelResult) -> Evidence:
    """Only a confirmed cancellation says something about the money; the rest leads to a look-up."""
    confirmed = result.answer == CancelAnswer.CANCELLED
    return Evidence(
        source=Source.CANCEL,
        finding=Finding.CANCELLED if confirmed else Finding.NO_ANSWER,
        message=result.message,
        raw=result.raw,
    )


assert {answer.value for answer in Answer} <= {finding.value for finding in Finding}  # noqa: S101  The map above.
