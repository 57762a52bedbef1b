"""Every press of a case's page: where it is allowed, what is typed, how one sees that it was done, and its audit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.models import Approval, ApprovalStatus
from failures.approvals import Verdict
from failures.decisions import NEEDS_TWO, Action
from failures.models import Case, Outcome
from payments.models import Attempt, InboundNotice, Payment, Refund
from tests.failures import worlds_of_cases as worlds
from tests.failures.deciding import about, ask
from tests.failures.test_papers import IN_AUDIT, PDF
from tests.failures.worlds_of_cases import MINOR, MORE, Crew

TYPED = "Called them, and they told me."
Said = dict[str, Any]
Seen = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    verb: str
    world: Callable[[Crew], Case]
    says: Callable[[Case, Crew], Said]
    shows: Callable[[Case], Seen]  # What it is about, as it stands.
    done: Seen  # That, when it is done; of what needs two, when the second one has agreed.
    deed: str
    why: str = ""  # In the audit.
    by_lead: bool = False
    action: Action | None = None
    verdict: Verdict | None = None

    @property
    def needs_two(self) -> bool:
        return self.action in NEEDS_TWO

    @property
    def is_of_its_page(self) -> bool:
        """To ask is never wrong, and what is laid to a case belongs to it however that stands."""
        return self.verb not in {"ask", "note", "file"}


# --- How one sees it --------------------------------------------------------------------------------------------------


def case_itself(case: Case) -> Seen:
    now = Case.objects.get(pk=case.pk)
    return (now.status, now.outcome, now.resolution)


def owner(case: Case) -> Seen:
    now = Case.objects.select_related("owner").get(pk=case.pk)
    return (now.status, now.owner and now.owner.username, now.snoozed_until is not None)


def papers(case: Case) -> Seen:
    return (case.notes.count(), case.files.count())


def charge(case: Case) -> Seen:
    payment = Payment.objects.get(pk=about(case))
    attempts = Attempt.objects.filter(payment=payment).order_by("number")
    tried = [(attempt.status, attempt.captured_minor, attempt.mismatch) for attempt in attempts]
    return (payment.status, payment.next_action, tried, Case.objects.get(pk=case.pk).status)


def refunds(case: Case) -> Seen:
    payment = Payment.objects.get(pk=about(case))
    made = Refund.objects.filter(payment=payment).order_by("id")
    return (payment.status, [(each.total_minor, each.status) for each in made], Case.objects.get(pk=case.pk).status)


def notice(case: Case) -> Seen:
    return (InboundNotice.objects.get(pk=case.subject_id).state, Case.objects.get(pk=case.pk).status)


def request(case: Case) -> Seen:
    return (*charge(case), Approval.objects.get(asked_from=case.pk).status)


# --- What is typed ----------------------------------------------------------------------------------------------------


def letter() -> SimpleUploadedFile:
    return SimpleUploadedFile("letter.pdf", PDF)


def _nothing(_: Case, __: Crew) -> Said:
    return {}


def _decision(action: Action, **more: str) -> Callable[[Case, Crew], Said]:
    return lambda case, crew: {"action": action.value, "reason": TYPED, **more}


def _decide(
    action: Action, world: Callable[[Crew], Case], shows: Callable[[Case], Seen], *done: Any, **more: str
) -> Press:
    return Press(
        verb="decide",
        action=action,
        world=world,
        says=_decision(action, **more),
        shows=shows,
        done=done,
        deed=f"ask_to_{action}" if action in NEEDS_TWO else action.value,
        why=TYPED,
    )


def _by_two(ended: str) -> str:
    """Each keeps their own words."""
    return f"{ended} Asked for: “{TYPED}” Agreed to: “Seen as well.”"


def _asked(crew: Crew, maker_is_pressing: bool) -> Case:
    case = worlds.in_doubt(crew)
    ask(case, crew.finance if maker_is_pressing else crew.colleague, Action.RECORD_NOT_CHARGED)
    return case


def _reply(verdict: Verdict, *done: Any) -> Press:
    is_makers = verdict == Verdict.WITHDRAW
    return Press(
        verb="reply",
        verdict=verdict,
        world=lambda crew: _asked(crew, is_makers),
        says=lambda case, crew: {
            "verdict": verdict.value,
            "approval": str(Approval.objects.get(asked_from=case.pk).pk),
            **({} if verdict == Verdict.APPROVE else {"reason": TYPED}),
        },
        shows=request,
        done=done,
        deed=verdict.value,
        why="" if verdict == Verdict.APPROVE else TYPED,  # Why yes, the maker has said.
        by_lead=not is_makers,
    )


# --- All of them ------------------------------------------------------------------------------------------------------

PRESSES: Mapping[str, Press] = {
    "take": Press(
        verb="take",
        world=worlds.books_differ,
        says=_nothing,
        shows=owner,
        done=("assigned", "finance", False),
        deed="assign",
    ),
    "give": Press(
        verb="give",
        world=worlds.books_differ,
        says=lambda case, crew: {"to": str(crew.colleague.pk), "reason": TYPED},
        shows=owner,
        done=("assigned", "colleague", False),
        deed="assign",
        why=TYPED,
    ),
    "give-back": Press(
        verb="give-back",
        world=worlds.assigned,
        says=lambda case, crew: {"reason": TYPED},
        shows=owner,
        done=("open", None, False),
        deed="give_back",
        why=TYPED,
    ),
    "snooze": Press(
        verb="snooze",
        world=worlds.books_differ,
        says=lambda case, crew: {"reason": TYPED, "minutes": "60"},
        shows=owner,
        done=("open", None, True),
        deed="snooze",
        why=TYPED,
    ),
    "ask": Press(
        verb="ask",
        world=worlds.provider_knows,
        says=_nothing,
        shows=charge,
        done=("completed", "", [("succeeded", MINOR, False)], "resolved"),
        deed="ask",
    ),
    "note": Press(
        verb="note",
        world=worlds.books_differ,
        says=lambda case, crew: {"text": TYPED},
        shows=papers,
        done=(1, 0),
        deed="note",
    ),
    "file": Press(
        verb="file",
        world=worlds.books_differ,
        says=lambda case, crew: {"file": letter()},
        shows=papers,
        done=(0, 1),
        deed="add_file",
        why=IN_AUDIT,
    ),
    "resolve": _decide(
        Action.RESOLVE, worlds.books_differ, case_itself, "resolved", Outcome.REPAIRED, TYPED, outcome=Outcome.REPAIRED
    ),
    "dismiss": _decide(Action.DISMISS, worlds.books_differ, case_itself, "dismissed", Outcome.NOTHING_WRONG, TYPED),
    "reopen": _decide(Action.REOPEN, worlds.ended, case_itself, "assigned", "", ""),
    "retry": _decide(
        Action.RETRY, worlds.nobody_took_it, charge, "processing", "begin", [("declined", 0, False)], "open"
    ),
    "write off what no provider took": _decide(
        Action.WRITE_OFF, worlds.nobody_took_it, case_itself, "resolved", Outcome.WRITTEN_OFF, _by_two("Written off.")
    ),
    "record that it was paid in another way": _decide(
        *(Action.RECORD_PAID_ELSEWHERE, worlds.nobody_took_it, case_itself),
        *("resolved", Outcome.PAID_ELSEWHERE, _by_two("Paid in another way.")),
    ),
    "write off what went back": _decide(
        Action.WRITE_OFF,
        worlds.made_by_the_provider,
        case_itself,
        "resolved",
        Outcome.WRITTEN_OFF,
        _by_two("Written off."),
    ),
    "record that it was charged": _decide(
        *(Action.RECORD_CHARGED, worlds.in_doubt, charge),
        *("completed", "", [("succeeded", MINOR, False)], "resolved"),
        amount="840",
    ),
    "record that it was not charged": _decide(
        Action.RECORD_NOT_CHARGED, worlds.in_doubt, charge, "failed", "", [("not_charged", 0, False)], "resolved"
    ),
    "keep another amount": _decide(Action.KEEP, worlds.less_than_asked, refunds, "completed", [], "resolved"),
    "give all of another amount back": _decide(
        Action.REFUND_ALL, worlds.more_than_asked, refunds, "completed", [(MORE, "requested")], "resolved"
    ),
    "give the difference back": _decide(
        *(Action.REFUND_DIFFERENCE, worlds.more_than_asked, refunds),
        *("completed", [(MORE - MINOR, "requested")], "resolved"),
    ),
    "send the refund of a surplus again": _decide(
        *(Action.REFUND, worlds.surplus_not_gone_back, refunds),
        *("failed", [(MINOR, "failed"), (MINOR, "requested")], "open"),
    ),
    "send a refund again": _decide(
        *(Action.REFUND, worlds.refund_refused, refunds),
        *("completed", [(5_000, "failed"), (5_000, "requested")], "resolved"),
    ),
    "record that a surplus was given back in another way": _decide(
        *(Action.RECORD_GIVEN_BACK, worlds.surplus_not_gone_back, refunds),
        *("failed", [(MINOR, "failed"), (MINOR, "completed")], "resolved"),
    ),
    "record that a refund was made in another way": _decide(
        *(Action.RECORD_GIVEN_BACK, worlds.refund_refused, refunds),
        *("completed", [(5_000, "failed"), (5_000, "completed")], "resolved"),
    ),
    "record that a refund was made": _decide(
        Action.RECORD_REFUND_MADE, worlds.refund_takes_long, refunds, "completed", [(5_000, "completed")], "resolved"
    ),
    "record that a refund was not made": _decide(
        Action.RECORD_REFUND_NOT_MADE, worlds.refund_takes_long, refunds, "completed", [(5_000, "failed")], "resolved"
    ),
    "hand over cash": _decide(
        Action.HAND_OVER, worlds.cash_to_hand_back, refunds, "completed", [(MINOR, "completed")], "resolved"
    ),
    "record that cash was not handed over": _decide(
        Action.RECORD_REFUND_NOT_MADE, worlds.cash_to_hand_back, refunds, "completed", [(MINOR, "failed")], "resolved"
    ),
    "take up a notice": _decide(Action.TAKE_UP, worlds.orphan, notice, "stored", "resolved"),
    "take up a payment": _decide(Action.TAKE_UP, worlds.set_aside, charge, "pending", "begin", [], "resolved"),
    "approve": _reply(Verdict.APPROVE, "failed", "", [("not_charged", 0, False)], "resolved", ApprovalStatus.DONE),
    "reject": _reply(
        Verdict.REJECT, "processing", "look_up", [("unknown", 0, False)], "assigned", ApprovalStatus.REJECTED
    ),
    "withdraw": _reply(
        Verdict.WITHDRAW, "processing", "look_up", [("unknown", 0, False)], "assigned", ApprovalStatus.WITHDRAWN
    ),
}
