"""Everything that happened around a case, in one line of time: who did what, and what was said, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from django.db.models import Model, Q

from accounts.models import ApiKey, Approval, IdempotentCall, User
from accounts.services.idempotency import CONSOLE
from events.actors import ActorKind
from events.models import Transition
from failures.decisions import Action
from failures.models import DONE, Case, CaseFile
from failures.services.ending import DID
from failures.services.news import told_of_end
from failures.services.working import TO
from failures.showing.approvals import words_of
from failures.showing.calling import names_around
from failures.showing.choices import WORDS as CHOICES
from failures.showing.condensing import Once, is_asked_for, steps_told
from failures.showing.details import answer_in, call_answer_in_words, call_in_words, reason_of
from kernel import clock
from kernel.money import Money
from kernel.shown import data_by_name
from payments.models import Attempt, InboundNotice, Refund, RefundOrigin
from payments.services.evidence import Source

Row = TypeVar("Row", bound=Model)

# More steps than any payment makes in its life; whoever needs more asks the database.
MOST_STEPS = 400


class Tone(StrEnum):
    """How a moment reads at a glance; the words say the same."""

    PLAIN = "plain"
    GOOD = "good"
    BAD = "bad"
    DOUBT = "doubt"
    PERSON = "person"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    at: datetime
    who: str
    what: str
    detail: str = ""
    tone: Tone = Tone.PLAIN
    raw: Mapping[str, Any] = field(default_factory=dict)  # Redacted when it was stored.
    names: Mapping[str, str] = field(default_factory=dict)  # Of the ids in it.
    end: str = ""  # Of the step that ended the case: how it ended.

    @property
    def raw_text(self) -> str:
        return data_by_name(self.raw, self.names) if self.raw else ""


_ORDER = {
    "create": "The order was placed.",
    "amend": "The bill was changed.",
    "confirm": "The order was confirmed.",
    "fulfil": "The order was served.",
    "cancel": "The order was cancelled.",
}
_PAYMENT = {
    "create": "The payment was accepted.",
    "start": "The guest chose how to pay.",
    "process": "The payment began.",
    "retry": "The payment was tried again.",
    "withdraw": "Nobody wants this payment any more; what was sent may still be charged.",
    "take_up": "It was taken up again.",
    "complete": "The payment completed.",
    "complete_late": "The payment completed late: its money arrived after it had failed.",
    "fail": "The payment failed. Nothing was charged.",
}
_ATTEMPT = {
    "create": "A charge was sent to {provider}.",
    "send_again": "The charge was sent to {provider} again, with the same key.",
    "wait": "{provider} has it; somebody still has to act.",
    "doubt": "{provider} gave no answer that can be relied on: money may have moved.",
    "mismatched": "At {provider} another amount came in than was asked for.",
    "succeed": "{provider} says that the money moved.",
    "succeed_late": "Money arrived at {provider} after this charge was closed.",
    "decline": "{provider} said no.",
    "not_sent": "Nothing was charged at {provider}: the request was not accepted there.",
    "not_charged": "Nothing was charged at {provider}.",
    "cancel": "The charge at {provider} was cancelled before it was paid.",
    "expire": "Nobody paid at {provider} in time.",
    "release": "Cash was taken instead. Should {provider} charge after all, that goes back.",
    "contradicted": "{provider} told another story than before.",
}
_REFUND = {
    "create": "A refund was asked for.",
    "wait_for_approval": "The refund waits for a second person.",
    "release": "The refund may be sent.",
    "turn_down": "The refund is not made.",
    "process": "The refund was sent to {provider}.",
    "send_again": "The refund was sent to {provider} again, with the same key.",
    "complete": "The refund was made.",
    "complete_late": "The refund was made after all.",
    "fail": "The refund was not made.",
    "bounce": "The refund came back: {provider} took its word back.",
    "contradicted": "{provider} told another story about the refund than before.",
}
_CASE = {
    "create": "A case was opened.",
    "more_news": "There was news of it.",
    "assign": "The case was taken.",
    "give": "Gave the case to {colleague}.",
    "give_back": "Put it back into the queue.",
    "snooze": "The case was put off.",
    "ask": "Asked the provider.",
    "answered": "Asked the provider.",
    "not_asked": "The provider was not asked.",
    "resolve": "The case was resolved.",
    "dismiss": "The case was dismissed.",
    "reopen": "The case was opened again.",
    "wait_for_second_person": "The case waits for a second person.",
    "go_on": "The case goes on.",
}
# What somebody decided, in the words of the button.
_CHOICES = {action.value: f"Chose: {words.title}." for action, words in CHOICES.items() if action.value not in _CASE}
_APPROVAL = {
    "create": "Asked a second person to agree: {action}.",
    "approve": "Agreed.",
    "use": "It was done.",
    "reject": "Did not agree.",
    "withdraw": "Took the request back.",
    "expire": "Nobody agreed in time.",
    "overtake": "Nobody has to agree any more.",
}
WORDS: Mapping[str, Mapping[str, str]] = {
    "order": _ORDER,
    "payment": _PAYMENT,
    "attempt": _ATTEMPT,
    "refund": _REFUND,
    "case": {**_CASE, **_CHOICES},
    "approval": _APPROVAL,
}
# Where a named person said so, and no provider.
_OF_ATTEMPTS_BY_HAND = {
    "succeed": "Recorded that the money came in at {provider}.",
    "succeed_late": "Recorded that money came in at {provider} after this charge was closed.",
    "not_charged": "Recorded that nothing was charged at {provider}.",
    "decline": "Recorded that {provider} said no.",
    "mismatched": "Recorded that another amount came in at {provider} than was asked for.",
    "contradicted": "Recorded what does not go together with what {provider} told.",
}
# Another amount had come in: that is no word of whoever then decided.
_DECIDED = "Decided what becomes of the amount that came in at {provider}."
_OF_REFUNDS_BY_HAND = {
    "complete": "Recorded that the refund was made.",
    "complete_late": "Recorded that the refund was made after all.",
    "fail": "Recorded that the refund was not made.",
    "contradicted": "Recorded what does not go together with what {provider} told about the refund.",
}
_BY_PEOPLE: Mapping[tuple[str, str], Mapping[str, str]] = {
    (Source.OPERATOR, "attempt"): _OF_ATTEMPTS_BY_HAND,
    (Source.OPERATOR, "refund"): _OF_REFUNDS_BY_HAND,
    (Source.WAITER, "attempt"): {"succeed": "Confirmed that the money came in."},
    (Source.WAITER, "refund"): {"complete": "Confirmed that the cash was handed back."},
}
# Two refunds of one payment are told apart by their sums.
_TELL_THE_SUM = {"create", "complete", "complete_late", "fail", "bounce"}
_THEIRS = "Money went back that nobody here sent back, as {provider} shows."
_GOOD = {"complete", "complete_late", "succeed", "succeed_late"}
_BAD = {"fail", "decline", "not_sent", "bounce", "contradicted", "mismatched"}
_DOUBTFUL = {"doubt", "release"}
_NOBODY = {
    ActorKind.SYSTEM.value: "Steward",
    ActorKind.GUEST.value: "the guest",
    ActorKind.PROVIDER.value: "the provider",
}
_NOTICE_STATES = {
    "stored": "It waits to be read.",
    "applied": "It was read and acted on.",
    "parked": "What it speaks of is not known yet; it is tried again.",
    "orphaned": "What it speaks of is not known here.",
    "quarantined": "Reading it broke; it was set aside.",
}


def timeline_of(
    case: Case,
    *,
    attempts: Iterable[Attempt] = (),
    refunds: Iterable[Refund] = (),
    files: Iterable[CaseFile] = (),
    approvals: Iterable[Approval] = (),
) -> list[Moment]:
    """Oldest first. Of a case that is about no payment: the case's own life."""
    papers = [_paper(file) for file in files]
    return _Teller(case, _by_key(attempts), _by_key(refunds), _by_key(approvals)).told(papers)


