"""Restaurants, people and their roles in the console."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.http import HttpRequest

from accounts.models import Membership, Restaurant, User


@admin.register(Restaurant)
class RestaurantAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Not subscriptable at run time.
    list_display = ["name", "slug", "currency", "time_zone", "day_starts_at"]


@admin.register(Membership)
class MembershipAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Not subscriptable at run time.
    list_display = ["user", "restaurant", "role"]
    list_select_related = ["user", "restaurant"]


@admin.register(User)
class PersonAdmin(UserAdmin):  # type: ignore[type-arg]  # Not subscriptable at run time.
    """A person who took cash or decided about money stays named: deactivated, never deleted (I17)."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
