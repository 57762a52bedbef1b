"""History, events and deeds with what people call the rows that they are about: here all of these are known."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.admin.audit import AuditEntryAdmin
from accounts.admin.history import EventByNameAdmin, TransitionByNameAdmin
from events.models import AuditEntry, Event, Transition
from kernel.shown import Meaning, by_name
from payments.admin.by_reference import ByReference
from payments.references import reference_of, with_references

admin.site.unregister([AuditEntry, Event, Transition])
# Where each says what it is about.
_STEP = {"kind": "subject_kind", "key": "subject_id"}
_EVENT = {"kind": "stream_kind", "key": "stream_id"}


class _WithReference(ByReference):
    """For a page of rows that say what they are about."""

    said_by: dict[str, str]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)  # type: ignore[misc]  # Of the page that this is mixed into.
        named: QuerySet[Any] = with_references(rows, **self.said_by)
        return named


@admin.register(Transition)
class TransitionWithReferenceAdmin(_WithReference, TransitionByNameAdmin):
    said_by = _STEP
    raw = ("evidence",)
    list_display = ["when", "about_what", "step", "from_status", "to_status", "because", "who"]
    fieldsets = [
        (None, {"fields": ["when", "about_what", "step", "from_status", "to_status", "reason", "evidence_said"]}),
        TransitionByNameAdmin.fieldsets[1],
        (
            "For support",
            {
                "classes": ["collapse"],
                "fields": ["id", "subject_kind", "subject_id", "actor_id", "mode", "transaction_id"],
            },
        ),
    ]

    about_what = Meaning(partial(reference_of, **_STEP), "about")

    def title_of(self, row: Any) -> str:
        return f"{row.called or row.subject_kind}: {row.from_status or 'new'} → {row.to_status}"


@admin.register(Event)
class EventWithReferenceAdmin(_WithReference, EventByNameAdmin):
    said_by = _EVENT
    raw = ("data",)
    list_display = ["type", "when", "about_what", "version"]
    fieldsets = [
        (None, {"fields": ["type", "when", "about_what", "version", "data_said"]}),
        EventByNameAdmin.fieldsets[1],
        ("For support", {"classes": ["collapse"], "fields": ["id", "stream_kind", "stream_id", "actor_id", "mode"]}),
    ]

    about_what = Meaning(partial(reference_of, **_EVENT), "about")

    def title_of(self, row: Any) -> str:
        return ", ".join(filter(None, (str(row.type), row.called)))


@admin.register(AuditEntry)
class AuditEntryWithReferencesAdmin(ByReference, AuditEntryAdmin):
    raw = ("before", "after")

    @admin.display(description="before and after")
    def changes(self, entry: Any) -> str:
        return by_name(super().changes(entry), entry.console_names)
