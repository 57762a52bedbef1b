"""What a person says on a case's page. Each form knows the page it stands on, and is good for one press."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django import forms

from failures.approvals import Verdict
from failures.decisions import Action
from failures.models import Case, Outcome
from failures.reasons import CHOSEN
from failures.services.papers import LONGEST_NOTE
from kernel import clock
from kernel.free_text import FreeText
from kernel.texts import MAX_REASON
from payments.services.acceptance import MAX_PROVIDER
from payments.services.forcing import OtherAmount
from payments.services.routing import Candidate

SNOOZES = ((15, "15 minutes"), (60, "an hour"), (240, "four hours"), (1_440, "a day"), (4_320, "three days"))

_OUTCOMES = [(each.value, each.label) for each in CHOSEN]


# The tick beside another amount than was to be charged.
MEANT = "meant"


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
    reason = FreeText(
        max_length=MAX_REASON,
        label="Why",
        widget=forms.TextInput(attrs={"required": True, "autocomplete": "off"}),
    )


class TickFor(forms.CheckboxInput):
    """A tick for what was said, and for nothing else: said otherwise afterwards, it is not ticked."""

    def __init__(self, said: str) -> None:
        super().__init__(check_test=lambda ticked: ticked == said)
        self.said = said

    def format_value(self, value: Any) -> str:
        return self.said

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        return data.get(name, "")


class DecisionForm(ReasonForm):
    action = forms.ChoiceField(choices=[(each.value, each.value) for each in Action], widget=forms.HiddenInput)
    # Only one action has it; there it is required, and the service says so in the case's currency.
    amount = forms.CharField(
        label="Amount that the provider shows",
        required=False,
        max_length=20,
        widget=forms.TextInput(attrs={"required": True, "inputmode": "decimal", "autocomplete": "off"}),
    )
    outcome = forms.ChoiceField(
        label="How it ended", choices=_OUTCOMES, required=False, widget=forms.Select(attrs={"required": True})
    )

    provider = forms.CharField(label="Where", required=False, max_length=MAX_PROVIDER, widget=forms.HiddenInput)

    def ask_whether(self, other: OtherAmount) -> None:
        """It is meant. There is no box to tick before somebody has written another amount than was asked for."""
        written, asked = other.written.display(), other.asked.display()
        self.fields[MEANT] = forms.CharField(
            label=f"The provider's page really says {written}, not {asked}",
            required=False,
            widget=TickFor(str(other.written.minor)),
        )

    def means(self, minor: int | None) -> bool:
        """This amount was ticked, and not one that stood there before."""
        return minor is not None and self.data.get(MEANT) == str(minor)

    def clean_outcome(self) -> str:
        """Whoever closes a case says it; of nothing else it is asked."""
        outcome = str(self.cleaned_data["outcome"])
        if self.cleaned_data.get("action") == Action.RESOLVE and not outcome:
            raise forms.ValidationError("Choose how it ended.")
        return outcome

    def offer(self, outcomes: Iterable[Outcome]) -> None:
        """How it ended is chosen: whoever presses Enter has not said it yet."""
        fitting = [(each.value, each.label) for each in outcomes]
        self.fields["outcome"].widget.choices = [("", "Choose how it ended"), *fitting]

    def offer_providers(self, providers: Mapping[str, Sequence[Candidate]], *, wanted: str) -> None:
        """Where there is a choice. One that rests is waited for, as everywhere."""
        if not providers.keys() - {wanted} or (len(providers) == 1 and not wanted):
            return
        nowhere = f"As the client asked: only {wanted}" if wanted else "As the routes say: the first that is well"
        named = [(each, _called(candidates, wanted)) for each, candidates in providers.items()]
        self.fields["provider"].widget = forms.Select(choices=[("", nowhere), *named])


def _called(candidates: Sequence[Candidate], wanted: str) -> str:
    """With its accounts: within one provider the routes go on from one to the next."""
    words = [f"Only {' or '.join(each.account.label for each in candidates)}"]
    if wanted not in {"", candidates[0].account.provider}:
        words.append("the guest says there how to pay")
    if all(each.breaker_open or each.paused for each in candidates):
        words.append("rests just now and is waited for")
    return ", ".join(words)


class ReplyForm(SaidForm):
    """To what a second person is asked. Why not, is said; why yes, the maker has said."""

    approval = forms.UUIDField(widget=forms.HiddenInput)
    verdict = forms.ChoiceField(choices=[(each.value, each.value) for each in Verdict], widget=forms.HiddenInput)
    reason = FreeText(
        label="Your words", required=False, max_length=MAX_REASON, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )


class SnoozeForm(ReasonForm):
    minutes = forms.TypedChoiceField(label="For how long (until then nobody is handed it)", choices=SNOOZES, coerce=int)


class GiveForm(SaidForm):
    """Whoever does not work on cases there is refused by the service, whatever the list offered."""

    to = forms.UUIDField(label="Colleague", widget=forms.Select(attrs={"required": True}))
    reason = FreeText(
        label="What they should know (may stay empty)",
        required=False,
        max_length=MAX_REASON,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class NoteForm(SaidForm):
    text = FreeText(label="Note", max_length=LONGEST_NOTE, widget=forms.Textarea(attrs={"rows": 3}))


class FileForm(SaidForm):
    file = forms.FileField(
        label="Evidence (PDF, PNG, JPEG or CSV, up to 10 MB)",
        widget=forms.FileInput(attrs={"accept": ".pdf,.png,.jpg,.jpeg,.csv", "required": True}),
    )
