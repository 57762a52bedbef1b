"""Bodies: bounded, UTF-8, one JSON object, each name once. Anything else is refused unread."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from rest_framework.parsers import BaseParser

from api.problems import MALFORMED, TOO_LARGE, Problem

MAX_BODY_BYTES = 64 * 1024  # An order of 200 lines is a quarter of it.
MAX_DEPTH = 20  # The deepest honest body has five levels.


class StrictJSONParser(BaseParser):
    media_type = "application/json"

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        return read_object(bounded(bytes(stream.read(MAX_BODY_BYTES + 1))))


def bounded(body: bytes) -> bytes:
    """One byte more than is allowed is enough to know."""
    if len(body) > MAX_BODY_BYTES:
        raise Problem(TOO_LARGE, f"A body has at most {MAX_BODY_BYTES} bytes.")
    return body


def streamed_body(request: HttpRequest, *, limit: int) -> bytes | None:
    """A body without a Content-Length, to one byte beyond the limit. The framework takes it for none, but its server
    says where it ends. None: it has a length, or nobody knows its end.
    """
    is_chunked = "chunked" in request.headers.get("Transfer-Encoding", "").lower()  # In any case: RFC 9112.
    if not (is_chunked and request.META.get("wsgi.input_terminated")):
        return None
    try:
        return bytes(request.META["wsgi.input"].read(limit + 1))
    except OSError:  # Its server's word for pieces that do not fit together.
        raise Problem(MALFORMED, "The body was cut, or its pieces are not what they say.") from None


def read_object(body: bytes) -> dict[str, Any]:
    """An empty body is an empty object: many requests say nothing more than their address."""
    if not body:
        return {}
    try:
        said = json.loads(
            body.decode("utf-8"), object_pairs_hook=_each_once, parse_constant=_no_number, parse_float=_finite
        )
    except UnicodeDecodeError:
        raise Problem(MALFORMED, "The body is not UTF-8.") from None
    except RecursionError:
        raise Problem(MALFORMED, _TOO_DEEP) from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Problem(MALFORMED, f"The body is not JSON: {error.msg} at {where}.") from None
    except ValueError as error:  # A name twice, NaN, or a number of thousands of digits.
        raise Problem(MALFORMED, str(error) if isinstance(error, _Refused) else "A number is too long.") from None
    if not isinstance(said, dict):
        raise Problem(MALFORMED, "The body is a JSON object: {…}.")
    if _is_deeper(said, MAX_DEPTH):
        raise Problem(MALFORMED, _TOO_DEEP)
    return said


_TOO_DEEP = f"The body is nested more than {MAX_DEPTH} levels deep."


class _Refused(ValueError):
    """With a sentence of ours."""


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for name, value in pairs:
        if name in said:
            raise _Refused(f"The name {name[:80]!r} stands twice in one object.")
        said[name] = value
    return said


def _no_number(constant: str) -> Any:
    raise _Refused(f"{constant} is not a JSON number.")


def _finite(text: str) -> Any:
    number = json.loads(f"[{text}]")[0]
    return number if abs(number) < math.inf else _no_number(text)


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inside = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(each, levels - 1) for each in inside)
