"""Refund limits: what each role may give back of one payment without a second person."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.confirmed_pages import ConfirmedAdmin
from accounts.models import Restaurant, Role
from events.served import ServedAdmin
from kernel.console import ReadOnlyAdmin, holds_one_of, restaurants_seen_by, role_at
from kernel.money import MAX_MINOR, Money
from kernel.shown import Amount, Word
from payments.models import Limited, RefundLimit
from payments.services.limit_changes import set_refund_limit
from payments.services.refund_limits import limit_named
from payments.services.refusals import RefundRefused

_MOST_DIGITS = len(str(MAX_MINOR))


class MostField(forms.CharField):
    """An amount, in one way of writing it where its currency is known: 600 is no other limit than 600.00."""

    currency = ""

    def to_python(self, value: Any) -> str:
        said = super().to_python(value) or ""
        try:
            return Money.parse(said, self.currency).plain() if said and self.currency else said
        except ValueError as error:
            raise ValidationError(str(error)) from error


class LimitForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's own is generic to the stubs alone.
    """The amount as people write it. Who, where and in which currency is said once."""

    most = MostField(
        label="Most of one payment, in all",
        max_length=20,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}),
        help_text="Such as 500 or 500.50. What is above it waits for a second person; 0: everything does.",
    )

    class Meta:
        model = RefundLimit
        fields = ("restaurant", "who", "currency")
        widgets = {"who": UnfoldAdminSelectWidget(), "currency": UnfoldAdminTextInputWidget()}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            most: Any = self.fields["most"]  # The stubs know none of ours.
            most.currency = self.instance.currency
            most.initial = Money(self.instance.most_minor, self.instance.currency).plain()

    def clean(self) -> dict[str, Any]:
        said = dict(super().clean() or {})
        if "most" not in said:
            return said
        currency = said.get("currency") or self.instance.currency
        try:
            said["most_minor"] = Money.parse(said["most"], currency).minor
        except ValueError as error:
            raise ValidationError({"most": str(error)}) from error
        if said["most_minor"] > MAX_MINOR:
            raise ValidationError({"most": f"At most {Money(MAX_MINOR, currency).display()}."})
        return said


@admin.register(RefundLimit)
class RefundLimitAdmin(ConfirmedAdmin, ServedAdmin, ReadOnlyAdmin):
    """Who is admin of a restaurant sets its limits; each change is in the audit."""

    called = "Refund limits"
    about = "How much of one payment each role gives back alone. What is above waits for a second person."
    nothing = "No limits yet: everybody who may refund gives back alone what a payment took in."
    list_before_template = "failures/limits.html"
    delete_confirmation_template = "failures/limit_delete.html"
    list_display = ["whom", "currency", "limit", "restaurant"]
    list_select_related = ["restaurant"]
    ordering = ["restaurant__name", "who", "currency"]
    form = LimitForm

    whom = Word("who", "who")
    limit = Amount("most_minor", "most")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Asked on every page of the console, by its menu."""
        if request.user.is_superuser:
            return bool(self._where_admin(request).exists())
        return holds_one_of(request, [Role.ADMIN])

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_admin = obj is not None and role_at(request, obj.restaurant_id) == Role.ADMIN
        return is_admin or (obj is not None and bool(request.user.is_superuser))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_change_permission(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Another role or currency is another limit."""
        return ["restaurant", "who", "currency"] if obj is not None else []

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        may = obj is None or self.has_change_permission(request, obj)
        return [(None, {"fields": ["restaurant", "who", "currency", "most" if may else "limit"]})]

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "restaurant":
            kwargs["queryset"] = self._where_admin(request)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001  Django's own.
        self._set(request, obj, form.cleaned_data["most_minor"], is_first=not change)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> Any:
        """What it amounts to, with which the press compares what is there by then."""
        limit = self.get_object(request, unquote(object_id))
        most = Money(limit.most_minor, limit.currency) if limit is not None else None
        told = {"most": most.display(), "seen": most.minor} if most else {}
        return super().delete_view(request, object_id, {**told, **(extra_context or {})})

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        seen = request.POST.get("seen", "")
        if not seen.isdecimal() or len(seen) > _MOST_DIGITS:
            raise RefundRefused("Look at the limit first, and delete it on its own page.")
        self._set(request, obj, None, seen=int(seen))

    def title_of(self, row: Any) -> str:
        return f"Limit of {row.get_who_display()} in {row.currency}"

    def known_as(self, row: Any) -> str:
        return limit_named(row.who, row.currency)

    def _set(self, request: HttpRequest, limit: RefundLimit, most_minor: int | None, **known: Any) -> None:
        person: Any = request.user
        set_refund_limit(
            restaurant=limit.restaurant,
            who=Limited(limit.who),
            currency=limit.currency,
            most_minor=most_minor,
            person=person,
            **known,
        )

    def _where_admin(self, request: HttpRequest) -> Any:
        seen = restaurants_seen_by(request)
        if request.user.is_superuser:
            return seen
        mine = [key for key in seen.values_list("pk", flat=True) if role_at(request, key) == Role.ADMIN]
        return Restaurant.objects.filter(pk__in=mine)
