"""The journal: everything one transaction has to say, written in two statements, heard in the same transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from django.db import connection

from events.actors import Actor
from events.models import Event, Transition
from kernel.statements import Insertion, write_together


class Stream(Protocol):
    """A row with a life of its own: an order, a payment or a case. It counts its events itself."""

    restaurant_id: UUID
    mode: str
    version: int

    @property
    def pk(self) -> Any: ...


class Machine(Protocol):
    """A row with a status."""

    restaurant_id: UUID
    mode: str

    @property
    def pk(self) -> Any: ...
    @property
    def status(self) -> Any: ...


Subscriber = Callable[[Event, Actor], None]
_TRANSITIONS, _EVENTS = Insertion(Transition), Insertion(Event)
_subscribers: dict[str, list[Subscriber]] = defaultdict(list)


def subscribe(event_type: StrEnum, subscriber: Subscriber) -> None:
    """Called from an app's `ready`. The subscriber runs in the transaction that records the event."""
    if subscriber not in _subscribers[event_type]:
        _subscribers[event_type].append(subscriber)


def kind_of(subject: Any) -> str:
    return type(subject).__name__.lower()


class Journal:
    """Collects the steps and facts of one transaction. `write` must run inside it."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self._transitions: list[Transition] = []
        self._events: list[Event] = []

    def created(self, subject: Machine, *, reason: str) -> None:
        """A machine's first row enters history too: an unexplained insert is refused like a bypassed step."""
        self._note(subject, step="create", before="", reason=reason, evidence={})

    def move(
        self, subject: Machine, step: Callable[[], Any], *, reason: str, evidence: Mapping[str, Any] | None = None
    ) -> None:
        before = subject.status
        step()
        self._note(subject, step=step.__name__, before=before, reason=reason, evidence=evidence or {})

    def note(self, subject: Machine, *, step: str, reason: str, evidence: Mapping[str, Any] | None = None) -> None:
        """Something that belongs in the history although no status changed."""
        self._note(subject, step=step, before=subject.status, reason=reason, evidence=evidence or {})

    def happened(self, event_type: StrEnum, stream: Stream, **data: Any) -> None:
        stream.version += 1
        self._events.append(
            Event(
                restaurant_id=stream.restaurant_id,
                mode=stream.mode,
                type=event_type.value,
                stream_kind=kind_of(stream),
                stream_id=stream.pk,
                version=stream.version,
                data=data,
                **self._who(),
            )
        )

    def write(self) -> None:
        """One statement however much happened, then the subscribers, who may write journals of their own."""
        if not connection.in_atomic_block:
            raise RuntimeError("A journal is written in the transaction that it describes.")
        events, self._events = self._events, []
        transitions, self._transitions = self._transitions, []
        write_together((_TRANSITIONS, transitions), (_EVENTS, events))
        for event in events:
            for subscriber in _subscribers[event.type]:
                subscriber(event, self.actor)

    def _note(self, subject: Machine, *, step: str, before: str, reason: str, evidence: Mapping[str, Any]) -> None:
        self._transitions.append(
            Transition(
                restaurant_id=subject.restaurant_id,
                mode=subject.mode,
                subject_kind=kind_of(subject),
                subject_id=subject.pk,
                step=step,
                from_status=before,
                to_status=subject.status,
                reason=reason[:REASON_LENGTH],
                evidence=dict(evidence),
                **self._who(),
            )
        )

    def _who(self) -> dict[str, str]:
        return {
            "actor_kind": self.actor.kind.value,
            "actor_id": self.actor.id,
            "request_id": self.actor.request_id,
        }


REASON_LENGTH = 500  # The column's size: a provider's long sentence is cut, never a reason to fail.
