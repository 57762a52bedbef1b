"""What a person says about circuits, accounts and routes. Amounts and shares are typed as people write them."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError

from accounts.models import Restaurant
from kernel.free_text import FreeText
from kernel.modes import Mode
from kernel.texts import MAX_REASON
from payments.services.accounts import LONGEST_LABEL
from payments.services.circuit_overrides import MAX_REASON as LONGEST_WORD
from payments.services.circuit_overrides import OPERATIONS, WORDS
from payments.services.providers import PROVIDERS

_DECIMAL = {"inputmode": "decimal", "autocomplete": "off"}
_PERCENT = re.compile(r"(?P<whole>\d{1,3})(\.(?P<rest>\d{1,2}))?")
LASTING = ((15, "15 minutes"), (60, "an hour"), (240, "four hours"), (1_440, "a day"))


def why(longest: int) -> FreeText:
    plain = {"required": True, "autocomplete": "off"}
    return FreeText(label="Why", max_length=longest, widget=forms.TextInput(attrs=plain))


class WordForm(forms.Form):
    """One word about one circuit. The button that is pressed says which."""

    mode = forms.ChoiceField(choices=Mode.choices, widget=forms.HiddenInput)
    provider = forms.CharField(max_length=32, widget=forms.HiddenInput)
    operation = forms.ChoiceField(choices=[(name, name) for name in OPERATIONS], widget=forms.HiddenInput)
    seen = forms.UUIDField(widget=forms.HiddenInput)
    reason = why(LONGEST_WORD)
    minutes = forms.TypedChoiceField(label="For how long", choices=LASTING, coerce=int)

    @classmethod
    def on_page(cls, *, mode: Mode, provider: str, operation: str, seen: UUID) -> WordForm:
        """Several stand on one page: each has ids of its own."""
        said = {"mode": mode.value, "provider": provider, "operation": operation, "seen": seen}
        return cls(initial=said, auto_id=_id(provider, operation))

    @classmethod
    def sent(cls, data: Any) -> WordForm:
        return cls(data, auto_id=_id(str(data.get("provider", "")), str(data.get("operation", ""))))

    def clean(self) -> dict[str, Any]:
        said = dict(super().clean() or {})
        if self.data.get("word") not in WORDS:
            self.add_error(None, "Press one of the buttons.")
        return said


def _id(provider: str, operation: str) -> str:
    return f"{provider}-{operation}-%s"


class AccountForm(forms.Form):
    """A new account. Its credentials are entered afterwards, and it is switched on last."""

    restaurant = forms.ModelChoiceField(Restaurant.objects.none(), label="Restaurant", empty_label=None)
    mode = forms.ChoiceField(
        label="Mode", choices=Mode.choices, initial=Mode.TEST, help_text="A test account moves no money."
    )
    provider = forms.ChoiceField(label="Provider", choices=[(name, name.replace("_", " ")) for name in PROVIDERS])
    label = forms.CharField(
        label="Name", max_length=LONGEST_LABEL, help_text="As people will read it in lists, such as “Sandbox A”."
    )

    def __init__(self, *args: Any, restaurants: list[Restaurant], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choice: Any = self.fields["restaurant"]  # The stubs know fields without rows only.
        choice.queryset = Restaurant.objects.filter(pk__in=[each.pk for each in restaurants]).order_by("name")

    def adding(self) -> dict[str, Any]:
        """In the service's words."""
        return {**self.cleaned_data, "mode": Mode(self.cleaned_data["mode"])}


class SwitchForm(forms.Form):
    enabled = forms.BooleanField(required=False, widget=forms.HiddenInput)
    reason = why(MAX_REASON)
    nobody_can_pay = forms.BooleanField(label="Yes, nobody shall be able to pay until then", required=False)


class FeeForm(forms.Form):
    """Two decimals of a percent are the hundredths that are stored."""

    fee = forms.CharField(
        label="Fee in percent", max_length=6, help_text="Such as 1.9.", widget=forms.TextInput(attrs=_DECIMAL)
    )
    reason = why(MAX_REASON)
    seen = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def clean_fee(self) -> int:
        said = _PERCENT.fullmatch(self.cleaned_data["fee"].strip())
        if said is None:
            raise ValidationError("This is not a percentage. Write it like 1.9 or 2.35.")
        return int(said["whole"]) * 100 + int((said["rest"] or "").ljust(2, "0"))
