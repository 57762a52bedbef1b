"""What is said where a key is issued."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.db.models import QuerySet
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.models import ApiKey, Restaurant
from accounts.scopes import KEY_SCOPES, Scope
from kernel.modes import Mode

LONGEST_DAYS = 3_650  # Ten years. Whoever means longer means: until it is revoked.
SCOPES_IN_WORDS = {
    Scope.ORDERS_READ: "read orders",
    Scope.ORDERS_WRITE: "place, amend and cancel orders: says what things cost",
    Scope.ORDERS_SERVE: "confirm and fulfil orders",
    Scope.PAYMENTS_READ: "read payments",
    Scope.PAYMENTS_WRITE: "take payments",
    Scope.REFUNDS_WRITE: "give money back",
    Scope.PROVIDERS_READ: "see how the providers are",
    Scope.REPORTS_READ: "read the day's figures",
    Scope.CASES_READ: "read the failure cases",
}
_ALL_SCOPES = [(scope.value, f"{scope.value}: {SCOPES_IN_WORDS[scope]}") for scope in Scope if scope in KEY_SCOPES]


class IssueForm(forms.Form):
    restaurant = forms.ModelChoiceField(
        Restaurant.objects.none(),
        widget=UnfoldAdminSelectWidget,
        empty_label="Choose one",
        help_text="Whose orders and payments it is for.",
    )
    mode = forms.ChoiceField(
        choices=Mode.choices,
        widget=UnfoldAdminRadioSelectWidget,
        initial=Mode.TEST,
        help_text="A test key moves no money, a live key does. Neither sees what the other has made.",
    )
    name = forms.CharField(
        max_length=ApiKey._meta.get_field("name").max_length,
        widget=UnfoldAdminTextInputWidget,
        help_text="The program that will show it, such as “web shop”: unique in its restaurant and mode.",
    )
    scopes = forms.MultipleChoiceField(
        choices=_ALL_SCOPES,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="As few as it needs: whoever finds the key may do all of this.",
    )
    lasts_days = forms.IntegerField(
        label="Lasts (days)",
        widget=UnfoldAdminIntegerFieldWidget,
        required=False,
        min_value=1,
        max_value=LONGEST_DAYS,
        help_text="Empty: until it is revoked.",
    )
    also_for = forms.ModelMultipleChoiceField(
        Restaurant.objects.none(),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Other restaurants that it may speak for. Each of its requests then names one.",
    )

    def __init__(self, *args: Any, restaurants: QuerySet[Restaurant], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("restaurant", "also_for"):
            choice: Any = self.fields[name]  # The stubs know fields without rows only.
            choice.queryset = restaurants

    def issuing(self) -> dict[str, Any]:
        """In the service's words."""
        said = self.cleaned_data
        return {
            "restaurant": said["restaurant"],
            "mode": Mode(said["mode"]),
            "name": said["name"],
            "scopes": said["scopes"],
            "lasts": timedelta(days=said["lasts_days"]) if said["lasts_days"] else None,
            "also_for": [each for each in said["also_for"] if each != said["restaurant"]],
        }
