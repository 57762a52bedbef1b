"""Why a case is there, in words for people who are no programmers, and the one thing to do first."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from failures.models import Case, CaseKind, CaseStatus, Outcome
from failures.services.opening import GIVEN_UP_AS
from failures.sums import money_of
from kernel.money import Money
from payments.models import Attempt, Refund, RefundStatus
from payments.services.mismatches import KEEPING, MismatchChoice, Undecided
from payments.services.provider_refunds import Theirs
from payments.services.refund_limits import Limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    who: str  # Whose turn it was when it went wrong.
    what: str
    advice: str
    step: str  # The same in a few words, for the queue.
    within: timedelta  # When somebody should have looked.


_TABLE = timedelta(minutes=5)  # A guest sits there with the bill.
_DOUBT = timedelta(minutes=30)
_SOON = timedelta(hours=2)
_TODAY = timedelta(days=1)

CAUSES: Mapping[CaseKind, Cause] = {
    CaseKind.EXHAUSTED: Cause(
        who="The providers",
        what="No provider took the payment. Nothing was charged.",
        advice="See whether the providers are well, then try again, or let a waiter take cash.",
        step="Try again, or take cash",
        within=_TABLE,
    ),
    CaseKind.IN_DOUBT: Cause(
        who="The provider",
        what="The provider gave no answer that can be relied on. The guest may have been charged.",
        advice="Ask the provider now. If it stays silent, look at its own pages, and record what they say.",
        step="Ask the provider",
        within=_DOUBT,
    ),
    CaseKind.AMOUNT_MISMATCH: Cause(
        who="The provider",
        what="Another amount came in than was asked for.",
        advice="Decide whether to keep it, to give all of it back, or what was too much.",
        step="Decide about the amount",
        within=_SOON,
    ),
    CaseKind.LATE_SUCCESS: Cause(
        who="The provider",
        what="The money arrived after the payment had failed. It was due, and is kept.",
        advice="See whether the guest paid in another way meanwhile; if so, give the money back on the payment's page.",
        step="See whether it was paid twice",
        within=_TODAY,
    ),
    CaseKind.SURPLUS: Cause(
        who="The provider",
        what="Money came in that was not due. It goes back to the guest by itself.",
        advice="Wait for the refund. Send it again only if it failed.",
        step="Wait for the refund",
        within=_TODAY,
    ),
    CaseKind.CONTRADICTION: Cause(
        who="The provider",
        what="The provider's books and ours tell different stories.",
        advice="Compare the timeline with the provider's own pages, and write down what you find.",
        step="Compare with the provider's pages",
        within=_SOON,
    ),
    CaseKind.REFUND_FAILED: Cause(
        who="The guest's bank",
        what="A refund did not arrive. The guest has not got the money.",
        advice="Send the refund again. If that fails too, give it back in another way, and record that.",
        step="Send the refund again",
        within=_TODAY,
    ),
    CaseKind.REFUND_IN_DOUBT: Cause(
        who="The provider",
        what="A refund was asked for, and nobody knows whether it was made.",
        advice="Look at the provider's own pages, and record whether the money went back.",
        step="Look at the provider's pages",
        within=_TODAY,
    ),
    CaseKind.CASH_REFUND: Cause(
        who="We",
        what="Cash has to be handed back to the guest.",
        advice="Hand it over, then say so here.",
        step="Hand the cash back",
        within=_SOON,
    ),
    CaseKind.REFUND_APPROVAL: Cause(
        who="We",
        what="A refund is above the limit of whoever asked for it. Nothing was sent.",
        advice="A second person looks at it, then approves or rejects it.",
        step="Approve or reject it",
        within=_SOON,
    ),
    CaseKind.PROVIDER_REFUND: Cause(
        who="The provider, or the guest's bank",
        what="Money went back that nobody here sent back: a refund made at the provider, or a chargeback.",
        advice="Find out who did it. A chargeback has a deadline: answer it at the provider.",
        step="Find out who did it",
        within=_TODAY,
    ),
    CaseKind.ORPHAN_NOTICE: Cause(
        who="The provider",
        what="The provider speaks of something that is not known here.",
        advice="Look for it on the provider's own pages. Money that came in there belongs to somebody.",
        step="Look at the provider's pages",
        within=_TODAY,
    ),
    CaseKind.QUARANTINED: Cause(
        who="We",
        what="Working on this broke again and again, so it was set aside. Nothing happens to it by itself.",
        advice="Ask whoever runs this installation to look at the log. When it is repaired, take it up again.",
        step="Ask whoever runs this",
        within=_SOON,
    ),
    CaseKind.CREDENTIALS: Cause(
        who="We",
        what="A provider refuses our credentials. Nothing can be charged there.",
        advice="Put the right credentials in. Until then other providers are used.",
        step="Put the right credentials in",
        within=_TABLE,
    ),
    CaseKind.CREDENTIALS_CHANGE: Cause(
        who="Nowhere: it was asked for",
        what="Somebody entered new credentials of a provider. They come into use once a second person has agreed.",
        advice="A second person compares them with the provider's own pages, then approves or rejects them.",
        step="Approve or reject them",
        within=_TODAY,
    ),
}

# Money for a bill that two people had given up.
_GIVEN_UP: Mapping[str, tuple[str, str, str]] = {
    Outcome.PAID_ELSEWHERE: (
        "This bill was recorded as paid in another way, and then it was paid here.",
        "Ask the guest whether it was paid twice; if so, give the money back on the payment's page.",
        "See whether it was paid twice",
    ),
    Outcome.WRITTEN_OFF: (
        "This bill was written off, and then it was paid.",
        "Tell whoever keeps the books that it is not lost, then close the case.",
        "Tell whoever keeps the books",
    ),
}
# What the provider says of money that went back without us, behind its sum.
_THEIRS: Mapping[str, tuple[str, str]] = {
    Theirs.REFUND: (
        "went back that nobody here sent back: a refund was made on the provider's own pages.",
        "Find out which colleague made it there, and why.",
    ),
    Theirs.CHARGEBACK: (
        "was taken back by the guest's bank: a chargeback.",
        "It has a deadline: answer it on the provider's own pages. If it stays lost, two people write it off.",
    ),
}
_BY_ID = re.compile(r"Refund [0-9a-f-]{36}")
_NOT_SAID_WHERE = "Not known: recorded by a person"
_RECORDED = "A person recorded, with evidence, that another amount came in than was asked for."
_NOT_SAID = "went back that nobody here sent back: a refund made at the provider, or a chargeback."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Now:
    """What is so since the case was opened."""

    what: str
    advice: str
    step: str


_TRIED_AGAIN = _Now(
    what="It is being tried again.",
    advice="Wait for its answer. It comes by itself, mostly within a minute.",
    step="Wait for its answer",
)
_IN_DOUBT_AGAIN = _Now(
    what="It was tried again, and the provider gave no answer that can be relied on. The guest may have been charged.",
    advice="Ask the provider now. Charging again waits until it is known.",
    step="Ask the provider",
)
_STILL_HERE = _Now(
    what="Money came in that was not due, and its refund failed: it is still here.",
    advice="Send the refund again. If no bank takes it, give it back in another way, and record that.",
    step="Send the refund again",
)
_WAYS: Mapping[frozenset[MismatchChoice], str] = {
    frozenset(
        {MismatchChoice.KEEP, MismatchChoice.REFUND_ALL}
    ): "Decide whether to keep it, or to give all of it back.",
    frozenset({MismatchChoice.REFUND_DIFFERENCE, MismatchChoice.REFUND_ALL}): (
        "Give back what was too much, or all of it."
    ),
    frozenset({MismatchChoice.KEEP, MismatchChoice.REFUND_DIFFERENCE}): (
        "Decide whether to keep it, or to give back what was too much."
    ),
    frozenset({MismatchChoice.KEEP}): "Keep it. Why nothing else is possible stands at what is locked below.",
    frozenset({MismatchChoice.REFUND_DIFFERENCE}): "Give back what was too much.",
}
_ONLY_BACK = _Now(
    what="Another amount came in than was asked for, and none of it can be kept.",
    advice="Give all of it back. Why nothing else is possible stands at what is locked below.",
    step="Give all of it back",
)
_WAITS_THERE = (
    "That it is sent again waits for a second person, in a case of its own. Until then there is nothing to do."
)
_NOT_ONCE_MORE = "Give it back in another way, and record that here. Sent once more it would most likely fail again."
_IN_ANOTHER_WAY = "Give it back in another way"
_IS_ASKED = "A second person looks at what is asked for, then approves or rejects it. Until then nothing else is done."
_UNANSWERED: Mapping[CaseKind, _Now] = {
    CaseKind.REFUND_APPROVAL: _Now(
        what="A refund above the limit was asked for, and nobody answered in time. Nothing was sent.",
        advice="Ask for it again on the payment's page, or close the case.",
        step="Ask for it again, or close the case",
    ),
    CaseKind.CREDENTIALS_CHANGE: _Now(
        what="New credentials were entered, and nobody answered in time. The earlier ones are in use.",
        advice="Enter them again on the account's page, or close the case.",
        step="Enter them again, or close the case",
    ),
}


def cause_of(
    case: Case,
    attempts: Iterable[Attempt] = (),
    refunds: Collection[Refund] = (),
    *,
    undecided: Undecided | None = None,
    limit: Limit | None = None,
    by_people: Collection[UUID] = (),
) -> Cause:
    """As it is now, and of what has ended, as it was.

    `attempts` and `refunds` are those of its payment, `undecided` the amount that the case asks about, `limit` how
    much of it whoever reads this gives back alone, and `by_people` those whose money people recorded.
    """
    cause = _with_its_sum(CAUSES[CaseKind(case.kind)], case)
    if (given_up := _GIVEN_UP.get(case.data.get(GIVEN_UP_AS, ""))) is not None:
        what, advice, step = given_up
        cause = replace(cause, who="Nowhere: two people had given it up", what=what, advice=advice, step=step)
    if case.kind == CaseKind.AMOUNT_MISMATCH and case.data.get("attempt") in map(str, by_people):
        cause = replace(cause, who=_NOT_SAID_WHERE, what=_RECORDED)
    if case.kind == CaseKind.CONTRADICTION and (told := case.data.get("reason")):
        cause = replace(cause, what=f"The provider's books and ours differ. {_BY_ID.sub('A refund', told)}")
    if undecided is not None:
        cause = replace(cause, advice=_advice_about(undecided, limit) or cause.advice)
    if not case.is_waiting:
        return replace(cause, what=f"When it was opened: {cause.what}")
    now = _as_it_is_now(case, attempts, undecided) or _of_failed_refund(case, refunds)
    cause = replace(cause, what=now.what, advice=now.advice, step=now.step) if now else cause
    is_asked = case.status == CaseStatus.WAITING_SECOND_PERSON and case.kind not in _UNANSWERED
    return replace(cause, advice=_IS_ASKED, step="Approve or reject it") if is_asked else cause


def _as_it_is_now(case: Case, attempts: Iterable[Attempt], undecided: Undecided | None) -> _Now | None:
    kind, payment = CaseKind(case.kind), case.payment
    if kind in _UNANSWERED and case.status != CaseStatus.WAITING_SECOND_PERSON:
        return _UNANSWERED[kind]
    if kind == CaseKind.EXHAUSTED and payment is not None and payment.holds_its_share:
        return _IN_DOUBT_AGAIN if payment.in_doubt else _TRIED_AGAIN
    if undecided is not None and not any(undecided.can_be_kept(choice) for choice in KEEPING):
        return _ONLY_BACK
    surplus = next((each for each in attempts if each.pk == case.subject_id), None)
    if kind == CaseKind.SURPLUS and surplus is not None and surplus.refundable_minor:
        return _STILL_HERE
    return None


def _advice_about(undecided: Undecided, limit: Limit | None) -> str:
    """Nobody is advised to do what is locked below."""
    may = (undecided.refusal(choice, limit=limit) is None for choice in MismatchChoice)
    return _WAYS.get(frozenset(choice for choice, is_open in zip(MismatchChoice, may, strict=True) if is_open), "")


def _of_failed_refund(case: Case, refunds: Collection[Refund]) -> _Now | None:
    """With how much it was, and what became of it since."""
    failed = next((each for each in refunds if each.pk == case.subject_id), None)
    if failed is None or failed.status != RefundStatus.FAILED:
        return None
    money = Money(failed.total_minor, failed.currency).display()
    what = f"A refund of {money} did not arrive. The guest has not got the money."
    if any(each.again_of_id == failed.pk and each.status == RefundStatus.WAITING_APPROVAL for each in refunds):
        return _Now(what=what, advice=_WAITS_THERE, step="Wait for the second person")
    if failed.again_of_id is not None:
        return _Now(what=f"{what} It was sent again, and failed again.", advice=_NOT_ONCE_MORE, step=_IN_ANOTHER_WAY)
    usual = CAUSES[CaseKind.REFUND_FAILED]
    return _Now(what=what, advice=usual.advice, step=usual.step)


def _with_its_sum(cause: Cause, case: Case) -> Cause:
    """Of two that differ only in their sums, each says its own."""
    money = money_of(case) if case.kind == CaseKind.PROVIDER_REFUND else None
    if money is None:
        return cause
    what, advice = _THEIRS.get(case.data.get("theirs", ""), (_NOT_SAID, cause.advice))
    return replace(cause, what=f"{money.display()} {what}", advice=advice)
