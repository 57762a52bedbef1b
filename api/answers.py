"""Answers that need not be sent twice: an ETag of what they say, and 304 for whoever has it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from rest_framework.renderers import JSONRenderer

TAG_LENGTH = 32  # Hexadecimal digits: 128 bits of the hash.


def rendered(body: Mapping[str, Any]) -> bytes:
    text: bytes = JSONRenderer().render(body)
    return text


def conditional(
    request: HttpRequest, body: Mapping[str, Any], *, headers: Mapping[str, str], unless: tuple[str, ...] = ()
) -> HttpResponse:
    """`unless` names what may change without being news: the tag is a weak one, of everything else."""
    content = rendered(body)
    news = rendered({name: value for name, value in body.items() if name not in unless})
    tag = f'"{hashlib.sha256(news).hexdigest()[:TAG_LENGTH]}"'
    if not _known_tags(request).isdisjoint({tag, "*"}):
        answer = HttpResponse(status=HTTPStatus.NOT_MODIFIED)
        del answer.headers["Content-Type"]
    else:
        answer = HttpResponse(content, content_type="application/json")
    answer.headers["ETag"] = f"W/{tag}"
    for name, value in headers.items():
        answer.headers[name] = value
    return answer


def _known_tags(request: HttpRequest) -> set[str]:
    """A proxy that compresses marks a tag as weak; the bytes behind it are the same."""
    return {part.strip().removeprefix("W/") for part in request.headers.get("If-None-Match", "").split(",")}
