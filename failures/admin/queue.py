"""The failure queue in the console: to look at, oldest first."""

from __future__ import annotations

from django.contrib import admin

from failures.models import Case
from kernel.console import ReadOnlyAdmin


@admin.register(Case)
class CaseAdmin(ReadOnlyAdmin):
    list_display = ["opened_at", "kind", "status", "payment", "owner", "resolution"]
    list_filter = ["status", "kind", "mode"]
    search_fields = ["payment__reference", "=subject_id"]
    ordering = ["opened_at"]
    list_select_related = ["payment", "owner"]
