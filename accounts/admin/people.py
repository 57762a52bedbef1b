"""Restaurants, people and their roles in the console."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from accounts.models import Membership, Restaurant, SecondFactor, User
from accounts.second_factor_pages import code_first
from accounts.services.people import revoke_all_tokens_of
from accounts.services.second_factor import SecondFactorRefused, remove
from events.actors import Actor
from kernel.console import ConsoleAdmin
from kernel.shown import Said, State, Tone
from kernel.texts import MAX_REASON

admin.site.unregister(Group)


def _may_sign_in(person: User) -> tuple[str, Tone]:
    return ("may sign in", Tone.GOOD) if person.is_active else ("shut out", Tone.QUIET)


def _has_factor(person: Any) -> tuple[str, Tone]:
    """As the list has asked for all of them."""
    return ("set up", Tone.GOOD) if person.has_factor else ("none", Tone.QUIET)


@admin.register(Restaurant)
class RestaurantAdmin(ConsoleAdmin):
    called = "Restaurants"
    about = "Whose orders and money are kept here: currency, time zone, and when a day begins."
    nothing = "No restaurants yet. Add the first one: everything else belongs to a restaurant."
    list_display = ["name", "slug", "currency", "time_zone", "day_starts_at"]
    ordering = ["name"]


@admin.register(Membership)
class MembershipAdmin(ConsoleAdmin):
    called = "Roles"
    about = "Who may do what, and in which restaurant."
    nothing = "No roles yet. A person without one sees nothing of any restaurant."
    list_display = ["user", "restaurant", "is_a"]
    list_select_related = ["user", "restaurant"]
    list_filter = ["role"]
    ordering = ["restaurant__name", "user__username"]

    is_a = State("role", tones={})


@admin.register(Group)
class PermissionGroupAdmin(GroupAdmin, ConsoleAdmin):  # type: ignore[misc]  # Django's class and Unfold's, as its guide says.
    called = "Permission groups"
    about = "Permissions for pages of the console, under one name."
    nothing = "No groups yet. They are needed only where many people look after keys."
    filter_horizontal = ()


@admin.register(User)
class PersonAdmin(UserAdmin, ConsoleAdmin):  # type: ignore[misc,type-arg]  # Django's class and Unfold's, as its guide says.
    """A person who took cash or decided about money stays named: deactivated, never deleted (I17)."""

    called = "People"
    about = "Who signs in, and who is signed out at once when a phone is lost."
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["username", "first_name", "last_name", "roles", "state", "factor", "is_staff"]
    list_filter = ["is_active", "is_staff", "memberships__role"]
    filter_horizontal = ()
    actions = ["sign_out", "take_off_factor"]

    state = Said(_may_sign_in, "state", ordering="is_active")
    factor = Said(_has_factor, "second factor", ordering="has_factor")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        has_factor = Exists(SecondFactor.objects.filter(user=OuterRef("pk"), confirmed=True))
        people: QuerySet[User] = super().get_queryset(request).annotate(has_factor=has_factor)
        return people.prefetch_related("memberships__restaurant")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="roles")
    def roles(self, person: User) -> str:
        said = [f"{each.get_role_display()} of {each.restaurant}" for each in person.memberships.all()]
        return ", ".join(said) or "none"

    @admin.action(description="Sign out everywhere (revoke API tokens)", permissions=["change"])
    def sign_out(self, request: HttpRequest, people: QuerySet[User]) -> None:
        """For a lost phone. A session of the console ends with a new password, as tokens do."""
        for person in people:
            with transaction.atomic():
                count = revoke_all_tokens_of(person=person)
                tokens = "1 token" if count == 1 else f"{count} tokens"
                self.log_change(request, person, f"Signed out: {tokens} revoked")
            self.message_user(request, f"Signed out {person.get_username()}: {tokens} revoked.", messages.SUCCESS)

    @admin.action(description="Take the second factor off (a lost phone)", permissions=["change"])
    def take_off_factor(self, request: HttpRequest, people: QuerySet[User]) -> HttpResponse | None:
        chosen = list(people)
        if len(chosen) != 1:
            self.message_user(request, "Take off one second factor at a time, and say why.", messages.WARNING)
            return None
        return code_first(request) or self._taken_off(request, chosen[0])

    def _taken_off(self, request: HttpRequest, person: User) -> HttpResponse | None:
        reason, refusal = request.POST.get("reason"), ""
        if reason is not None:
            try:
                remove(person=person, by=Actor.user(request.user), reason=reason)
            except SecondFactorRefused as refused:
                refusal = refused.sentence
            else:
                said = f"{person.get_username()} signs in with the password alone now, and is signed out everywhere."
                self.message_user(request, said, messages.SUCCESS)
                return None
        told = {"person": person, "reason": reason or "", "refusal": refusal, "longest": MAX_REASON}
        title = f"Take off the second factor of {person.get_username()}?"
        page = {**self.admin_site.each_context(request), **self.way_back(), "title": title, "opts": self.opts, **told}
        return TemplateResponse(request, "accounts/factor_take_off.html", page)
