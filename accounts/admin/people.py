"""People and their permissions in the console."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Exists, OuterRef, Prefetch, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.views.decorators.debug import sensitive_post_parameters
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from accounts.confirmed_pages import ConfirmedAdmin
from accounts.console_gate import NOT_DONE
from accounts.models import Membership, Role, SecondFactor, User
from accounts.second_factor_pages import code_before_secrets, code_first
from accounts.selectors import administered_by, people_shown_to
from accounts.services.editing_people import (
    is_out_of_date,
    may_edit,
    save_person,
    setting_password,
    sign_out_everywhere,
)
from accounts.services.permission_groups import delete_group, save_group
from accounts.services.second_factor import SecondFactorRefused, remove
from events.served import ServedAdmin
from kernel.filters import OneOf
from kernel.shown import Moment, Said, Tone

admin.site.unregister(Group)
# Who may do what in the console. Of roles, which are about money, there is a page of its own.
_RIGHTS = ["is_superuser", "groups", "user_permissions"]
_SAID = {
    "username": "To sign in with: letters, digits and @/./+/-/_.",
    "is_active": "May sign in. Take this off instead of deleting somebody: what they did stays theirs.",
    "is_staff": "Opens this console. What is seen there is decided by the roles. Who gets a role in finance, or as "
    "admin or auditor, has this ticked by that; without it nobody signs in here, whatever the role.",
    "is_superuser": "Sees every restaurant, and manages people and permissions. To work on cases takes a role as well.",
    "groups": "For pages about people and keys, under one name.",
    "user_permissions": "For pages about people and keys, one by one. About money only roles decide.",
}


def _may_sign_in(person: User) -> tuple[str, Tone]:
    return ("may sign in", Tone.GOOD) if person.is_active else ("shut out", Tone.QUIET)


def _opens_console(person: User) -> tuple[str, Tone]:
    return ("opens it", Tone.GOOD) if person.is_staff else ("does not", Tone.QUIET)


def _roles_seen_by(request: HttpRequest) -> QuerySet[Membership]:
    person: Any = request.user  # Nobody unknown comes this far.
    roles = Membership.objects.all()
    return roles if person.is_superuser else roles.filter(restaurant__in=administered_by(person))


def _has_factor(person: Any) -> tuple[str, Tone]:
    """As the list has asked for all of them."""
    return ("set up", Tone.GOOD) if person.has_factor else ("none", Tone.QUIET)


class RoleHere(OneOf):
    """In the restaurants that somebody administers: what a colleague is elsewhere is not found out by filtering."""

    title = "role"
    parameter_name = "role"

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        return list(Role.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> QuerySet[User]:
        if self.value() is None:
            return queryset
        held = _roles_seen_by(request).filter(role=self.value())
        return queryset.filter(pk__in=held.values("user"))


@admin.register(Group)
class PermissionGroupAdmin(ConfirmedAdmin, GroupAdmin, ServedAdmin):  # type: ignore[misc]  # Django's class and Unfold's, as its guide says.
    """For superusers: whoever may write a group could write the own one."""

    called = "Permission groups"
    called_one = "permission group"
    about = "Permissions for pages of the console, under one name."
    nothing = "No groups yet. They are needed only where many people look after keys."
    filter_horizontal = ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def save_model(self, *_: Any) -> None:
        """With its permissions, in `save_related`: it is one deed."""

    def save_related(self, request: Any, form: Any, formsets: Any, change: bool) -> None:  # noqa: FBT001  Django's own.
        save_group(group=form.instance, permissions=form.cleaned_data["permissions"], by=request.user)

    def delete_model(self, request: Any, obj: Group) -> None:
        delete_group(group=obj, by=request.user)

    def delete_queryset(self, request: Any, queryset: QuerySet[Group]) -> None:
        for group in queryset:
            delete_group(group=group, by=request.user)


@admin.register(User)
class PersonAdmin(ConfirmedAdmin, UserAdmin, ServedAdmin):  # type: ignore[misc,type-arg]  # Django's class and Unfold's, as its guide says.
    """A person who took cash or decided about money stays named: deactivated, never deleted (I17)."""

    called = "People"
    called_one = "person"
    about = "Who signs in, and who is signed out at once when a phone is lost."
    fieldsets = [
        (None, {"fields": ["username", "first_name", "last_name", "email"]}),
        ("Signing in", {"fields": ["is_active", "is_staff", "sign_in", "factor", "seen", "since"]}),
        ("What they may do", {"fields": ["roles", *_RIGHTS]}),
    ]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["username", "first_name", "last_name", "roles", "state", "factor", "console"]
    list_filter = ["is_active", "is_staff", RoleHere]
    search_help_text = "A user name, a name or an e-mail address"
    filter_horizontal = ()
    actions = ["sign_out", "take_off_factor"]

    state = Said(_may_sign_in, "state", ordering="is_active")
    console = Said(_opens_console, "console", ordering="is_staff")
    seen = Moment("last_login", "last signed in")
    since = Moment("date_joined", "here since")
    factor = Said(_has_factor, "second factor", ordering="has_factor")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Nobody sees another restaurant's people, nor what somebody is there (I20)."""
        person: Any = request.user  # Nobody unknown comes this far.
        has_factor = Exists(SecondFactor.objects.filter(user=OuterRef("pk"), confirmed=True))
        # By the clock of a restaurant where they have a role that is shown here, as everywhere else.
        zone = _roles_seen_by(request).filter(user=OuterRef("pk")).order_by("restaurant__name")
        told = {"has_factor": has_factor, "console_zone": Subquery(zone.values("restaurant__time_zone")[:1])}
        people: QuerySet[User] = super().get_queryset(request).annotate(**told)
        shown = people if person.is_superuser else people.filter(pk__in=people_shown_to(person).values("pk"))
        return shown.prefetch_related(Prefetch("memberships", _roles_seen_by(request).select_related("restaurant")))

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and may_edit(obj, by=request.user)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: Any, obj: Any = None) -> list[str]:
        """What the sign-in writes by itself; and what only a superuser decides."""
        return ["sign_in", "factor", "roles", "seen", "since", *([] if request.user.is_superuser else _RIGHTS)]

    def add_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """With a first password."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return code_before_secrets(request) or super().add_view(request, *args, **kwargs)

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> Any:
        """Nobody learns by trying whether somebody else's person exists."""
        if self.get_object(request, unquote(object_id)) is None:
            raise Http404
        return super().change_view(request, object_id, *args, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Without the way to another password for whoever may only look."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return fieldsets
        return [
            (name, {**said, "fields": [each for each in said["fields"] if each != "sign_in"]})
            for name, said in fieldsets
        ]

    def save_model(self, *_: Any) -> None:
        """With groups and permissions, in `save_related`: it is one deed."""

    def save_related(self, request: Any, form: Any, formsets: Any, change: bool) -> None:  # noqa: FBT001  Django's own.
        said = form.cleaned_data
        save_person(
            person=form.instance,
            groups=said.get("groups"),
            permissions=said.get("user_permissions"),
            by=request.user,
            changed=form.changed_data,
        )

    @method_decorator(sensitive_post_parameters())
    def user_change_password(self, request: Any, id: str, form_url: str = "") -> Any:  # noqa: A002  Django's own.
        person = self.get_object(request, unquote(id))
        if person is None:
            raise Http404
        if not self.has_change_permission(request, person):
            raise PermissionDenied
        asked = code_before_secrets(request)
        if asked is not None:
            return asked
        if request.method != "POST":
            return super().user_change_password(request, id, form_url)
        with transaction.atomic():
            self.wait_for_others(unquote(id))
            with setting_password(person_id=person.pk, by=request.user) as now:
                if now.pk == request.user.pk and is_out_of_date(request.user, now):
                    self.message_user(request, NOT_DONE, messages.WARNING)
                    return redirect(request.path)
                return super().user_change_password(request, id, form_url)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None:
            field.help_text = _SAID.get(db_field.name, field.help_text)
        return field

    @admin.display(description="password")
    def sign_in(self, person: User) -> str:
        """Nothing of it is shown, not even of its hash."""
        address = reverse("admin:auth_user_password_change", args=[person.pk])
        return format_html('<a class="link" href="{}">Set another one</a>', address)

    @admin.display(description="roles")
    def roles(self, person: User) -> str:
        said = [f"{each.get_role_display()} of {each.restaurant}" for each in person.memberships.all()]
        return ", ".join(said) or "none"

    @admin.action(description="Sign out everywhere", permissions=["change"])
    def sign_out(self, request: Any, people: QuerySet[User]) -> None:
        """For a lost phone: its tokens, and every session of the console."""
        for person in self._those_who_may_be_edited(request, people):
            count = sign_out_everywhere(person=person, by=request.user)
            tokens = "1 token" if count == 1 else f"{count} tokens"
            said = f"Signed out {person.get_username()}: {tokens} revoked, and every session ended."
            self.message_user(request, said, messages.SUCCESS)

    @admin.action(description="Take the second factor off (a lost phone)", permissions=["change"])
    def take_off_factor(self, request: HttpRequest, people: QuerySet[User]) -> HttpResponse | None:
        chosen = self._those_who_may_be_edited(request, people)
        if len(chosen) != 1:
            self.message_user(request, "Take off one second factor at a time, and say why.", messages.WARNING)
            return None
        return code_first(request) or self._taken_off(request, chosen[0])

    def _those_who_may_be_edited(self, request: HttpRequest, people: QuerySet[User]) -> list[User]:
        """All of them or none: an action asks only whether any people may be edited."""
        chosen = list(people)
        if not all(self.has_change_permission(request, person) for person in chosen):
            raise PermissionDenied
        return chosen

    def _taken_off(self, request: HttpRequest, person: User) -> HttpResponse | None:
        reason, refusal = request.POST.get("reason"), ""
        if reason is not None:
            by: Any = request.user
            try:
                remove(person=person, by=by, reason=reason)
            except SecondFactorRefused as refused:
                refusal = refused.sentence
            else:
                said = f"{person.get_username()} signs in with the password alone now, and is signed out everywhere."
                self.message_user(request, said, messages.SUCCESS)
                return None
        told = {"person": person, "reason": reason or "", "refusal": refusal}
        title = f"Take off the second factor of {person.get_username()}?"
        page = {**self.admin_site.each_context(request), **self.way_back(), "title": title, "opts": self.opts, **told}
        return TemplateResponse(request, "accounts/factor_take_off.html", page)
