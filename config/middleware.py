"""HTTP middleware that belongs to no app: the request id."""

from __future__ import annotations

import re
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponseBase

from kernel import clock

HEADER = "X-Request-Id"
_META = "HTTP_X_REQUEST_ID"
# Long enough not to clash by chance, short enough for a log line, and nothing in it that a log could misread.
_ACCEPTABLE = re.compile(r"[A-Za-z0-9._-]{8,128}")


class RequestIdMiddleware:
    """Each request has one id, in every log line and in the answer; a caller may bring its own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request_id = _request_id(request.META.get(_META, ""))
        # Put back, so that every view finds the one valid id where a caller's own would be.
        request.META[_META] = request_id
        # Cleared when the next request begins, not when this one ends: Django logs the answer after us.
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        response = self._get_response(request)
        response.headers[HEADER] = request_id
        return response


def _request_id(brought: str) -> str:
    """A new one needs randomness only: the clock may need the database, and a health check must not."""
    if _ACCEPTABLE.fullmatch(brought):
        return brought
    return f"{clock.new_reference('req')}{clock.new_reference('')}"
