"""What a person says on a case's page. Each form knows the page it stands on, and is good for one press."""

from __future__ import annotations

from typing import Any

from django import forms

from failures.decisions import Action
from failures.models import Case, Outcome
from failures.services.papers import LONGEST_NOTE
from kernel import clock
from kernel.texts import MAX_REASON

SNOOZES = ((15, "15 minutes"), (60, "an hour"), (240, "four hours"), (1_440, "a day"), (4_320, "three days"))


class SaidForm(forms.Form):
    """On an old page a decision is not taken, and a second press is the first one."""

    version = forms.IntegerField(widget=forms.HiddenInput)
    press = forms.UUIDField(widget=forms.HiddenInput)

    @classmethod
    def on_page(cls, case: Case, name: str, **initial: Any) -> SaidForm:
        """Several stand on one page: each has ids of its own."""
        said = {"version": case.version, "press": str(clock.new_id()), **initial}
        return cls(initial=said, auto_id=f"{name}-%s")


class ReasonForm(SaidForm):
    reason = forms.CharField(
        max_length=MAX_REASON,
        label="Why",
        widget=forms.TextInput(attrs={"required": True, "maxlength": MAX_REASON, "autocomplete": "off"}),
    )


class DecisionForm(ReasonForm):
    action = forms.ChoiceField(choices=[(each.value, each.value) for each in Action], widget=forms.HiddenInput)
    amount = forms.CharField(label="Amount that the provider shows", required=False, max_length=20)
    outcome = forms.ChoiceField(label="How it ended", choices=Outcome.choices, required=False)


class SnoozeForm(ReasonForm):
    minutes = forms.TypedChoiceField(label="Until then nobody is handed it", choices=SNOOZES, coerce=int)


class NoteForm(SaidForm):
    text = forms.CharField(
        label="Note", max_length=LONGEST_NOTE, widget=forms.Textarea(attrs={"rows": 3, "maxlength": LONGEST_NOTE})
    )


class FileForm(SaidForm):
    file = forms.FileField(
        label="Evidence (PDF, PNG, JPEG or CSV, up to 10 MB)",
        widget=forms.FileInput(attrs={"accept": ".pdf,.png,.jpg,.jpeg,.csv", "required": True}),
    )
