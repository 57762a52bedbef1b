"""Restaurants, people and their roles in the console."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.models import Membership, Restaurant, User
from accounts.services.people import revoke_all_tokens_of


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

    actions = ["sign_out"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.action(description="Sign out everywhere (revoke API tokens)", permissions=["change"])
    def sign_out(self, request: HttpRequest, people: QuerySet[User]) -> None:
        """For a lost phone. A session of the console ends with a new password, as tokens do."""
        for person in people:
            with transaction.atomic():
                count = revoke_all_tokens_of(person=person)
                tokens = "1 token" if count == 1 else f"{count} tokens"
                self.log_change(request, person, f"Signed out: {tokens} revoked")
            self.message_user(request, f"Signed out {person.get_username()}: {tokens} revoked.", messages.SUCCESS)
