"""The console's base for rows that only services write, and the history itself."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from events.models import Event, Transition


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Not subscriptable at run time.
    """Money rows are looked at here, never edited: changes go through services, with a name and a reason."""

    show_full_result_count = False  # A count over millions of rows, on every page.

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


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
