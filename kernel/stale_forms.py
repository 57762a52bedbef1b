"""A form that knows what its page showed: who saves an older page is told what became of it meanwhile."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django import forms
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
            self._marks = {name: _mark_of(value) for name, value in _shown(self).items()}
            self.fields[_FIELD].initial = json.dumps(self._marks)

        def clean(self) -> Any:
            said = super().clean()
            overtaken = [
                name for name, mark in _marks_in(self.data.get(_FIELD)).items() if self._is_overtaken(name, mark)
            ]
            if overtaken:
                self.add_error(None, _told(self, overtaken))
                # They have been told: saved once more, it is what they mean.
                self.data = self.data.copy()
                self.data[_FIELD] = json.dumps(self._marks)
            return said

        def _is_overtaken(self, name: str, mark: str) -> bool:
            """Not where somebody pressed twice, or two entered the same: what is sent is what is there."""
            return name in self.changed_data and self._marks.get(name) != mark

    return Knowing


def _shown(form: forms.Form) -> dict[str, Any]:
    """As the row is at this moment: also of a form that was sent."""
    fields = {name: field for name, field in form.fields.items() if name != _FIELD and not field.disabled}
    return {name: _plain(form.get_initial_for_field(field, name)) for name, field in fields.items()}


def _plain(value: Any) -> str:
    many = value if isinstance(value, list | tuple) else [value]
    return ", ".join(sorted(str(each) for each in many))


def _mark_of(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()[:_MARK_LENGTH]


def _marks_in(said: Any) -> dict[str, str]:
    try:
        marks = json.loads(said or "{}")
    except ValueError:
        return {}
    return marks if isinstance(marks, dict) else {}


def _told(form: Any, changed: list[str]) -> str:
    shown = _shown(form)
    now = [f"{_label(form, name)}: {_in_words(shown[name])}" for name in changed if name in shown]
    return (
        f"Somebody changed this since you opened the page. By now it is {'; '.join(now)}. What you entered still "
        "stands here: put right what is out of date, and save again."
    )


def _label(form: Any, name: str) -> str:
    return str(capfirst(form.fields[name].label or name.replace("_", " ")))


def _in_words(value: str) -> str:
    return {"True": "yes", "False": "no", "": "empty", "None": "empty"}.get(value, value)
