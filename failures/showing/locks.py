"""Why a choice about a case is locked: by the rule of the service that would refuse it, and in that one's own words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from accounts.models import Approval, User
from failures.decisions import Action
from failures.models import Case, CaseKind
from failures.reasons import UNDECIDED, what_is_left, why_not_alone
from failures.services.giving_up import lost_of
from kernel.errors import ServiceError
from kernel.money import Money
from payments.models import Attempt, Payment, Refund
from payments.services.bill import Bill
from payments.services.forcing import refusal_to_record, refusal_to_record_charge
from payments.services.given_back import refusal_to_record_given_back
from payments.services.made_again import GOING_BACK, refusal_to_make_again, what_is_left_of
from payments.services.mismatches import MismatchChoice, Undecided
from payments.services.payments import retry_refusal
from payments.services.refund_limits import Limit
from payments.services.refund_requests import refusal_while_asked, refusal_while_recorded

OF_AN_AMOUNT: Mapping[Action, MismatchChoice] = {
    Action.KEEP: MismatchChoice.KEEP,
    Action.REFUND_ALL: MismatchChoice.REFUND_ALL,
    Action.REFUND_DIFFERENCE: MismatchChoice.REFUND_DIFFERENCE,
}
_IS_ASKED = "A second person is being asked. Approve or reject that first, or take it back."
_IN_DOUBT = "Nobody knows yet whether it was charged. Charging again is locked until that is known."
_NOTHING_OPEN = "No charge of this payment is open any more."


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A case with its money as its page has read it. Whoever then decides looks again, under the lock."""

    case: Case
    person: User
    bill: Bill | None = None
    refunds: Sequence[Refund] = ()  # Of its payment.
    undecided: Undecided | None = None  # What the case asks about.
    limit: Limit | None = None  # Of what the person gives back alone, where that is undecided.
    is_asked: bool = False
    recordings: Sequence[Approval] = ()  # From another case of the same money.

    @property
    def payment(self) -> Payment | None:
        return self.case.payment

    @property
    def live(self) -> Attempt | None:
        return self.bill.live_attempt_of(self.payment) if self.bill and self.payment else None

    @property
    def refund(self) -> Refund | None:
        """That the case is about."""
        return next((each for each in self.refunds if each.pk == self.case.subject_id), None)

    @property
    def source(self) -> Attempt | None:
        """What came in, of which that refund is, or which is the surplus itself."""
        return self.bill.attempt(self.refund.attempt_id) if self.refund and self.bill else self.surplus

    @property
    def left(self) -> Money | None:
        """What is still here of what the case would give back."""
        if self.source is None:
            return None
        refund, whole = self.refund, self.source.refundable_minor
        minor = sum(what_is_left_of(refund, self.source, self.refunds)) if refund else whole
        return Money(minor, self.source.captured_currency)

    @property
    def surplus(self) -> Attempt | None:
        """Money that was not due, where the case is about that."""
        attempts = self.bill.attempts if self.bill else ()
        return next((each for each in attempts if each.pk == self.case.subject_id), None)


def end_lock_of(seen: Seen) -> str:
    """Of both ways to close a case. Asked once for a page."""
    case = seen.case
    if seen.undecided is not None:
        return UNDECIDED
    return (what_is_left(case) or why_not_alone(case, seen.person)) if case.is_waiting else ""


def lock_of(seen: Seen, action: Action) -> str:
    """Empty: it may be done, as things stand."""
    if seen.is_asked:
        return _IS_ASKED
    rule = _RULES.get(action)
    return rule(seen) if rule else ""


def _retry(seen: Seen) -> str:
    if seen.bill is None or seen.payment is None:
        return ""
    return _IN_DOUBT if seen.payment.in_doubt else _said(retry_refusal(seen.bill, seen.payment))


def _give_up(seen: Seen) -> str:
    if seen.bill is None or seen.payment is None or seen.case.kind != CaseKind.EXHAUSTED:
        return ""
    return _said(lost_of(seen.case, seen.bill, seen.payment)[1])


def _by_hand(seen: Seen) -> str:
    payment, live = seen.payment, seen.live
    if payment is None or live is None:
        return _NOTHING_OPEN
    return _said(refusal_to_record_charge(payment, live))


def _amount(action: Action) -> Callable[[Seen], str]:
    def rule(seen: Seen) -> str:
        return _said(seen.undecided.refusal(OF_AN_AMOUNT[action], limit=seen.limit)) if seen.undecided else ""

    return rule


def _refund(seen: Seen) -> str:
    if seen.surplus is not None:
        return _being_asked(seen, seen.surplus.pk) or ("" if seen.surplus.refundable_minor else GOING_BACK)
    attempt = seen.source
    if seen.refund is None or attempt is None:
        return ""
    return _said(refusal_to_make_again(seen.refund, attempt, seen.refunds)) or _being_asked(seen, attempt.pk)


def _record_given_back(seen: Seen) -> str:
    attempt = seen.source
    if attempt is None:
        return ""
    return _said(refusal_to_record_given_back(attempt, seen.refund, seen.refunds)) or _being_asked(seen, attempt.pk)


def _being_asked(seen: Seen, attempt_id: UUID) -> str:
    """The provider, or a second person."""
    mine = (each for each in seen.refunds if each.attempt_id == attempt_id)
    recordings = (each for each in seen.recordings if each.data["attempt"] == str(attempt_id))
    return _said(refusal_while_asked(mine) or refusal_while_recorded(recordings))


def _record_refund(seen: Seen) -> str:
    return _said(refusal_to_record(seen.refund)) if seen.refund else ""


def _said(refusal: ServiceError | None) -> str:
    return refusal.sentence if refusal else ""


_RULES: Mapping[Action, Callable[[Seen], str]] = {
    Action.RETRY: _retry,
    Action.WRITE_OFF: _give_up,
    Action.RECORD_PAID_ELSEWHERE: _give_up,
    Action.RECORD_CHARGED: _by_hand,
    Action.RECORD_NOT_CHARGED: _by_hand,
    Action.REFUND: _refund,
    Action.RECORD_GIVEN_BACK: _record_given_back,
    Action.RECORD_REFUND_MADE: _record_refund,
    Action.RECORD_REFUND_NOT_MADE: _record_refund,
    **{action: _amount(action) for action in OF_AN_AMOUNT},
}
