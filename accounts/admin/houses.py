"""Restaurants, and people's roles in them, in the console."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.confirmed_pages import ConfirmedAdmin
from accounts.models import Membership, Restaurant
from accounts.selectors import administered_by, people_of_nobody_else
from accounts.services.restaurants import may_edit_restaurant, save_restaurant
from accounts.services.roles import may_give_roles, save_role, take_role
from events.served import ServedAdmin
from kernel.shown import State

_ROLES = (
    "Finance works on cases. A finance lead and an admin do that too, and agree to what somebody else asks for (where "
    "none but who asked works, finance does); an admin sets refund limits. An "
    "auditor looks at everything and presses nothing. A waiter confirms cash in the "
    "waiter's app, and a customer sees the own orders. Whose role is deleted keeps the cases at hand until a colleague "
    "takes them."
)
_SAID = {
    "slug": "How programs and commands name it: letters, digits and dashes.",
    "currency": "Three letters, such as INR. It stays, once something was ordered in it.",
    "time_zone": "Such as Asia/Kolkata: by its clock all times here are told.",
    "day_starts_at": "A night's last guests belong to the evening before.",
}


@admin.register(Restaurant)
class RestaurantAdmin(ServedAdmin):
    """Its money and its history stay: it is edited, and never deleted."""

    called = "Restaurants"
    about = "Whose orders and money are kept here: currency, time zone, and when a day begins."
    nothing = "No restaurants yet. Add the first one: everything else belongs to a restaurant."
    fields = ["name", "slug", "currency", "time_zone", "day_starts_at"]
    list_display = ["name", "slug", "currency", "time_zone", "day_starts_at"]
    ordering = ["name"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Restaurant]:
        restaurants: QuerySet[Restaurant] = super().get_queryset(request)
        return restaurants if request.user.is_superuser else restaurants.filter(pk__in=administered_by(request.user))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        may: bool = super().has_change_permission(request, obj)
        return may and (obj is None or may_edit_restaurant(request.user, restaurant_id=obj.pk))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None:
            field.help_text = _SAID.get(db_field.name, field.help_text)
        return field

    def save_model(self, request: Any, obj: Restaurant, form: Any, change: bool) -> None:  # noqa: FBT001  Django's own.
        save_restaurant(restaurant=obj, by=request.user)


@admin.register(Membership)
class MembershipAdmin(ConfirmedAdmin, ServedAdmin):
    called = "Roles"
    called_one = "role"
    about = "Who may do what, and in which restaurant. It holds from the next press on."
    nothing = "No roles yet. A person without one sees nothing of any restaurant."
    fieldsets = [(None, {"fields": ["user", "restaurant", "role"], "description": _ROLES})]
    list_display = ["user", "restaurant", "is_a"]
    list_select_related = ["user", "restaurant"]
    list_filter = ["role"]
    ordering = ["restaurant__name", "user__username"]

    is_a = State("role", tones={})

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        """Nobody sees another restaurant's people (I20)."""
        roles: QuerySet[Membership] = super().get_queryset(request)
        return roles if request.user.is_superuser else roles.filter(restaurant__in=administered_by(request.user))

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and _may(request, obj)

    def has_delete_permission(self, request: Any, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and _may(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Another person's role, or one elsewhere, is another role."""
        return ["user", "restaurant"] if obj is not None else []

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        person: Any = request.user  # Nobody unknown comes this far.
        if db_field.name == "restaurant" and not person.is_superuser:
            kwargs["queryset"] = administered_by(person)
        if db_field.name == "user":
            kwargs["queryset"] = people_of_nobody_else(person)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def known_as(self, row: Any) -> str:
        return str(row.user_id)

    def save_model(self, request: Any, obj: Membership, form: Any, change: bool) -> None:  # noqa: FBT001  Django's own.
        save_role(membership=obj, by=request.user)

    def delete_model(self, request: Any, obj: Membership) -> None:
        take_role(membership=obj, by=request.user)

    def get_deleted_objects(self, objs: Iterable[Membership], request: HttpRequest) -> tuple[Any, ...]:
        """By the words of this page. Nothing else hangs on a role, and goes with it."""
        _, _, lacking, protected = super().get_deleted_objects(objs, request)
        said = [str(each) for each in objs]
        return said, {self.list_title: len(said)}, lacking, protected

    def delete_queryset(self, request: Any, queryset: QuerySet[Membership]) -> None:
        for membership in queryset:
            take_role(membership=membership, by=request.user)


def _may(request: Any, membership: Membership | None) -> bool:
    return membership is None or may_give_roles(
        request.user, restaurant_id=membership.restaurant_id, person_id=membership.user_id
    )
