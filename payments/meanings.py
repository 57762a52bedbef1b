"""What the state of a payment, an attempt or a refund means, each in a sentence for whoever looks it up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from payments.models import Attempt, AttemptStatus, Payment, PaymentStatus, Refund, RefundOrigin, RefundStatus
from payments.returns import Surplus
from payments.whose_word import Whose

_PAYMENT: Final[Mapping[PaymentStatus, str]] = {
    PaymentStatus.PENDING: "It was accepted, and no provider was asked for the money yet.",
    PaymentStatus.PROCESSING: "A provider has it, or somebody still has to act. Steward looks after it by itself.",
    PaymentStatus.COMPLETED: "The money came in: a provider or a waiter said so.",
    PaymentStatus.FAILED: "Nothing was charged, and that is certain. While the order is open it can be paid again.",
}
_PAYMENT_BY_PEOPLE: Final[Mapping[PaymentStatus, str]] = {
    PaymentStatus.COMPLETED: "The money came in: recorded by a person, with evidence.",
    PaymentStatus.FAILED: (
        "Nothing was charged: recorded by a person, with evidence. While the order is open it can be paid again."
    ),
}
# Where all that came in was not due any more.
_NOT_DUE: Final[Mapping[PaymentStatus, str]] = {
    PaymentStatus.COMPLETED: "The money came in when it was not due any more",
    PaymentStatus.FAILED: "It failed, and money came in all the same, which was not due any more",
}
_PAYMENT_IN_DOUBT: Final = (
    "Nobody knows whether the money moved. Steward goes on asking, and charges nobody again until it knows."
)
_OTHER_AMOUNT: Final = "Another amount came in than was asked for. Its case asks a person what to do with that."
_ATTEMPT: Final[Mapping[AttemptStatus, str]] = {
    AttemptStatus.SENT: "The provider is being asked right now.",
    AttemptStatus.PENDING: "The provider has it, and a guest or a waiter still has to act.",
    AttemptStatus.UNKNOWN: "The provider gave no answer that can be relied on: money may have moved.",
    AttemptStatus.SUCCEEDED: "The provider says that the money moved.",
    AttemptStatus.DECLINED: "The provider said no. Nothing was charged.",
    AttemptStatus.NOT_SENT: "The request was never accepted there, so that nothing can have been charged.",
    AttemptStatus.NOT_CHARGED: "The provider has no such charge, or says that it cannot be paid any more.",
    AttemptStatus.CANCELLED: "It was cancelled before anybody paid. It cannot be paid any more.",
    AttemptStatus.EXPIRED: "Nobody paid in time. Should money arrive after all, it is noticed and given back or kept.",
    AttemptStatus.RELEASED: "Cash was taken instead. Should this provider have charged after all, that goes back.",
    AttemptStatus.LATE_SUCCESS: "Its money arrived after it had been closed. “Money” says what became of that.",
}
_NOT_THEIRS: Final = "No provider had said so then."
_ATTEMPT_BY_PEOPLE: Final[Mapping[AttemptStatus, str]] = {
    AttemptStatus.SUCCEEDED: f"Recorded by a person, with evidence: the money moved. {_NOT_THEIRS}",
    AttemptStatus.UNKNOWN: f"Recorded by a person, with evidence. {_NOT_THEIRS} {_OTHER_AMOUNT}",
    AttemptStatus.NOT_CHARGED: f"Recorded by a person, with evidence: nothing was charged. {_NOT_THEIRS}",
}
_ATTEMPT_BY_WAITER: Final[Mapping[AttemptStatus, str]] = {
    AttemptStatus.SUCCEEDED: "A waiter took the cash, and said so.",
}
_REFUND: Final[Mapping[RefundStatus, str]] = {
    RefundStatus.REQUESTED: "It was asked for, and is sent within seconds. Its amount is set aside.",
    RefundStatus.WAITING_APPROVAL: "It is above a limit: it is set aside, and not sent until a second person agrees.",
    RefundStatus.PROCESSING: "The provider has it. When it says so, the money is with the guest.",
    RefundStatus.COMPLETED: "The money went back to the guest.",
    RefundStatus.FAILED: "Nothing went back. What was set aside for it is free again.",
}
_REFUND_BY_PEOPLE: Final[Mapping[RefundStatus, str]] = {
    RefundStatus.COMPLETED: f"Recorded by a person, with evidence: the money went back to the guest. {_NOT_THEIRS}",
    RefundStatus.FAILED: (
        f"Recorded by a person, with evidence: nothing went back. {_NOT_THEIRS} What was set aside for it is free "
        "again."
    ),
}
_REFUND_IN_CASH: Final[Mapping[RefundStatus, str]] = {
    RefundStatus.REQUESTED: "It was asked for. A case waits until somebody has handed the cash to the guest.",
    RefundStatus.COMPLETED: "Somebody handed the cash to the guest, and said so.",
}
_ATTEMPTS: Final = {Whose.PEOPLE: _ATTEMPT_BY_PEOPLE, Whose.WAITER: _ATTEMPT_BY_WAITER}
_REFUNDS: Final = {Whose.PEOPLE: _REFUND_BY_PEOPLE, Whose.WAITER: _REFUND_IN_CASH}
_REFUND_IN_DOUBT: Final = (
    "Nobody knows whether the money went back. Steward asks again with the same key, so that it goes back once at most."
)
_OUTSIDE: Final = (
    "Recorded by people: the guest was given it in another way. Nothing was sent, and no provider was told."
)
_BY_PROVIDER: Final = "Nobody here asked for it: the provider, or the guest's bank, took the money back."


def meaning_of_payment(payment: Payment, surplus: Surplus | None = None, *, whose: Whose = Whose.PROVIDER) -> str:
    """On a page of its own: of one in doubt its attempts are asked for."""
    if surplus is None:
        return _standing_of(payment, whose)
    if surplus.is_all and payment.status in _NOT_DUE:
        return f"{_NOT_DUE[PaymentStatus(payment.status)]}: {surplus.became}."
    return f"{_standing_of(payment, whose)} Besides, money came in that was not due: {surplus.became}."


def _standing_of(payment: Payment, whose: Whose) -> str:
    if not payment.in_doubt:
        by_people = _PAYMENT_BY_PEOPLE.get(PaymentStatus(payment.status)) if whose == Whose.PEOPLE else None
        return by_people or _PAYMENT[PaymentStatus(payment.status)]
    undecided = payment.attempts.filter(status=AttemptStatus.UNKNOWN, mismatch=True)
    return _OTHER_AMOUNT if undecided.exists() else _PAYMENT_IN_DOUBT


def meaning_of_attempt(attempt: Attempt, whose: Whose = Whose.PROVIDER) -> str:
    said = _ATTEMPTS.get(whose, {}).get(AttemptStatus(attempt.status))
    if said is not None:
        return said
    if attempt.status == AttemptStatus.UNKNOWN and attempt.mismatch:
        return _OTHER_AMOUNT
    return _ATTEMPT[AttemptStatus(attempt.status)]


def meaning_of_refund(refund: Refund, whose: Whose = Whose.PROVIDER) -> str:
    status = RefundStatus(refund.status)
    if refund.origin == RefundOrigin.OUTSIDE:
        return _OUTSIDE
    said = _REFUND_IN_DOUBT if refund.in_doubt else _REFUNDS.get(whose, {}).get(status) or _REFUND[status]
    return f"{said} {_BY_PROVIDER}" if refund.origin == RefundOrigin.PROVIDER else said