def _by_key(rows: Iterable[Row]) -> dict[Any, Row]:
    return {row.pk: row for row in rows}


class _Teller:
    def __init__(
        self,
        case: Case,
        attempts: Mapping[Any, Attempt],
        refunds: Mapping[Any, Refund],
        approvals: Mapping[Any, Approval],
    ) -> None:
        self._case, self._attempts, self._refunds, self._approvals = case, attempts, refunds, approvals
        self._once = Once(each.reason for each in approvals.values())

    def told(self, papers: Iterable[Moment]) -> list[Moment]:
        steps = self._steps()
        self._names = _names_of(steps)
        self._called = {**self._names, **names_around(self._case, self._attempts, self._refunds, self._approvals)}
        moments = [
            *_left_out(steps),
            *map(self._step, steps_told(steps)),
            *map(_notice, self._notices()),
            *map(_call, self._calls()),
            *(
                Moment(at=note.at, who=note.author.get_username(), what="Wrote:", detail=note.text, tone=Tone.PERSON)
                for note in self._case.notes.select_related("author").order_by("-id")[:MOST_STEPS]
            ),
            *papers,
        ]
        return sorted(moments, key=lambda moment: moment.at)

    def _steps(self) -> list[Transition]:
        """The last ones: whoever decides decides about what is so now."""
        payment = self._case.payment
        rows = [*self._attempts, *self._refunds, *self._approvals]
        about = [self._case.pk, *rows, *((payment.pk, payment.order_id) if payment else ())]
        newest = Transition.objects.filter(subject_id__in=about).order_by("-id")[:MOST_STEPS]
        return list(newest)[::-1]

    def _notices(self) -> Iterable[InboundNotice]:
        """What a message says of our key; its body stays where it is. Any provider may claim a key: what is told came
        in through this restaurant's own contracts.
        """
        keys = [str(key) for key in (*self._attempts, *self._refunds)]
        about = Q(pk=self._case.subject_id) | Q(subject_id__in=keys)
        mine = InboundNotice.objects.filter(about, restaurant_id=self._case.restaurant_id, mode=self._case.mode)
        return mine.select_related("account").defer("headers", "body", "content").order_by("-id")[:MOST_STEPS]

    def _calls(self) -> Iterable[IdempotentCall]:
        """Of programs. A colleague's press stands there already, by what it did."""
        payment = self._case.payment
        made = [*self._refunds, *([payment.pk] if payment else ())]
        calls = IdempotentCall.objects.exclude(principal__startswith=CONSOLE)
        mine = calls.filter(subject_id__in=made).defer("answer")
        return mine.order_by("-id")[:MOST_STEPS] if made else ()

    def _step(self, step: Transition) -> Moment:
        name = "give" if TO in step.evidence else step.step
        colleague = self._names.get(step.evidence.get(TO, ""), "a colleague")
        called = {"provider": self._provider_of(step), "action": self._action_of(step), "colleague": colleague}
        who = self._names.get(step.actor_id) or _NOBODY.get(step.actor_kind, "somebody")
        return Moment(
            at=step.at,
            who=who,
            end=told_of_end(self._case, step, who=who) if self._is_end(step) else "",
            what=(_THEIRS if self._is_theirs(step) else _words_of(step, name)).format(**called),
            detail=" ".join(dict.fromkeys(filter(None, (*self._said(step), self._amount(step))))),
            tone=_tone(step),
            raw={} if name == "give" else {**self._routing(step), **step.evidence},
            names=self._called,
        )

    def _is_end(self, step: Transition) -> bool:
        return step.subject_id == self._case.pk and step.to_status in DONE and step.from_status != step.to_status

    def _is_theirs(self, step: Transition) -> bool:
        refund = self._refunds.get(step.subject_id)
        return refund is not None and refund.origin == RefundOrigin.PROVIDER and step.step == "complete"

    def _provider_of(self, step: Transition) -> str:
        row = self._attempts.get(step.subject_id) or self._refunds.get(step.subject_id)
        return row.account.label if row else "the provider"

    def _action_of(self, step: Transition) -> str:
        approval = self._approvals.get(step.subject_id)
        return words_of(approval.action).title if approval else ""

    def _said(self, step: Transition) -> Iterable[str]:
        """A person's reason is the message of the evidence as well."""
        theirs = self._refunds.get(step.subject_id) if self._is_theirs(step) else None
        for words in dict.fromkeys((theirs.reason if theirs else reason_of(step), answer_in(step))):
            if words:
                yield self._once.news(step, words)

    def _amount(self, step: Transition) -> str:
        money = step.evidence.get("money")
        if money:
            return Money(*money).display()
        refund = self._refunds.get(step.subject_id)
        is_told = refund is not None and step.step in _TELL_THE_SUM
        return Money(refund.total_minor, refund.currency).display() if refund is not None and is_told else ""

    def _routing(self, step: Transition) -> dict[str, Any]:
        attempt = self._attempts.get(step.subject_id)
        return {"routing": attempt.routing} if attempt and step.step == "create" else {}


