"""Recognises card numbers in free text, so that none is ever stored (I18)."""

from __future__ import annotations

import re
import unicodedata

# 13 to 19 digits that start with 2–6, with the separators people type between groups.
_LOOKS_LIKE_CARD = re.compile(r"(?<!\d)[2-6](?:[ \-.]?\d){12,18}(?!\d)")


def contains_card_number(text: str) -> bool:
    """Full-width and other digits count too: they are normalised first."""
    plain = unicodedata.normalize("NFKC", text)
    return any(_passes_luhn(re.sub(r"\D", "", match)) for match in _LOOKS_LIKE_CARD.findall(plain))


def _passes_luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value  # noqa: PLR2004  Luhn's cross sum of two digits.
    return total % 10 == 0
