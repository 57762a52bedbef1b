"""What somebody typed into a form that is not on the page any more: shown, so that nobody writes it twice."""

from __future__ import annotations

from django.forms import BoundField

from accounts.models import User
from failures.admin.forms import SaidForm

# In a person's own words. They need no label beside them; an amount and a choice do.
_OWN_WORDS = ("reason", "text")


def typed_in(form: SaidForm) -> list[str]:
    said = [(field, str(form.data.get(field.name, "")).strip()) for field in form.visible_fields()]
    written = [text for field, text in said if text and field.name in _OWN_WORDS]
    others = [(field, text) for field, text in said if text and field.name not in _OWN_WORDS]
    chosen = [f"{field.label}: {_in_words(field, text)}" for field, text in others]
    return [*written, *chosen]


def _in_words(field: BoundField, text: str) -> str:
    """Of a choice what stood in the list, and not what stands for it."""
    if field.name == "to":
        colleague = getattr(field.form, "cleaned_data", {}).get("to")  # What is no id at all is not looked up.
        person = User.objects.filter(pk=colleague).first() if colleague else None
        return person.get_username() if person else text
    choices = getattr(field.field, "choices", ())
    return next((str(words) for value, words in choices if str(value) == text), text)
