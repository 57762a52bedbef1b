"""A story is told once, in a transaction that is undone; the rows that it left are what is copied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import models, transaction

from accounts.models import Approval, IdempotentCall
from events.models import AuditEntry, Event, Transition
from failures.generated.dice import Dice
from failures.generated.house import House
from failures.generated.slots import Sealed, Slot, Text, microseconds
from failures.generated.stories import Story
from failures.generated.telling import BEGINNING, StoryTime, Teller, told_then
from failures.generated.writing import Writer
from failures.models import WAITING, Case, CaseNote
from kernel import clock
from kernel.modes import Mode
from orders.models import Order
from payments.models import Attempt, BreakerOverride, InboundNotice, Payment, Refund
from payments.services.circuit_overrides import OPERATIONS, WORDS
from payments.services.providers import PROVIDERS

Model = type[models.Model]
# In the order in which each may point to the ones before. The journal comes last, as always.
COPIED: tuple[Model, ...] = (
    *(Order, Payment, Attempt, Refund, InboundNotice, Case, CaseNote, Approval, IdempotentCall),
    *(Event, Transition),
)
SEALED_NAMES = ("mode", "at", "actor_kind", "actor_id", "request_id", "action", "subject_kind", "subject_id", "reason",
                "before", "after")  # fmt: skip
# An operator's word that is newer than any: what is going on at the real circuits is no part of a story.
_NEWEST, _LASTS = BEGINNING + timedelta(days=36_525), timedelta(days=400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """One telling of a story, ready to be copied. Offsets are microseconds from the moment that it is about."""

    story: Story
    channel: str
    begins: int
    ends: int
    slots: tuple[Slot, ...]
    sealed: tuple[Sealed, ...]
    order_id: Text
    tables: tuple[tuple[Model, Text], ...]
    audit: Text


def columns(model: Model) -> list[models.Field[Any, Any]]:
    """What the database itself fills in is left to it."""
    fields = model._meta.concrete_fields
    return [each for each in fields if not isinstance(each, models.AutoField) and not each.has_db_default()]


def takes_of(story: Story, house: House, *, seed: int, copies: int) -> list[Take]:
    """As many as it has, and no more than are copied."""
    return [_take(story, house, f"{seed} {story.name} {number}") for number in range(min(story.takes, copies))]


def _take(story: Story, house: House, name: str) -> Take:
    with _undone(), _told_at(StoryTime(f"{name} time")) as time:
        _keep_circuits_closed()
        last = AuditEntry.objects.filter(chain=house.id).order_by("number").last()
        teller = Teller(house, time, Dice(name))
        story.tell(teller)
        return _recorded(story, teller, last.number if last else 0)


@contextmanager
def _undone() -> Iterator[None]:
    with transaction.atomic():
        sid = transaction.savepoint()
        try:
            yield
        finally:
            transaction.savepoint_rollback(sid)


@contextmanager
def _told_at(time: StoryTime) -> Iterator[StoryTime]:
    previous = clock.install(time)
    try:
        yield time
    finally:
        clock.install(previous)


def _keep_circuits_closed() -> None:
    closed = WORDS["closed"]
    BreakerOverride.objects.bulk_create(
        BreakerOverride(
            provider=provider,
            mode=Mode.TEST,
            operation=OPERATIONS["charge"].value,
            state=closed.value if closed else "",
            reason="A story is told.",
            created_at=_NEWEST,
            expires_at=_NEWEST + _LASTS,
        )
        for provider in PROVIDERS
    )


def _recorded(story: Story, teller: Teller, last_entry: int) -> Take:
    writer = Writer(teller.anchor)
    rows = _rows_of(teller)
    found = (len(rows[Payment]), sum(case.status in WAITING for case in rows[Case]))
    if found != (story.payments, story.cases):
        raise ValueError(f"{story.name} says {story.payments, story.cases} payments and open cases, and has {found}.")
    tables = [(model, writer.rows(rows[model], columns(model))) for model in COPIED if rows[model]]
    entries = AuditEntry.objects.filter(chain=teller.house.id, number__gt=last_entry).order_by("number")
    audit = writer.objects(entries, SEALED_NAMES)
    (order,) = rows[Order]
    order_id = writer.finish(writer.text(str(order.pk)))
    anchor = microseconds(teller.anchor)
    return Take(
        story=story,
        channel=teller.channel,
        begins=microseconds(BEGINNING) - anchor,
        ends=microseconds(teller.now) - anchor,
        slots=tuple(writer.slots),
        sealed=tuple(writer.sealed),
        order_id=order_id,
        tables=tuple((model, writer.finish(text)) for model, text in tables),
        audit=writer.finish(audit),
    )


def _rows_of(teller: Teller) -> Mapping[Model, list[Any]]:
    """By their ids, whose times are the story's; the rest by what it belongs to.

    What was made in one moment is in no order of ids, and is put into the same one at each telling.
    """
    mine = {
        model: list(_all(model).filter(**told_then()).order_by(*_ORDER.get(model, ("pk",)))) for model in COPIED[:-3]
    }
    events = _all(Event).filter(stream_id__in=_keys(mine, Order, Payment, InboundNotice, Case))
    steps = _all(Transition).filter(subject_id__in=_keys(mine, Order, Payment, Attempt, Refund, Case, Approval))
    calls = IdempotentCall.objects.filter(created_at__gte=BEGINNING, created_at__lte=teller.now).order_by("pk")
    return {
        **mine,
        IdempotentCall: list(calls),
        Event: list(events.order_by(*_ORDER[Event])),
        Transition: list(steps.order_by("pk")),
    }


_ORDER: Mapping[Model, tuple[str, ...]] = {
    Case: ("opened_at", "kind"),
    Event: ("at", "stream_kind", "version"),
}


def _all(model: Model) -> models.QuerySet[Any]:
    return model._default_manager.all()


def _keys(rows: Mapping[Model, list[Any]], *kinds: Model) -> list[Any]:
    return [row.pk for kind in kinds for row in rows[kind]]
