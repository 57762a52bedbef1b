"""Recognises card numbers in free text, so that none is ever stored (I18)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

# Ids that are made of hexadecimal digits are no card numbers, whatever their digits add up to.
_HEX_ID = re.compile(
    r"((?<![0-9A-Za-z])(?:[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}|[0-9A-Fa-f]{24,})(?![0-9A-Za-z]))"
)
# With the separators that people type between groups.
_DIGIT_RUN = re.compile(r"\d+(?:[ \t\u00a0.\-\u2010-\u2015]{1,2}\d+)*")
_DIGITS = re.compile(r"\d+")
_LENGTHS = range(13, 20)
_FIRST_DIGITS = range(2, 7)


def contains_card_number(text: str) -> bool:
    """Full-width and other digits count too: they are normalised first."""
    plain = unicodedata.normalize("NFKC", text)
    return outside_ids(plain, lambda part: mask_card_numbers(part, "")) != plain


def mask_card_numbers(text: str, mask: str) -> str:
    return _DIGIT_RUN.sub(lambda run: _without_cards(run.group(), mask), text)


def outside_ids(text: str, change: Callable[[str], str]) -> str:
    """The text with everything changed but its hexadecimal ids."""
    parts = _HEX_ID.split(text)
    return "".join(part if place % 2 else change(part) for place, part in enumerate(parts))


def is_luhn_valid(digits: str) -> bool:
    """Every second digit from the right counts double, with the digits of the product added."""
    numbers = [int(digit) for digit in reversed(digits)]
    return (sum(numbers[::2]) + sum(sum(divmod(2 * number, 10)) for number in numbers[1::2])) % 10 == 0


def _without_cards(run: str, mask: str) -> str:
    """Look at whole groups of digits only: a part of a longer number is no card number."""
    groups = list(_DIGITS.finditer(run))
    pieces, done, first = [], 0, 0
    while first < len(groups):
        last = _end_of_card(groups, first)
        if last is not None:
            pieces += [run[done : groups[first].start()], mask]
            done, first = groups[last].end(), last
        first += 1
    return "".join([*pieces, run[done:]])


def _end_of_card(groups: Sequence[re.Match[str]], first: int) -> int | None:
    """The longest one that begins here, so that no last digits are left standing."""
    digits, end = "", None
    for place in range(first, len(groups)):
        digits += groups[place].group()
        if len(digits) >= _LENGTHS.stop:
            break
        if len(digits) in _LENGTHS and int(digits[0]) in _FIRST_DIGITS and is_luhn_valid(digits):
            end = place
    return end
