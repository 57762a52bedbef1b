"""A request has one id: the caller's if it is harmless, else a new one, in the answer and in every log line."""

from __future__ import annotations

import re

import pytest
import structlog
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from config.middleware import RequestIdMiddleware


def ask(brought: str | None) -> tuple[str, HttpRequest]:
    """The id in the answer, and the request as the view saw it."""
    seen: list[HttpRequest] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(request)
        return HttpResponse()

    headers = {} if brought is None else {"X-Request-Id": brought}
    answer = RequestIdMiddleware(view)(RequestFactory().get("/", headers=headers))
    return answer.headers["X-Request-Id"], seen[0]


@pytest.mark.parametrize("brought", ["abcd1234", "A.b_c-9.", "x" * 128])
def test_a_callers_own_id_is_kept(brought: str) -> None:
    answered, request = ask(brought)

    assert answered == request.headers["X-Request-Id"] == brought


@pytest.mark.parametrize(
    "brought", [None, "", "short", "x" * 129, "with space", "new\nline12", "ünicode-id", "a;b;c;d;e"]
)
def test_anything_else_is_replaced(brought: str | None) -> None:
    answered, request = ask(brought)

    assert re.fullmatch(r"[A-Za-z0-9._-]{8,128}", answered)
    assert answered != brought
    assert request.headers["X-Request-Id"] == answered


def test_two_requests_have_two_ids() -> None:
    assert ask(None)[0] != ask(None)[0]


def test_log_lines_carry_this_requests_id_and_nothing_of_the_last_one() -> None:
    structlog.contextvars.bind_contextvars(payment_id="of another request")

    answered, _ = ask(None)

    assert structlog.contextvars.get_contextvars() == {"request_id": answered}
