"""Free text from people: what it may be before it is stored."""

from __future__ import annotations

import re

from kernel.card_numbers import contains_card_number
from kernel.errors import ServiceError

MIN_REASON = 3  # "ok" is no reason; "cold" is.
MAX_REASON = 500  # The columns' size, and longer than anybody reads in a queue.

# They turn the direction of what stands behind them: with one in a name or a note, a line reads as what it is not. The
# plain marks of languages that are written from the right do no such thing, and stay.
_TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")


def turns_around(text: str) -> bool:
    return _TURNS.search(text) is not None


def check_text(text: str, *, field: str, longest: int, refusal: type[ServiceError]) -> None:
    """A refusal with the field's name is worth more than the database's."""
    if len(text) > longest or "\x00" in text:
        raise refusal(f"This is a text of at most {longest} characters.", field=field, code="bad_text")
    if turns_around(text):
        raise refusal(
            "This text has an unseen character that turns the reading around. Type it anew.",
            field=field,
            code="bad_text",
        )
    if contains_card_number(text):
        raise refusal(
            "This looks like a card number. Card numbers belong on the provider's page only.",
            field=field,
            code="card_number",
        )


def check_reason(reason: str, *, refusal: type[ServiceError], longest: int = MAX_REASON) -> None:
    check_text(reason, field="reason", longest=longest, refusal=refusal)
    if len(reason.strip()) < MIN_REASON:
        raise refusal("Say in a few words why: a colleague will read it.", field="reason", code="no_reason")
