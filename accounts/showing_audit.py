"""An entry of the audit in words: what was done, and what differs between its two pictures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.models import User
from events.models import AuditEntry
from kernel.shown import NOTHING

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SAME = "Nothing: it was looked at, or taken away."


def in_words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def changes_in(entry: AuditEntry) -> str | SafeString:
    was, becomes = dict(_lines(entry.before)), dict(_lines(entry.after))
    rows = [
        (name, was.get(name, NOTHING), becomes.get(name, NOTHING))
        for name in dict.fromkeys([*was, *becomes])
        if was.get(name) != becomes.get(name)
    ]
    if not rows:
        return SAME
    names = _names_of(value for _, *values in rows for value in values)
    told = [(name, *(names.get(value, value) for value in values)) for name, *values in rows]
    body = format_html_join("", '<tr><th scope="row">{}</th><td>{}</td><td>{}</td></tr>', told)
    return format_html(
        '<table class="console-changes"><thead><tr><th scope="col">What</th><th scope="col">Before</th>'
        '<th scope="col">After</th></tr></thead><tbody>{}</tbody></table>',
        body,
    )


def _names_of(values: Iterable[str]) -> dict[str, str]:
    """Of those ids that are people's: the names that they have now."""
    ids = {value for value in values if _ID.fullmatch(value)}
    people = User.objects.filter(pk__in=ids).values_list("pk", "username") if ids else ()
    return {str(key): name for key, name in people}


def _lines(picture: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """One for each field, under the name of where it stands. A list of plain values is one field."""
    if isinstance(picture, dict):
        for key, value in picture.items():
            yield from _lines(value, f"{name} {key.replace('_', ' ')}".strip())
    elif isinstance(picture, list) and any(isinstance(each, dict) for each in picture):
        for number, each in enumerate(picture, start=1):
            yield from _lines(each, f"{name} no. {number}")
    else:
        yield name, _plain(picture)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_plain, value)) or NOTHING
    return NOTHING if value is None or value == "" else str(value)
