"""Lists in pages: by offset for people, by a stable cursor for programs. Nothing is counted unless it is asked for."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

from api.problems import BAD_QUERY, FieldError, Problem
from api.queries import Parameter, Unreadable, counted, moment, plain, words
from api.serializers import as_uuid

MAX_LIMIT = 100
DEFAULT_LIMIT = 20
# Every row before an offset is read and thrown away. Whoever goes further goes by cursor.
MAX_OFFSET = 10_000
LIMIT = Parameter(
    name="limit",
    read=lambda text: min(counted("limit", "", low=1).read(text), MAX_LIMIT),
    schema={"type": "integer", "minimum": 1, "default": DEFAULT_LIMIT},
    meaning=f"Rows a page. More than {MAX_LIMIT} are not given; `page.limit` says how many may be on this one.",
)
OFFSET = counted("offset", "Rows to leave out. Not together with `cursor`.", high=MAX_OFFSET)
CURSOR = Parameter(
    name="cursor",
    read=plain,
    schema={"type": "string", "maxLength": 200, "pattern": "^[A-Za-z0-9_-]+$"},
    meaning="`page.next_cursor` of the page before. New rows neither repeat nor hide any.",
)
TOTAL = Parameter(
    name="total",
    read=words("exact"),
    schema={"type": "string", "enum": ["exact"]},
    meaning="`exact` counts all rows, which takes its time.",
)


@dataclass(frozen=True, slots=True)
class Ordering:
    """A column and a direction. The id ends every order, so that it is one."""

    name: str
    column: str
    is_time: bool = False
    descending: bool = False


class Orderings:
    """What a list can be ordered by; the first is its order when nothing is said."""

    def __init__(self, *orderings: Ordering) -> None:
        self.by_name = {each.name: each for each in orderings}
        self.default = orderings[0]
        self.parameter = Parameter(
            name="ordering",
            read=words(*self.by_name),
            schema={"type": "string", "enum": list(self.by_name), "default": self.default.name},
            meaning="What the list is ordered by; `-` means descending.",
        )


def both_ways(name: str, column: str, *, is_time: bool = False) -> tuple[Ordering, Ordering]:
    falling = Ordering(f"-{name}", column, is_time=is_time, descending=True)
    return falling, Ordering(name, column, is_time=is_time)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    rows: list[Any]
    limit: int
    offset: int | None
    next_cursor: str | None
    total: int | None

    def as_json(self, items: list[Any]) -> dict[str, Any]:
        page = {"limit": self.limit, "offset": self.offset, "next_cursor": self.next_cursor, "total": self.total}
        return {"items": items, "page": page}


def parameters(orderings: Orderings) -> tuple[Parameter, ...]:
    return (LIMIT, OFFSET, CURSOR, orderings.parameter, TOTAL)


def page_of(rows: QuerySet[Any], said: Mapping[str, Any], orderings: Orderings) -> Page:
    limit: int = said.get("limit", DEFAULT_LIMIT)
    offset: int | None = None if "cursor" in said else said.get("offset", 0)
    if "cursor" in said and "offset" in said:
        raise _wrong("offset", "Say `cursor` or `offset`, not both.")
    ordering, start = _start(said, orderings)
    total = rows.count() if said.get("total") else None
    sign = "-" if ordering.descending else ""
    ordered = (rows.filter(start) if start else rows).order_by(f"{sign}{ordering.column}", f"{sign}id")
    found = list(ordered[offset or 0 : (offset or 0) + limit + 1])
    there_is_more = len(found) > limit
    found = found[:limit]
    cursor = _written(ordering, found[-1]) if there_is_more else None
    return Page(rows=found, limit=limit, offset=offset, next_cursor=cursor, total=total)


def link_header(request: HttpRequest, page: Page) -> dict[str, str]:
    """RFC 8288, for whoever follows links without reading bodies."""
    if page.next_cursor is None:
        return {}
    kept = {name: text for name, text in request.GET.items() if name not in {"cursor", "offset"}}
    address = request.build_absolute_uri(f"{request.path}?{urlencode({**kept, 'cursor': page.next_cursor})}")
    return {"Link": f'<{address}>; rel="next"'}


def _start(said: Mapping[str, Any], orderings: Orderings) -> tuple[Ordering, Q | None]:
    wanted = orderings.by_name[said.get("ordering", orderings.default.name)]
    if "cursor" not in said:
        return wanted, None
    ordering, value, row = _read(said["cursor"], orderings)
    if "ordering" in said and ordering != wanted:
        raise _wrong("cursor", f"This cursor belongs to a list ordered by {ordering.name}.")
    beyond = "lt" if ordering.descending else "gt"
    # The first condition alone finds its place in the index; the second one ends ties.
    return ordering, Q(**{f"{ordering.column}__{beyond}e": value}) & (
        Q(**{f"{ordering.column}__{beyond}": value}) | Q(**{f"id__{beyond}": row})
    )


def _written(ordering: Ordering, row: Model) -> str:
    value = getattr(row, ordering.column)
    text = value.isoformat() if isinstance(value, datetime) else value
    return base64.urlsafe_b64encode(json.dumps([ordering.name, text, str(row.pk)]).encode()).decode().rstrip("=")


def _read(cursor: str, orderings: Orderings) -> tuple[Ordering, Any, UUID]:
    try:
        padded = cursor.encode() + b"=" * (-len(cursor) % 4)
        name, text, row = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        ordering = orderings.by_name[name]
        value = moment(text) if ordering.is_time else text
        known = as_uuid(row)
        if known is None or (not ordering.is_time and type(value) is not int):
            raise Unreadable
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error):
        raise _wrong("cursor", "This is no cursor of this list: take `page.next_cursor` as it is.") from None
    return ordering, value, known


def _wrong(name: str, sentence: str) -> Problem:
    error = FieldError(pointer=f"?{name}", code="bad_query", detail=sentence)
    return Problem(BAD_QUERY, f"?{name}: {sentence}", errors=[error])
