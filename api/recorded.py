"""What was really asked and answered: a test records it from a live server, and the description shows it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

from drf_spectacular.utils import OpenApiExample

from api.problems import Kind

EXAMPLES = Path(__file__).with_name("examples.json")
# Where the examples are answered from: the description is the same wherever it is served.
EXAMPLE_URL = "https://pay.example.com"

Recorded = Mapping[str, Mapping[str, Any]]


def recorded_of(operation: str) -> Recorded:
    """By the names that the recorder gave them; a refusal is called by its code."""
    found: Recorded = _all()["operations"].get(operation, {})
    return found


def requests_in(recorded: Recorded) -> list[OpenApiExample]:
    return [
        OpenApiExample(name, value=each["body"], request_only=True)
        for name, each in recorded.items()
        if each["body"] is not None and each["status"] < HTTPStatus.BAD_REQUEST
    ]


def answers_in(recorded: Recorded, status: HTTPStatus) -> list[OpenApiExample]:
    return [
        OpenApiExample(name, value=each["answer"], response_only=True, status_codes=[str(int(status))])
        for name, each in recorded.items()
        if each["status"] == status and each["answer"] is not None
    ]


def answer_of(kind: Kind, recorded: Recorded) -> Any:
    """What this operation answers, where it was recorded. None: what any operation does."""
    return recorded.get(kind.code, {}).get("answer")


def shared_answers() -> dict[str, Any]:
    """One answer of each kind: the one that is no operation's own, or else the first that one of them gave."""
    shared = {code: each["answer"] for code, each in _all()["problems"].items()}
    for recorded in _all()["operations"].values():
        for name, each in recorded.items():
            if each["status"] >= HTTPStatus.BAD_REQUEST:
                shared.setdefault(name, each["answer"])
    return dict(sorted(shared.items()))


@lru_cache(maxsize=1)
def _all() -> dict[str, Any]:
    """Nothing before the first recording."""
    if not EXAMPLES.exists():
        return {"operations": {}, "problems": {}}
    found: dict[str, Any] = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    return found
