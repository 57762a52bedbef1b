"""The history and the events in the console."""

from __future__ import annotations

from django.contrib import admin

from events.models import Event, Transition
from kernel.console import ReadOnlyAdmin


@admin.register(Transition)
class TransitionAdmin(ReadOnlyAdmin):
    list_display = ["at", "subject_kind", "step", "from_status", "to_status", "reason", "actor_kind", "request_id"]
    list_filter = ["mode"]
    search_fields = ["=subject_id", "=request_id"]
    ordering = ["-id"]


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = ["at", "type", "stream_kind", "stream_id", "version"]
    search_fields = ["=stream_id", "=request_id"]
    ordering = ["-id"]
