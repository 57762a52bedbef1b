"""An attempt in the words in which every page of the desk says it."""

from __future__ import annotations

from django import template

from failures.showing.tries import attempt_in_words
from payments.models import Attempt

register = template.Library()


@register.filter
def in_words(attempt: Attempt) -> str:
    words, _ = attempt_in_words(attempt)
    return words
