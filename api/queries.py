"""Query parameters: declared, typed, each once. Unknown ones are refused, so that no typing error widens a list."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.dateparse import parse_datetime

from api.problems import BAD_QUERY, FieldError, Problem
from api.serializers import as_uuid
from kernel.money import MAX_MINOR

LONGEST_VALUE = 64  # As long as the longest reference.


class Unreadable(ValueError):
    """Its sentence says what the value may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One query parameter: how its text is read, and what it means for a list (nothing, where it is none's)."""

    name: str
    read: Callable[[str], Any]
    schema: Mapping[str, Any]
    meaning: str
    lookup: str = ""  # Of the query set; empty: its reader asks for the value itself.


def values_of(query: QueryDict, parameters: Iterable[Parameter]) -> dict[str, Any]:
    """What was said, read. All that is wrong is told at once."""
    known = {parameter.name: parameter for parameter in parameters}
    said, errors = {}, []
    for name, texts in query.lists():
        try:
            said[name] = _value(known, name, texts)
        except Unreadable as unreadable:
            errors.append(FieldError(pointer=f"?{name[:LONGEST_VALUE]}", code="bad_query", detail=str(unreadable)))
    if errors:
        raise Problem(BAD_QUERY, f"{errors[0].pointer}: {errors[0].detail}", errors=errors)
    return said


def narrowed(rows: QuerySet[Any], said: Mapping[str, Any], parameters: Iterable[Parameter]) -> QuerySet[Any]:
    wanted = {each.lookup: said[each.name] for each in parameters if each.lookup and each.name in said}
    return rows.filter(**wanted)


def _value(known: Mapping[str, Parameter], name: str, texts: list[Any]) -> Any:
    if name not in known:
        raise Unreadable(f"There is no such parameter. Known are: {', '.join(sorted(known)) or 'none'}.")
    if len(texts) != 1:
        raise Unreadable("This parameter is given once.")
    longest = known[name].schema.get("maxLength", LONGEST_VALUE)
    if len(texts[0]) > longest or "\x00" in texts[0]:
        raise Unreadable(f"This is a text of at most {longest} characters.")
    return known[name].read(texts[0])


def words(*allowed: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in allowed:
            raise Unreadable(f"This is one of: {', '.join(allowed)}.")
        return text

    return read


def whole(low: int = 0, high: int = MAX_MINOR) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= len(str(high)) and low <= int(text) <= high):
            raise Unreadable(f"This is a whole number from {low} to {high}.")
        return int(text)

    return read


def flag(text: str) -> bool:
    if text not in {"true", "false"}:
        raise Unreadable("This is true or false.")
    return text == "true"


def plain(text: str) -> str:
    return text


def identifier(text: str) -> Any:
    read = as_uuid(text)
    if read is None:
        raise Unreadable("This is an id: 36 characters, hexadecimal with dashes.")
    return read


def moment(text: str) -> datetime:
    """With its zone: a time without one would be somebody's guess. A `+` in an address is a space."""
    try:
        read = parse_datetime(text.replace(" ", "+"))
        # The database knows fewer zones than a text can name.
        return read.astimezone(UTC) if read is not None and read.tzinfo is not None else _no_moment()
    except (ValueError, OverflowError):
        return _no_moment()


def _no_moment() -> NoReturn:
    raise Unreadable("This is a time with its zone, such as 2026-11-25T18:30:00Z.") from None


def worded(name: str, allowed: Iterable[str], meaning: str, *, lookup: str = "") -> Parameter:
    choices = list(allowed)
    schema = {"type": "string", "enum": choices}
    return Parameter(name=name, read=words(*choices), schema=schema, meaning=meaning, lookup=lookup or name)


def texted(name: str, meaning: str, *, lookup: str) -> Parameter:
    schema = {"type": "string", "maxLength": LONGEST_VALUE}
    return Parameter(name=name, read=plain, schema=schema, meaning=meaning, lookup=lookup)


def flagged(name: str, meaning: str, *, lookup: str = "") -> Parameter:
    return Parameter(name=name, read=flag, schema={"type": "boolean"}, meaning=meaning, lookup=lookup)


def identified(name: str, meaning: str, *, lookup: str) -> Parameter:
    schema = {"type": "string", "format": "uuid"}
    return Parameter(name=name, read=identifier, schema=schema, meaning=meaning, lookup=lookup)


def timed(name: str, meaning: str, *, lookup: str) -> Parameter:
    schema = {"type": "string", "format": "date-time"}
    return Parameter(name=name, read=moment, schema=schema, meaning=meaning, lookup=lookup)


def counted(name: str, meaning: str, *, lookup: str = "", low: int = 0, high: int = MAX_MINOR) -> Parameter:
    schema = {"type": "integer", "minimum": low, "maximum": high}
    return Parameter(name=name, read=whole(low, high), schema=schema, meaning=meaning, lookup=lookup)
