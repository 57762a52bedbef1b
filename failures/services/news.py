"""What happened to a case, told to whoever comes late: who ended it, and what is new since a page was opened."""

from __future__ import annotations

from collections.abc import Mapping

from accounts.models import User
from events.actors import ActorKind
from events.models import Event, Transition
from failures.models import DONE, Case
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
    CaseEvent.APPROVAL_ENDED: "ended the request to a second person",
    CaseEvent.PAID_ELSEWHERE: "recorded that it was paid in another way",
    CaseEvent.WRITTEN_OFF: "wrote it off",
    CaseEvent.RESOLVED: "closed it",
    CaseEvent.DISMISSED: "closed it",
}
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
    at = in_words(end.at, case.restaurant.time_zone)
    if end.actor_kind != ActorKind.USER.value:
        return f"{case.resolution} That was at {at}."
    if DID in end.evidence:
        did, why = str(end.evidence[DID]), str(end.evidence.get("why", ""))
    else:
        outcome = f" as {case.get_outcome_display()}" if case.outcome else ""
        did, why = f"closed it{outcome}", end.reason
    return f"{who} {did}, {at}: {why}" if why else f"{who} {did}, {at}."


def news_since(case: Case, version: int) -> str:
    """The oldest first."""
    newest = Event.objects.filter(stream_id=case.pk, version__gt=version).order_by("-version")[:MOST_NEWS]
    zone = case.restaurant.time_zone
    told = [f"{_who(each)} {_what(each)}, {in_words(each.at, zone)}" for each in reversed(newest)]
    return "; ".join(told)


def _what(event: Event) -> str:
    is_given = event.type == CaseEvent.ASSIGNED and event.data.get("owner") not in {None, event.actor_id}
    return "gave it to a colleague" if is_given else _NEWS.get(event.type, "did something to it")


def _who(row: Transition | Event) -> str:
    if row.actor_kind != ActorKind.USER.value:
        return _NOBODY.get(row.actor_kind, "Somebody")
    return User.objects.filter(pk=row.actor_id).values_list("username", flat=True).first() or "Somebody"
