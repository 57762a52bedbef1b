"""What a person may do about a case, in words: what each choice does with its money, and why one is locked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from failures.decisions import ENDS_BY_AN_ANSWER, NEEDS_TWO, OFFERED, Action
from failures.models import CaseKind
from failures.showing.locks import OF_AN_AMOUNT, Seen, end_lock_of, lock_of
from kernel.money import Money
from payments.services.mismatches import Undecided
from payments.services.providers import facts_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    title: str
    does: str
    moves_money: bool = False
    may_move_money: bool = False  # That depends on what is found.
    asks: str = "Why"  # For the words of whoever decides.


# A second person reads it, who was not there.
_SAW = "What you saw there, and on which page"
WORDS: Mapping[Action, Words] = {
    Action.RETRY: Words(
        title="Try the payment again",
        does="The guest is charged. Nothing was charged so far.",
        moves_money=True,
    ),
    Action.RECORD_CHARGED: Words(
        title="Record: it was charged",
        does=(
            "For when the provider's own pages show that the money came in. If it is what was asked for, the payment "
            "completes; of another amount somebody decides what becomes of it."
        ),
        asks=_SAW,
    ),
    Action.RECORD_NOT_CHARGED: Words(
        title="Record: it was not charged",
        does=(
            "For when the provider's own pages show that nothing came in. The payment fails, and can be tried again. "
            "Money that comes after all is noticed."
        ),
        asks=_SAW,
    ),
    Action.KEEP: Words(title="Keep the amount", does="The payment completes with what came in."),
    Action.REFUND_ALL: Words(
        title="Give all of it back", does="A refund of everything that came in is sent.", moves_money=True
    ),
    Action.REFUND_DIFFERENCE: Words(
        title="Give the difference back",
        does="What came in beyond the amount is sent back; the rest is kept.",
        moves_money=True,
    ),
    Action.REFUND: Words(
        title="Send the refund again", does="It is sent to the provider within seconds.", moves_money=True
    ),
    Action.RECORD_REFUND_MADE: Words(
        title="Record: the refund was made",
        does="For when the provider's own pages show that the money went back.",
        asks=_SAW,
    ),
    Action.RECORD_REFUND_NOT_MADE: Words(
        title="Record: the refund was not made",
        does="For when the provider's own pages show that the money did not go back. It can be asked for again.",
        asks=_SAW,
    ),
    Action.RECORD_GIVEN_BACK: Words(
        title="Record: it was given back in another way",
        does=(
            "For when the guest has it in cash, say, or by a bank transfer. It counts as given back. Nothing is sent, "
            "and no provider is told."
        ),
        asks="How the guest was given it, when, and by whom",
    ),
    Action.HAND_OVER: Words(
        title="Record: the cash was handed back",
        does="You, or a colleague, gave the guest the cash.",
        asks="Who gave it, and when",
    ),
    Action.TAKE_UP: Words(
        title="Take it up again",
        does="The clock goes on where it stopped, also with a charge or a refund. Do this after the repair.",
        may_move_money=True,
    ),
    Action.RECORD_PAID_ELSEWHERE: Words(
        title="Record: it was paid in another way",
        does=(
            "At a terminal of its own, say, or by a bank transfer. The case ends; in the books of Steward the bill "
            "stays unpaid. If the guest pays here as well, a case says so."
        ),
        asks="How it was paid, and how you know",
    ),
    Action.WRITE_OFF: Words(
        title="Write it off",
        does="The money is given up, and the case ends. A guest who comes back can still pay: then a case says so.",
    ),
    Action.REOPEN: Words(title="Open it again", does="The case is back in the queue, with whoever asked for it."),
    Action.RESOLVE: Words(title="Close: it is dealt with", does="The case leaves the queue."),
    Action.DISMISS: Words(title="Close: nothing was wrong", does="The case leaves the queue."),
}
# What is called alike, and is something else in such a case.
_THERE: Mapping[tuple[CaseKind, Action], Words] = {
    (CaseKind.PROVIDER_REFUND, Action.WRITE_OFF): Words(
        title=WORDS[Action.WRITE_OFF].title,
        does="What went back counts as lost, and the case ends. Nothing is sent, and the guest is asked for nothing.",
    ),
    (CaseKind.CASH_REFUND, Action.RECORD_REFUND_NOT_MADE): Words(
        title=WORDS[Action.RECORD_REFUND_NOT_MADE].title,
        does="The guest was not given the cash, and will not be given it now. It can be asked for again.",
    ),
}
_OF_A_MESSAGE = (
    "The provider's message is read once more. What it says counts as if it had come just now: money that came in and "
    "is not due goes back."
)
_NOT_DUE = (
    "For when the provider's own pages show that the money came in. As the bill stands it is not due any more: a "
    "refund of it is sent."
)
_HANDED = "Nothing is sent: a case waits until somebody has handed the cash to the guest."
_ABOVE = "If it is more than you may give back alone, a second person is asked first."
_ENDING = (Action.RESOLVE, Action.DISMISS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    action: Action
    words: Words
    locked: str  # Why not now; empty: it may be done.
    has_amount: bool
    has_outcome: bool
    has_provider: bool
    needs_two: bool


def choices_for(seen: Seen) -> list[Choice]:
    """All that there are for this kind, also those that are locked: whoever looks for one finds out why."""
    case, end_lock = seen.case, end_lock_of(seen)
    ended = () if case.kind in ENDS_BY_AN_ANSWER else (Action.REOPEN,)
    offered = (*OFFERED.get(CaseKind(case.kind), ()), *_ENDING) if case.is_waiting else ended
    return [
        Choice(
            action=action,
            words=_words_of(seen, action),
            locked=lock_of(seen, action) or (end_lock if action in _ENDING else ""),
            has_amount=action == Action.RECORD_CHARGED,
            has_outcome=action == Action.RESOLVE,
            has_provider=action == Action.RETRY,
            needs_two=action in NEEDS_TWO,
        )
        for action in offered
    ]


def words_in(kind: CaseKind, action: Action) -> Words:
    """As whoever decides reads them, and whoever agrees."""
    return _THERE.get((kind, action)) or WORDS[action]


def _words_of(seen: Seen, action: Action) -> Words:
    """What it does to the money of this case, as that stands now."""
    words = words_in(CaseKind(seen.case.kind), action)
    if action in OF_AN_AMOUNT:
        return replace(words, does=_of_amount(action, seen.undecided)) if seen.undecided else words
    if action in {Action.REFUND, Action.HAND_OVER}:
        return _of_refund(seen, words)
    if action == Action.RECORD_GIVEN_BACK:
        return _of_given_back(seen, words)
    if action == Action.TAKE_UP and seen.payment is None:
        return replace(words, does=_OF_A_MESSAGE)
    if action == Action.RECORD_CHARGED and not _is_due(seen):
        return replace(words, does=_NOT_DUE, moves_money=True)
    return words


def _is_due(seen: Seen) -> bool:
    bill, payment = seen.bill, seen.payment
    return bill is None or payment is None or (bill.is_payable and bill.due_minor >= payment.amount_minor)


def _of_refund(seen: Seen, words: Words) -> Words:
    """With how much it is, and whether any provider has a part in it."""
    if seen.refund is None:
        return _of_surplus(seen, words)
    if seen.case.kind == CaseKind.CASH_REFUND:
        whole = Money(seen.refund.total_minor, seen.refund.currency).display()
        return replace(words, does=f"You, or a colleague, gave the guest {whole} in cash.")
    money = seen.left.display() if seen.left else ""
    if facts_of(seen.refund.account).is_manual:
        again = replace(words, title=f"Hand {money} back again", does=_HANDED, moves_money=False)
    else:
        again = replace(words, does=f"{money} is sent back to the guest within seconds, by the same way.")
    return replace(again, does=f"{again.does} {_ABOVE}")


def _of_surplus(seen: Seen, words: Words) -> Words:
    """All of what was not due and is still here."""
    if seen.left is None or not seen.left.minor:
        return words
    does = f"{seen.left.display()} is sent back to the guest within seconds: all that is still here."
    return replace(words, does=does)


def _of_given_back(seen: Seen, words: Words) -> Words:
    """With how much it is."""
    money = seen.left
    if money is None or not money.minor:
        return words
    return replace(
        words,
        does=(
            f"For when the guest has {money.display()} in cash, say, or by a bank transfer. It counts as given back. "
            "Nothing is sent, and no provider is told."
        ),
    )


def _of_amount(action: Action, undecided: Undecided) -> str:
    """How much each one moves and keeps."""
    asked, captured, held = undecided.asked.display(), undecided.captured.display(), undecided.held.display()
    does = {
        Action.KEEP: f"The payment completes with {captured}. Asked for was {asked}.",
        Action.REFUND_ALL: f"{held} is sent back: everything that came in. Nothing is paid then.",
        Action.REFUND_DIFFERENCE: f"{_difference(undecided)} is sent back, and {asked} is kept.",
    }
    return does[action]


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
