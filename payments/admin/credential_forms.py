"""What is typed where credentials are entered. A secret is shown to nobody again, also not to who typed it."""

from __future__ import annotations

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from kernel.free_text import FreeText
from kernel.texts import MAX_REASON
from payments.models import ProviderAccount
from payments.services.credential_entries import LONGEST, Entered, TypedEntry, typed_entries

_NEVER_FILLED_IN = {"autocomplete": "new-password", "spellcheck": "false"}


class CredentialsForm(forms.Form):
    """One field for each entry that its provider declares, and the reason."""

    def __init__(self, data: Any = None, *, account: ProviderAccount) -> None:
        super().__init__(data)
        self.entries = typed_entries(account)
        for entry in self.entries:
            self.fields[entry.name] = _field_of(entry)
            if entry.takes_over and entry.is_there:
                self.fields[_ending(entry)] = forms.BooleanField(
                    label="Earlier ones are good no more",
                    required=False,
                    widget=UnfoldBooleanWidget,
                    help_text="Not before a notice has come that was signed with the newest: until then they are good.",
                )
        self.fields["reason"] = FreeText(
            label="Why", max_length=MAX_REASON, widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"})
        )

    def entered(self) -> Entered:
        said = self.cleaned_data
        return Entered(
            values={entry.name: said.get(entry.name, "") for entry in self.entries},
            ended=frozenset(entry.name for entry in self.entries if said.get(_ending(entry))),
        )


def _ending(entry: TypedEntry) -> str:
    return f"{entry.name}_ended"


def _field_of(entry: TypedEntry) -> forms.CharField:
    said: dict[str, Any] = {"label": entry.label, "required": False, "max_length": LONGEST}
    if not entry.is_secret:
        widget = UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "spellcheck": "false"})
        return forms.CharField(widget=widget, initial=entry.hint if entry.is_there else "", **said)
    untried = " It cannot be tried: the next notice shows whether it is right." if entry.takes_over else ""
    return forms.CharField(
        widget=UnfoldAdminPasswordWidget(attrs=_NEVER_FILLED_IN, render_value=False),
        help_text=(f"Now: {entry.hint}. Left empty, it stays." if entry.is_there else "") + untried,
        **said,
    )
