"""The console's base for rows that only services write: looked at by staff of their restaurant, edited by nobody."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest

# What the roles are called where memberships are kept.
LOOKING_ROLES = ("finance", "admin")


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Not subscriptable at run time.
    """Money rows are never edited here: changes go through services, with a name and a reason."""

    show_full_result_count = False  # A count over millions of rows, on every page.

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.is_superuser or bool(_restaurants_of(request))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Nobody sees another restaurant's rows (I20)."""
        rows = super().get_queryset(request)
        return rows if request.user.is_superuser else rows.filter(restaurant_id__in=_restaurants_of(request))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _restaurants_of(request: HttpRequest) -> list[Any]:
    user: Any = request.user
    if not (user.is_active and user.is_staff):
        return []
    return list(user.memberships.filter(role__in=LOOKING_ROLES).values_list("restaurant_id", flat=True))
