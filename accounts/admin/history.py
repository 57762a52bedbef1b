"""The history and the events by name: they keep ids, and it is here that these have names."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.names import actor_of, with_actors
from events.admin import EventAdmin, TransitionAdmin
from events.models import Event, Transition
from kernel.shown import Meaning

admin.site.unregister([Event, Transition])
_WHO = ("Who", {"fields": ["who", "actor_kind", "request_id"]})
_SUPPORT = {"classes": ["collapse"]}


class _ByName:
    """For a page of rows that say who did it."""

    who = Meaning(actor_of, "who")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)  # type: ignore[misc]  # Of the page that this is mixed into.
        named: QuerySet[Any] = with_actors(rows)
        return named


@admin.register(Transition)
class TransitionByNameAdmin(_ByName, TransitionAdmin):
    list_display = ["when", "subject_kind", "step", "from_status", "to_status", "because", "who", "request_id"]
    fieldsets = [
        TransitionAdmin.fieldsets[0],
        _WHO,
        ("For support", {**_SUPPORT, "fields": ["id", "subject_id", "actor_id", "mode", "transaction_id"]}),
    ]


@admin.register(Event)
class EventByNameAdmin(_ByName, EventAdmin):
    fieldsets = [
        EventAdmin.fieldsets[0],
        _WHO,
        ("For support", {**_SUPPORT, "fields": ["id", "actor_id", "mode"]}),
    ]
