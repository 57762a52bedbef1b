"""Restaurants, people and keys in the console."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.http import HttpRequest

from accounts.models import ApiKey, Membership, Restaurant, User


@admin.register(Restaurant)
class RestaurantAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Not subscriptable at run time.
    list_display = ["name", "slug", "currency", "time_zone", "day_starts_at"]


@admin.register(Membership)
class MembershipAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Not subscriptable at run time.
    list_display = ["user", "restaurant", "role"]
    list_select_related = ["user", "restaurant"]


@admin.register(ApiKey)
class ApiKeyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Not subscriptable at run time.
    list_display = ["name", "prefix", "restaurant", "mode", "expires_at", "revoked_at"]
    # What a key is was said when it was issued: another restaurant or mode is another key.
    readonly_fields = ["restaurant", "mode", "prefix", "scopes", "created_at", "last_used_at", "replaced_at"]
    exclude = ["key_hash"]
    list_select_related = ["restaurant"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A key is revoked: what it did stays its doing."""
        return False


@admin.register(User)
class PersonAdmin(UserAdmin):  # type: ignore[type-arg]  # Not subscriptable at run time.
    """A person who took cash or decided about money stays named: deactivated, never deleted (I17)."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
