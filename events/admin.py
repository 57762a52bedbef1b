"""The history and the events in the console."""

from __future__ import annotations

from typing import Any

from django.contrib import admin

from events.models import Event, Transition
from kernel.console import ReadOnlyAdmin
from kernel.shown import Data, Moment, Written


@admin.register(Transition)
class TransitionAdmin(ReadOnlyAdmin):
    called = "Transitions"
    about = "Every step of every order, payment, attempt, refund and case: who, when and why."
    nothing = "No steps yet. Whatever happens to an order or to money is written down here, once and for good."
    list_display = ["when", "subject_kind", "step", "from_status", "to_status", "because", "actor_kind", "request_id"]
    list_filter = ["mode"]
    search_fields = found_by = ("subject_id", "request_id")
    search_help_text = "The id of what took the step, or of the request"
    ordering = ["-id"]
    fieldsets = [
        (None, {"fields": ["when", "subject_kind", "step", "from_status", "to_status", "reason", "evidence_said"]}),
        ("Who", {"fields": ["actor_kind", "actor_id", "request_id"]}),
        ("For support", {"classes": ["collapse"], "fields": ["id", "subject_id", "mode", "transaction_id"]}),
    ]

    when = Moment("at", "when")
    because = Written("reason")
    evidence_said = Data("evidence")

    def title_of(self, row: Any) -> str:
        return f"{row.subject_kind}: {row.from_status or 'new'} → {row.to_status}"


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    called = "Events"
    about = "What other systems are told, in the order in which it became true."
    nothing = "No events yet. Each business change writes one."
    list_display = ["type", "when", "stream_kind", "stream_id", "version"]
    search_fields = found_by = ("stream_id", "request_id")
    search_help_text = "The id of what it is about, or of the request"
    ordering = ["-id"]
    fieldsets = [
        (None, {"fields": ["type", "when", "stream_kind", "stream_id", "version", "data_said"]}),
        ("Who", {"fields": ["actor_kind", "actor_id", "request_id"]}),
        ("For support", {"classes": ["collapse"], "fields": ["id", "mode"]}),
    ]

    when = Moment("at", "when")
    data_said = Data("data", "content")

    def title_of(self, row: Any) -> str:
        return str(row.type)