def _words_of(step: Transition, name: str) -> str:
    if is_asked_for(step):
        return f"Asked for it: {CHOICES[Action(step.step)].title}."
    if step.subject_kind == "case" and DID in step.evidence:
        return f"Ended the case: {step.evidence[DID]}."
    source = str(step.evidence.get("source", ""))
    if (source, step.subject_kind, name) == (Source.OPERATOR, "attempt", "succeed") and "money" not in step.evidence:
        return _DECIDED
    said = _BY_PEOPLE.get((source, step.subject_kind), {}).get(name)
    return said or WORDS.get(step.subject_kind, {}).get(name, f"{step.subject_kind}: {name.replace('_', ' ')}.")


def _tone(step: Transition) -> Tone:
    if step.actor_kind == ActorKind.USER.value:
        return Tone.PERSON
    for tone, steps in ((Tone.GOOD, _GOOD), (Tone.BAD, _BAD), (Tone.DOUBT, _DOUBTFUL)):
        if step.step in steps and step.subject_kind != "case":
            return tone
    return Tone.PLAIN


def _notice(notice: InboundNotice) -> Moment:
    again = f" It came {notice.repeats + 1} times." if notice.repeats else ""
    return Moment(
        at=notice.received_at,
        who=notice.account.label,
        what="A signed message arrived.",
        detail=f"{_NOTICE_STATES.get(notice.state, '')}{again}".strip(),
        raw={"event_id": notice.event_id, "state": notice.state, "tries": notice.tries, "repeats": notice.repeats},
    )


