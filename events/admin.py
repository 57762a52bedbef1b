"""The history, the audit and the events in the console."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery, UUIDField
from django.db.models.functions import Cast
from django.http import HttpRequest

from events.models import AuditEntry, Event, Transition
from kernel.console import ReadOnlyAdmin
from kernel.shown import Data, Moment


@admin.register(Transition)
class TransitionAdmin(ReadOnlyAdmin):
    called = "Transitions"
    about = "Every step of every order, payment, attempt, refund and case: who, when and why."
    nothing = "No steps yet. Whatever happens to an order or to money is written down here, once and for good."
    list_display = ["when", "subject_kind", "step", "from_status", "to_status", "reason", "actor_kind", "request_id"]
    list_filter = ["mode"]
    search_fields = ["=subject_id", "=request_id"]
    search_help_text = "The id of what took the step, or of the request"
    ordering = ["-id"]
    fieldsets = [
        (None, {"fields": ["when", "subject_kind", "step", "from_status", "to_status", "reason", "evidence_said"]}),
        ("Who", {"fields": ["actor_kind", "actor_id", "request_id"]}),
        ("For support", {"classes": ["collapse"], "fields": ["id", "subject_id", "mode", "transaction_id"]}),
    ]

    when = Moment("at", "when")
    evidence_said = Data("evidence")

    def title_of(self, row: Any) -> str:
        return f"{row.subject_kind}: {row.from_status or 'new'} → {row.to_status}"


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    tenant = "chain_id"
    called = "Audit"
    about = "What people decided: who, when, why, and how it looked before and after. Sealed, entry to entry."
    nothing = "No entries yet. Each decision of a person about money, cases, keys or circuits writes one."
    list_display = ["number", "when", "person", "action", "subject_kind", "subject_id", "reason"]
    list_filter = ["action", "mode"]
    search_fields = ["=subject_id", "=request_id", "=actor_id"]
    search_help_text = "The id of what it was done to, of the person, or of the request"
    ordering = ["-id"]
    fieldsets = [
        (None, {"fields": ["when", "person", "action", "reason", "subject_kind", "subject_id"]}),
        ("How it looked", {"fields": ["before_said", "after_said"]}),
        (
            "For support",
            {"classes": ["collapse"], "fields": ["number", "mode", "request_id", "transaction_id", "seal"]},
        ),
    ]

    when = Moment("at", "when")
    before_said = Data("before", "before")
    after_said = Data("after", "after")

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEntry]:
        """Entries keep ids. The name is whoever that is now."""
        people = apps.get_model("accounts.User")._default_manager
        name = people.filter(pk=Cast(OuterRef("actor_id"), UUIDField())).values("username")[:1]
        entries: QuerySet[AuditEntry] = super().get_queryset(request)
        return entries.annotate(name=Subquery(name))

    @admin.display(description="who")
    def person(self, entry: Any) -> str:
        return str(entry.name or entry.actor_id)

    def title_of(self, row: Any) -> str:
        return f"{row.action.replace('_', ' ').capitalize()}, no. {row.number}"


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    called = "Events"
    about = "What other systems are told, in the order in which it became true."
    nothing = "No events yet. Each business change writes one."
    list_display = ["type", "when", "stream_kind", "stream_id", "version"]
    search_fields = ["=stream_id", "=request_id"]
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
