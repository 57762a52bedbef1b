"""What a person may do about a case, in words: what each choice does, and why one is locked and until when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from accounts.models import User
from failures.decisions import ENDS_BY_AN_ANSWER, NEEDS_TWO, OFFERED, Action
from failures.models import Case, CaseKind
from failures.reasons import UNPAID, is_unpaid, what_is_left, why_not_alone
from payments.models import Attempt, AttemptStatus, Payment, PaymentStatus
from payments.services.mismatches import MismatchChoice, Undecided


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    title: str
    does: str
    moves_money: bool = False


WORDS: Mapping[Action, Words] = {
    Action.RETRY: Words(
        title="Try the payment again",
        does="The guest is charged, by a provider that is well. Nothing was charged so far.",
        moves_money=True,
    ),
    Action.RECORD_CHARGED: Words(
        title="Record: it was charged",
        does="You saw at the provider that the money came in. The payment completes with that amount.",
    ),
    Action.RECORD_NOT_CHARGED: Words(
        title="Record: it was not charged",
        does="You saw at the provider that nothing came in. The payment fails, and can be tried again.",
    ),
    Action.KEEP: Words(title="Keep the amount", does="The payment completes with what was captured."),
    Action.REFUND_ALL: Words(
        title="Give all of it back", does="A refund of everything that was captured is sent.", moves_money=True
    ),
    Action.REFUND_DIFFERENCE: Words(
        title="Give the difference back",
        does="What was captured beyond the amount is sent back; the rest is kept.",
        moves_money=True,
    ),
    Action.REFUND: Words(
        title="Send the refund again", does="A refund is sent to the provider within seconds.", moves_money=True
    ),
    Action.RECORD_REFUND_MADE: Words(
        title="Record: the refund was made", does="You saw at the provider that the money went back."
    ),
    Action.RECORD_REFUND_NOT_MADE: Words(
        title="Record: the refund was not made",
        does="You saw at the provider that the money did not go back. It can be asked for again.",
    ),
    Action.HAND_OVER: Words(
        title="Record: the cash was handed back", does="You, or a colleague, gave the guest the cash."
    ),
    Action.TAKE_UP: Words(title="Take it up again", does="The clock works on it again. Do this after the repair."),
    Action.WRITE_OFF: Words(
        title="Write it off",
        does="The money is given up, and the case ends. A guest who comes back can still pay.",
    ),
    Action.REOPEN: Words(title="Open it again", does="The case is back in the queue, with whoever asked for it."),
    Action.RESOLVE: Words(title="Close: it is dealt with", does="The case leaves the queue."),
    Action.DISMISS: Words(title="Close: nothing was wrong", does="The case leaves the queue."),
}
_LOST = "What went back counts as lost, and the case ends. Nothing is sent, and the guest is asked for nothing."
_ENDING = (Action.RESOLVE, Action.DISMISS)
_IS_ASKED = "A second person is being asked. Approve, reject or withdraw that first."
_OF_AN_AMOUNT: Mapping[Action, MismatchChoice] = {
    Action.KEEP: MismatchChoice.KEEP,
    Action.REFUND_ALL: MismatchChoice.REFUND_ALL,
    Action.REFUND_DIFFERENCE: MismatchChoice.REFUND_DIFFERENCE,
}
_BY_HAND = (Action.RECORD_CHARGED, Action.RECORD_NOT_CHARGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    action: Action
    words: Words
    locked: str  # Why not now; empty: it may be done.
    has_amount: bool
    has_outcome: bool
    needs_two: bool


def choices_for(
    case: Case,
    *,
    person: User,
    payment: Payment | None,
    live: Attempt | None,
    undecided: Undecided | None = None,
    is_asked: bool = False,
) -> list[Choice]:
    """All that there are for this kind, also those that are locked: whoever looks for one finds out why."""
    left = (what_is_left(case) or why_not_alone(case, person)) if case.is_waiting else ""
    ended = () if case.kind in ENDS_BY_AN_ANSWER else (Action.REOPEN,)
    offered = (*OFFERED.get(CaseKind(case.kind), ()), *_ENDING) if case.is_waiting else ended
    return [
        Choice(
            action=action,
            words=_words_of(case, action, undecided),
            locked=_IS_ASKED
            if is_asked
            else _why_not_ended(case, action, left)
            or _why_not_so_much(action, undecided)
            or why_not(action, payment, live),
            has_amount=action == Action.RECORD_CHARGED,
            has_outcome=action == Action.RESOLVE,
            needs_two=action in NEEDS_TWO,
        )
        for action in offered
    ]


def _why_not_ended(case: Case, action: Action, left: str) -> str:
    if action == Action.DISMISS and not left and is_unpaid(case):
        return UNPAID
    return left if action in _ENDING else ""


def _words_of(case: Case, action: Action, undecided: Undecided | None) -> Words:
    """Where an amount waits for a decision, with how much each one moves and keeps."""
    if action == Action.WRITE_OFF and case.kind == CaseKind.PROVIDER_REFUND:
        return replace(WORDS[action], does=_LOST)
    if undecided is None or action not in _OF_AN_AMOUNT:
        return WORDS[action]
    asked, captured, held = undecided.asked.display(), undecided.captured.display(), undecided.held.display()
    does = {
        Action.KEEP: f"The payment completes with {captured}. Asked for was {asked}.",
        Action.REFUND_ALL: f"{held} is sent back: everything that came in. Nothing is paid then.",
        Action.REFUND_DIFFERENCE: f"{_difference(undecided)} is sent back, and {asked} is kept.",
    }
    return replace(WORDS[action], does=does[action])


def difference_of(undecided: Undecided) -> tuple[str, str]:
    """What it is called, and how much it is. What the provider gave back by itself is not in it."""
    if not undecided.is_comparable:
        return "Difference", "another currency"
    if undecided.captured.minor > undecided.asked.minor:
        return "Too much", (undecided.captured - undecided.asked).display()
    return "Too little", (undecided.asked - undecided.captured).display()


def _difference(undecided: Undecided) -> str:
    """Less what the provider gave back by itself, which may be all of it."""
    if not undecided.is_comparable:
        return "Nothing"
    too_much = undecided.held - undecided.asked
    return too_much.display() if too_much.minor > 0 else "Nothing more"


def _why_not_so_much(action: Action, undecided: Undecided | None) -> str:
    """By the rule of the service, in its own words."""
    if undecided is None or action not in _OF_AN_AMOUNT:
        return ""
    refusal = undecided.refusal(_OF_AN_AMOUNT[action])
    return refusal.sentence if refusal else ""


def why_not(action: Action, payment: Payment | None, live: Attempt | None) -> str:
    if action == Action.RETRY and payment is not None and payment.status != PaymentStatus.FAILED:
        if payment.in_doubt:
            return "Nobody knows yet whether it was charged. Charging again is locked until that is known."
        return f"The payment is {payment.get_status_display()}: there is nothing to try again."
    if action == Action.WRITE_OFF and payment is not None and payment.status == PaymentStatus.PROCESSING:
        return "The payment is under way: nothing is lost yet."
    if action in _BY_HAND and (live is None or live.mismatch):
        return "No charge of this payment is open any more." if live is None else "Decide about its amount instead."
    if action in _BY_HAND and live is not None and _is_being_sent(payment, live):
        return "Somebody is asking the provider right now. This opens again within half a minute."
    return ""


def _is_being_sent(payment: Payment | None, live: Attempt) -> bool:
    return live.status == AttemptStatus.SENT or (payment is not None and payment.is_leased)