def _paper(file: CaseFile) -> Moment:
    return Moment(at=file.at, who=file.author.get_username(), what=f"Added {file.name}.", tone=Tone.PERSON)


def _call(call: IdempotentCall) -> Moment:
    return Moment(
        at=call.created_at,
        who="the app",
        what=call_in_words(call.operation),
        detail=call_answer_in_words(call.answer_status, still_runs=call.runs_until > clock.now()),
        raw={"idempotency_key": call.key, "operation": call.operation, "answered": call.answer_status},
    )


def _left_out(steps: Sequence[Transition]) -> Iterable[Moment]:
    if len(steps) == MOST_STEPS:
        sentence = f"Earlier steps are left out here: the last {MOST_STEPS} are shown, and Transitions has them all."
        yield Moment(at=steps[0].at, who="Steward", what=sentence)


def _names_of(steps: Iterable[Transition]) -> dict[str, str]:
    """People and programs, by the ids that history keeps: one question for both."""
    ids: dict[str, set[str]] = {ActorKind.USER.value: set(), ActorKind.API_KEY.value: set()}
    for step in steps:
        ids.get(step.actor_kind, set()).add(step.actor_id)
        ids[ActorKind.USER.value].update({step.evidence[TO]} if TO in step.evidence else ())
    people = User.objects.filter(pk__in=ids[ActorKind.USER.value]).values_list("pk", "username")
    programs = ApiKey.objects.filter(lineage__in=ids[ActorKind.API_KEY.value]).values_list("lineage", "name")
    return {str(key): name for key, name in people.union(programs)} if any(ids.values()) else {}
