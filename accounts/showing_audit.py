"""An entry of the audit in words: what was done, and what differs between its two pictures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from django.utils.safestring import SafeString

from accounts.models import User
from events.models import AuditEntry
from kernel.money import Money, is_currency
from kernel.shown import NOTHING, before_and_after

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# What is one of a few words in the database, written with a line where people put a space.
_WORDS = {"status", "payment_state", "state", "kind", "outcome", "capture", "failure_code", "origin", "action", "role"}
_MINOR = "_minor"
SAME = "Nothing: it was looked at, or taken away."


def in_words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def changes_in(entry: AuditEntry) -> str | SafeString:
    before, after = dict(_lines(entry.before)), dict(_lines(entry.after))
    rows = [
        (name, before.get(name, NOTHING), after.get(name, NOTHING))
        for name in dict.fromkeys([*before, *after])
        if before.get(name, NOTHING) != after.get(name, NOTHING)
    ]
    if not rows:
        return SAME
    names = _names_of(value for _, *values in rows for value in values)
    told = [(name, names.get(was, was), names.get(becomes, becomes)) for name, was, becomes in rows]
    return before_and_after(told)


def amount_of(entry: AuditEntry) -> Money | None:
    """Of the money that the deed was about: what was to go back, or came in. None: its pictures show no such change."""
    moved = _moved(entry, "refunds", ("amount_minor", "tip_minor"), "currency")
    moved = moved or _moved(entry, "attempts", ("captured_minor",), "captured_currency")
    return sum(moved[1:], moved[0]) if len({money.currency for money in moved}) == 1 else None


def _moved(entry: AuditEntry, rows: str, columns: tuple[str, ...], currency: str) -> list[Money]:
    """The amount of each row that the deed added or changed."""
    before = {row.get("id"): row for row in entry.before.get(rows) or ()}
    changed = [row for row in entry.after.get(rows) or () if row != before.get(row.get("id"))]
    moneys = [Money(sum(row.get(name, 0) for name in columns), row[currency]) for row in changed if row.get(currency)]
    return [money for money in moneys if money.minor]


def _names_of(values: Iterable[str]) -> dict[str, str]:
    """Of those ids that are people's: the names that they have now."""
    ids = {value for value in values if _ID.fullmatch(value)}
    people = User.objects.filter(pk__in=ids).values_list("pk", "username") if ids else ()
    return {str(key): name for key, name in people}


def _lines(picture: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """One for each field, under the name of where it stands. A list of plain values is one field."""
    if isinstance(picture, dict):
        for key, value in picture.items():
            title = f"{name} {key.removesuffix(_MINOR).replace('_', ' ')}".strip()
            yield from _lines(_told(key, value, picture), title)
    elif isinstance(picture, list) and any(isinstance(each, dict) for each in picture):
        for number, each in enumerate(picture, start=1):
            yield from _lines(each, f"{name} no. {number}")
    else:
        yield name, _plain(picture)


def _told(key: str, value: Any, row: dict[str, Any]) -> Any:
    """Money the way its currency is written, and words with spaces; all else as it is."""
    if key in _WORDS and isinstance(value, str):
        return value.replace("_", " ")
    if isinstance(value, int) and key.endswith(_MINOR):
        # A charge that took nothing so far has no currency of what it took.
        currency = row.get("captured_currency") or row.get("currency")
        return Money(value, currency).display() if currency else value
    return Money(*value).display() if _is_money(value) else value


def _is_money(value: Any) -> bool:
    """As a picture holds an amount that is nobody's column: [9100, "INR"]."""
    if not isinstance(value, list) or [type(each) for each in value] != [int, str]:
        return False
    return is_currency(value[1])


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_plain, value)) or NOTHING
    return NOTHING if value is None or value == "" else str(value)
