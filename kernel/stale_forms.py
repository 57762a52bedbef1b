"""A form that knows what its page showed: who saves an older page is told what became of it meanwhile."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.choices import flatten_choices
from django.utils.text import capfirst

# Of a value no more is needed to tell it from another one, and nothing personal lies in a hidden field.
_MARK_LENGTH = 16
_FIELD = "marks_shown"


def knowing_what_it_showed(form: type[Any]) -> type[Any]:
    """Of a row that is there. Its page carries a mark of each value; a page without any is compared with nothing."""

    class Knowing(form):  # type: ignore[misc]  # Made for one request: the checker knows no such class.
        data: Any
        marks_shown = forms.CharField(required=False, widget=forms.HiddenInput)

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.fields[_FIELD].initial = json.dumps(self._marks)

        @cached_property
        def _marks(self) -> dict[str, str]:
            """Of the row as it is at this moment: also of a form that was sent."""
            return {name: _mark(field, _now(self, name)) for name, field in _compared(self).items()}

        def clean(self) -> Any:
            said = super().clean()
            shown = _marks_in(self.data.get(self.add_prefix(_FIELD)))
            sent = {name: _mark(self.fields[name], _sent(self, name)) for name in self._marks if name in shown}
            # Not where somebody pressed twice, or two entered the same: what is sent is what is there.
            overtaken = [name for name, mark in sent.items() if self._marks[name] not in {mark, shown[name]}]
            if overtaken:
                self.add_error(None, _told(self, overtaken))
                self._tell({name: shown[name] for name in overtaken})
            return said

        def _tell(self, shown: Mapping[str, str]) -> None:
            """Drawn again, it is about the row as it is now: saved once more, it is what they mean."""
            self.data = self.data.copy()
            self.data[self.add_prefix(_FIELD)] = json.dumps(self._marks)
            for name, mark in shown.items():
                self.data.setlist(self.add_prefix(name), _standing_again(self, name, mark))

    return Knowing


def _compared(form: Any) -> dict[str, forms.Field]:
    return {name: field for name, field in form.fields.items() if name != _FIELD and not field.disabled}


def _now(form: Any, name: str) -> Any:
    return form.get_initial_for_field(form.fields[name], name)


def _sent(form: Any, name: str) -> Any:
    return form.fields[name].widget.value_from_datadict(form.data, form.files, form.add_prefix(name))


def _as_sent(field: forms.Field, value: Any) -> list[str]:
    """By a browser, which sends nothing of a box that is not ticked."""
    if isinstance(field, forms.BooleanField):
        return ["on"] if value else []
    prepared = field.prepare_value(value)
    many = prepared if isinstance(prepared, list | tuple) else [prepared]
    return ["" if each is None else str(each) for each in many]


def _standing_again(form: Any, name: str, mark: str) -> list[str]:
    """As it was sent; where that is what the page showed, as it is by now. Of several boxes that is true of each."""
    field, sent, now = form.fields[name], _sent(form, name), _now(form, name)
    if isinstance(field, forms.ModelMultipleChoiceField):
        were, are, shall = {*mark.split()}, {*_as_sent(field, now)}, {*_as_sent(field, sent)}
        return sorted(are - (were - shall) | (shall - were))
    return _as_sent(field, now if _mark(field, sent) == mark else sent)


def _mark(field: forms.Field, value: Any) -> str:
    """The same of a row's value and of one that was typed, however it was written. Of boxes: which are ticked."""
    if isinstance(field, forms.ModelMultipleChoiceField):
        return " ".join(sorted(_as_sent(field, value)))
    said = ", ".join(sorted(_plainly(field, each) for each in _as_sent(field, value)))
    return hashlib.sha256(said.encode()).hexdigest()[:_MARK_LENGTH]


def _plainly(field: forms.Field, said: str) -> str:
    if isinstance(field, forms.BooleanField | forms.ModelChoiceField):
        return said
    try:
        return str(field.to_python(said))
    except ValidationError:
        return said


def _marks_in(said: Any) -> dict[str, str]:
    try:
        marks = json.loads(said or "{}")
    except ValueError:
        return {}
    return {name: mark for name, mark in marks.items() if isinstance(mark, str)} if isinstance(marks, dict) else {}


def _told(form: Any, changed: list[str]) -> str:
    now = [f"{_label(form, name)}: {_in_words(form.fields[name], _now(form, name))}" for name in changed]
    return (
        f"Somebody changed this since you opened the page. By now it is {'; '.join(now)}. What you entered still "
        "stands here, beside what has changed: put right what is out of date, and save again."
    )


def _label(form: Any, name: str) -> str:
    return str(capfirst(form.fields[name].label or name.replace("_", " ")))


def _in_words(field: forms.Field, value: Any) -> str:
    if isinstance(field, forms.BooleanField):
        return "yes" if value else "no"
    many = value if isinstance(value, list | tuple) else [value]
    if isinstance(field, forms.ChoiceField) and not isinstance(field, forms.ModelChoiceField):
        choices: Any = field.choices
        words = dict(flatten_choices(choices))
        many = [words.get(each, each) for each in many]
    return ", ".join(sorted(str(each) for each in many if each not in {None, ""})) or "empty"
