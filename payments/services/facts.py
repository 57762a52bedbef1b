"""The names of what can happen to payments, refunds and accounts, in the past tense."""

from __future__ import annotations

from enum import StrEnum


class PaymentEvent(StrEnum):
    CREATED = "payment.created"
    STARTED = "payment.started"
    HOLD_EXTENDED = "payment.hold_extended"
    WITHDRAWN = "payment.withdrawn"  # Nobody wants it any more; what was sent may still be charged.
    ACTION_REQUIRED = "payment.action_required"
    COMPLETED = "payment.completed"
    COMPLETED_LATE = "payment.completed_late"
    FAILED = "payment.failed"
    EXHAUSTED = "payment.exhausted"
    DOUBTED = "payment.doubted"
    DOUBT_PROLONGED = "payment.doubt_prolonged"
    DOUBT_ENDED = "payment.doubt_ended"
    AMOUNT_MISMATCHED = "payment.amount_mismatched"
    MISMATCH_RESOLVED = "payment.mismatch_resolved"
    SURPLUS_CAPTURED = "payment.surplus_captured"
    CONTRADICTED = "payment.contradicted"
    RELEASED = "payment.released"
    QUARANTINED = "payment.quarantined"
    TAKEN_UP = "payment.taken_up"
    CREDENTIALS_REFUSED = "payment.credentials_refused"
    NOTICE_ORPHANED = "payment.notice_orphaned"
    NOTICE_QUARANTINED = "payment.notice_quarantined"
    NOTICE_TAKEN_UP = "payment.notice_taken_up"
    REFUNDED = "payment.refunded"


# In the data of `payment.completed`: it, or another payment of its bill, had failed before.
AFTER_FAILURES = "after_failures"


class RefundEvent(StrEnum):
    CREATED = "refund.created"
    APPROVAL_NEEDED = "refund.approval_needed"  # It is more than its maker may give back alone.
    RELEASED = "refund.released"  # A second person agreed to it.
    TURNED_DOWN = "refund.turned_down"  # Or did not.
    HAND_OVER_NEEDED = "refund.hand_over_needed"
    COMPLETED = "refund.completed"
    FAILED = "refund.failed"
    PROLONGED = "refund.prolonged"
    CONFIRMED = "refund.confirmed"
    STARTED_BY_PROVIDER = "refund.started_by_provider"
    QUARANTINED = "refund.quarantined"


class AccountEvent(StrEnum):
    CREDENTIALS_ENTERED = "account.credentials_entered"  # A second person is asked.
    CREDENTIALS_CHANGED = "account.credentials_changed"
    CREDENTIALS_TURNED_DOWN = "account.credentials_turned_down"


class FailureCode(StrEnum):
    """Why a payment failed, where no provider's word says it."""

    CANCELLED = "cancelled"
    EXPIRED = "expired"
    EXHAUSTED = "exhausted"
    DECLINED = "declined"
    NOT_DUE = "not_due"  # Meanwhile the order was cancelled or covered.
