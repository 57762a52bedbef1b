"""A chain as a form: one part a route, an empty one for another, and what is said about the whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django import forms

from kernel.money import Money
from kernel.texts import MAX_REASON
from orders.models import Channel
from payments.admin.provider_forms import why
from payments.models import Method, ProviderAccount, Route
from payments.services.routes import MOST_ROUTES, RouteDraft

_ANY = "Nothing ticked: any."
_AMOUNT = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})


class RouteForm(forms.Form):
    place = forms.IntegerField(label="Place", min_value=1, max_value=10 * MOST_ROUTES)
    account = forms.ChoiceField(label="Account", required=False)
    enabled = forms.BooleanField(label="In use", required=False, initial=True)
    remove = forms.BooleanField(label="Remove it", required=False)
    methods = forms.MultipleChoiceField(
        choices=Method.choices, required=False, widget=forms.CheckboxSelectMultiple, help_text=_ANY
    )
    channels = forms.MultipleChoiceField(
        choices=Channel.choices, required=False, widget=forms.CheckboxSelectMultiple, help_text=_ANY
    )
    currencies = forms.CharField(
        max_length=100, required=False, help_text="Such as INR, USD. Empty: any.", widget=forms.TextInput()
    )
    least = forms.CharField(label="From", max_length=20, required=False, help_text="Such as 500.", widget=_AMOUNT)
    most = forms.CharField(label="Up to", max_length=20, required=False, help_text="Empty: any.", widget=_AMOUNT)

    def __init__(self, *args: Any, accounts: Sequence[ProviderAccount], currency: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.currency = currency
        choice: Any = self.fields["account"]  # The stubs know a field without choices only.
        choice.choices = [("", "Choose one"), *((str(account.pk), _called(account)) for account in accounts)]

    @property
    def is_new(self) -> bool:
        return bool(self.empty_permitted)

    def clean(self) -> dict[str, Any]:
        said = dict(super().clean() or {})
        if not said.get("account") and not self.is_left_out:
            self.add_error("account", "Choose an account, or remove the route.")
        for name in ("least", "most"):
            said[f"{name}_minor"] = self._minor(name, said.get(name, ""))
        return said

    @property
    def is_left_out(self) -> bool:
        """Taken away, or the empty part at the end in which nobody wrote."""
        said = self.data
        is_empty = self.empty_permitted and not said.get(self.add_prefix("account"))
        return is_empty or bool(said.get(self.add_prefix("remove")))

    def draft(self) -> RouteDraft:
        said = self.cleaned_data
        return RouteDraft(
            account_id=UUID(said["account"]),
            methods=tuple(said["methods"]),
            channels=tuple(said["channels"]),
            currencies=tuple(said["currencies"].upper().replace(",", " ").split()),
            min_minor=said["least_minor"],
            max_minor=said["most_minor"],
            enabled=said["enabled"],
        )

    def _minor(self, name: str, text: str) -> int | None:
        if not text.strip():
            return None
        try:
            return Money.parse(text, self.currency).minor
        except ValueError as error:
            self.add_error(name, str(error))
            return None


class _Routes(forms.BaseFormSet):  # type: ignore[type-arg]  # Not subscriptable at run time.
    """Where each route stands is what its number says, and of two with one number the first one comes first."""

    def kept(self) -> list[RouteForm]:
        """In the order in which they are to be tried."""
        return sorted(
            (form for form in self.forms if not form.is_left_out), key=lambda form: form.cleaned_data["place"]
        )


RouteForms = forms.formset_factory(
    RouteForm, formset=_Routes, extra=1, max_num=MOST_ROUTES, absolute_max=MOST_ROUTES + 1, validate_max=True
)


class ChainForm(forms.Form):
    """About the whole chain."""

    seen = forms.CharField(max_length=64, widget=forms.HiddenInput)
    reason = why(MAX_REASON)
    nobody_can_pay = forms.BooleanField(label="Yes, nobody shall be able to pay until then", required=False)


def said_of(routes: Iterable[Route], currency: str) -> list[dict[str, Any]]:
    """What stands in the form before somebody types."""
    return [
        {
            "place": route.position,
            "account": str(route.account_id),
            "enabled": route.enabled,
            "methods": route.methods,
            "channels": route.channels,
            "currencies": ", ".join(route.currencies),
            "least": _written(route.min_minor, currency),
            "most": _written(route.max_minor, currency),
        }
        for route in routes
    ]


def _written(minor: int | None, currency: str) -> str:
    return "" if minor is None else Money(minor, currency).plain()


def _called(account: ProviderAccount) -> str:
    state = "" if account.enabled else ", switched off"
    return f"{account.label} ({account.provider.replace('_', ' ')}){state}"
