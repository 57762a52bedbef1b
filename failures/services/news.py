"""What happened to a case, told to whoever comes late: who ended it, and what is new since a page was opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Case as If
from django.db.models import Exists, OuterRef, Q, Value, When

from accounts.models import Approval, ApprovalStatus, User
from accounts.names import actor_of, with_actors
from events.actors import ActorKind
from events.models import Event, Transition
from failures.models import DONE, GIVEN_UP, Case
from failures.services.ending import DID
from failures.services.facts import CaseEvent
from kernel.shown import in_words

# A page that is older than this is read anew, not caught up with.
MOST_NEWS = 5
_NEWS: Mapping[str, str] = {
    CaseEvent.OPENED: "opened it again",
    CaseEvent.GREW: "brought news of it",
    CaseEvent.ASSIGNED: "took it",
    CaseEvent.GIVEN_BACK: "handed it back to the queue",
    CaseEvent.SNOOZED: "put it off",
    CaseEvent.NOTED: "wrote a note",
    CaseEvent.FILE_ADDED: "added a file",
    CaseEvent.APPROVAL_ASKED: "asked a second person",
    CaseEvent.PAID_ELSEWHERE: "recorded that it was paid in another way",
    CaseEvent.WRITTEN_OFF: "wrote it off",
    CaseEvent.RESOLVED: "closed it",
    CaseEvent.DISMISSED: "closed it",
}
_ANSWERS: Mapping[str, str] = {
    ApprovalStatus.DONE: "agreed to it",
    ApprovalStatus.REJECTED: "rejected it",
    ApprovalStatus.WITHDRAWN: "took the request back",
    ApprovalStatus.EXPIRED: "ended the request that nobody answered in time",
}
_DECIDED = (ApprovalStatus.DONE, ApprovalStatus.REJECTED)
# Beside these nothing else matters to whoever still has the page open.
_ENDS = (CaseEvent.RESOLVED, CaseEvent.DISMISSED, CaseEvent.WRITTEN_OFF, CaseEvent.PAID_ELSEWHERE)
_NOBODY = {
    ActorKind.SYSTEM.value: "Steward",
    ActorKind.GUEST.value: "The guest",
    ActorKind.PROVIDER.value: "The provider",
    ActorKind.API_KEY.value: "A program",
}


def how_it_ended(case: Case) -> str:
    """Who, what, when and why; of what ended by itself what happened."""
    end = (
        Transition.objects.filter(subject_id=case.pk, to_status__in=DONE)
        .exclude(from_status__in=DONE)
        .order_by("-id")
        .first()
    )
    return case.resolution if end is None else told_of_end(case, end, who=_who(end))


def told_of_end(case: Case, end: Transition, *, who: str) -> str:
    """Of two people both: what the first one wrote is not what the second one says."""
    at = in_words(end.at, case.restaurant.time_zone)
    if end.actor_kind != ActorKind.USER.value:
        return f"{case.resolution} That was at {at}."
    if DID in end.evidence:
        did, why = str(end.evidence[DID]), str(end.evidence.get("why", ""))
    else:
        outcome = f" as {case.get_outcome_display()}" if case.outcome else ""
        did, why = f"closed it{outcome}", end.reason
    asked = _asked_for(case, end)
    if asked is None:
        return f"{who} {did}, {at}: {why}" if why else f"{who} {did}, {at}."
    maker = asked.maker.get_username() if asked.maker else "a program"
    said = f"{who} {did}, {at}: “{asked.answer}”" if asked.answer else f"{who} {did}, {at}."
    return f"{said} Asked for by {maker}: “{asked.reason}”"


def _asked_for(case: Case, end: Transition) -> Approval | None:
    """What two people decided in the same transaction. Whoever closes a case in so many words does it alone."""
    if DID not in end.evidence and case.outcome not in GIVEN_UP:
        return None
    together = Transition.objects.filter(subject_id=OuterRef("pk"), transaction_id=end.transaction_id)
    decided = Approval.objects.filter(Exists(together), asked_from=case.pk, status__in=_DECIDED)
    return decided.select_related("maker").order_by("id").last()


def news_since(case: Case, version: int) -> str:
    """The oldest first."""
    newest = Event.objects.filter(stream_id=case.pk, version__gt=version).order_by("-version")[:MOST_NEWS]
    zone = case.restaurant.time_zone
    told = [f"{_who(each)} {_what(each)}, {in_words(each.at, zone)}" for each in reversed(newest)]
    return "; ".join(told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a page shows: its case, and the payment of that if it has one, by their versions."""

    case_id: UUID
    version: int
    payment_id: UUID | None
    payment_version: int


def change_since(seen: Seen, *, person: User) -> str:
    """In one statement and one sentence, for a page that is still open: how it stands, else the newest of it."""
    since = Q(stream_id=seen.case_id, version__gt=seen.version)
    if seen.payment_id is not None:
        since |= Q(stream_id=seen.payment_id, version__gt=seen.payment_version)
    # However much happened to its payment, the case's own news come first.
    of_case_first = If(When(stream_id=seen.case_id, then=Value(0)), default=Value(1))
    newest = list(with_actors(Event.objects.filter(since)).order_by(of_case_first, "-version")[:MOST_NEWS])
    of_case = [each for each in newest if each.stream_id == seen.case_id]
    if not of_case:
        return "Its payment has changed since you opened this case." if newest else ""
    # One that was opened again has not ended, whoever closed it before.
    event: Any = next((each for each in of_case if each.type in {*_ENDS, CaseEvent.OPENED}), of_case[0])
    who = "you" if event.actor_id == str(person.pk) else actor_of(event)
    return f"This case has changed since you opened it: {who} {_did(event)}."


def _what(event: Event) -> str:
    return _answer_in(event) if event.type == CaseEvent.APPROVAL_ENDED else _did(event)


def _did(event: Event) -> str:
    is_given = event.type == CaseEvent.ASSIGNED and event.data.get("owner") not in {None, event.actor_id}
    if event.type == CaseEvent.APPROVAL_ENDED:
        return _ANSWERS.get(event.data.get("status", ""), "ended the request to a second person")
    if event.type == CaseEvent.ASKED:
        return f"asked the provider: “{event.data['said']}”"
    return "gave it to a colleague" if is_given else _NEWS.get(event.type, "did something to it")


def _answer_in(event: Event) -> str:
    """Of the second person, or of the first one who thought better of it."""
    did = _did(event)
    answer = Approval.objects.filter(pk=event.data["approval"]).values_list("answer", flat=True).first()
    return f"{did}: “{answer}”" if answer else did


def _who(row: Transition | Event) -> str:
    if row.actor_kind != ActorKind.USER.value:
        return _NOBODY.get(row.actor_kind, "Somebody")
    return User.objects.filter(pk=row.actor_id).values_list("username", flat=True).first() or "Somebody"
