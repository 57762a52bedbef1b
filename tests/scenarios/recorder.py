"""Keeps what several callers said to the live server and heard from it, told without what changes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httpx

from api.recorded import EXAMPLE_URL
from tests.scenarios.stack import Stack

PASSWORD = "steward-demo"
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_REFERENCE = re.compile(r"\b([OP])-[0-9A-HJKMNP-TV-Z]{8}\b")
_SECRET = re.compile(r"\b(user_(?:test|live)|pay)_[A-Za-z0-9_:-]{20,}")
# What server and tests take for their own address. No webhook arrives there: a doubt lasts until somebody asks.
NOWHERE = "http://testserver"
_HERE = re.compile(rf"http://127\.0\.0\.1:\d+|{NOWHERE}")
_REQUEST = re.compile(r"req-[0-9A-Z]{8}-[0-9A-Z]{8}")
_CHARGE = re.compile(r"\bch_[0-9a-f]{32}\b")
_CURSOR = re.compile(r'"next_cursor": "[^"]+"')
_DAY = re.compile(r'"day": "[^"]+"')
_LATENCY = re.compile(r'"(latency_ms|p50_ms|p95_ms)": [0-9.]+')
_SIGNED = re.compile(r"sandbox_event=[^\"]+")
_CODE = re.compile(r'"code": "\d{6}"')
_TOLD_AT = re.compile(r"\d{1,2}\s[A-Z][a-z]{2}\s\d{4}, \d\d:\d\d(?=\s[A-Z]{3})")
_WAIT = re.compile(r"(Go on|Send it again) in \d+ s")
NO_ID = "019c8a4e-0000-7000-8000-000000000000"
REQUEST = "req-4K7M2Q9X-9B3TZ0AW"


@dataclass(frozen=True, kw_only=True)
class Said:
    """One request, ready to be sent again with something changed."""

    request: str
    body: Any
    caller: str
    headers: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What an answer said beside its body."""

    operation: str
    status: int
    code: str  # Of a refusal.
    headers: frozenset[str]


@dataclass
class Recorder:
    stack: Stack
    kept: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: dict[str, Any] = field(default_factory=dict)
    heard: list[Heard] = field(default_factory=list)
    succeeded: dict[str, Said] = field(default_factory=dict)
    _callers: dict[str, httpx.Client] = field(default_factory=dict)
    _count: int = 0

    def __post_init__(self) -> None:
        for name, place in (("reader", 0), ("key", 1)):
            self.know(name, str(self.stack.record["api_keys"][place]["key"]))
        self.know("nobody", "")
        for name in ("waiter", "finance", "lead"):
            self.know(name, str(self.ask("POST /tokens", sign_in(name), caller="nobody")["token"]))

    def close(self) -> None:
        for client in self._callers.values():
            client.close()

    def know(self, caller: str, secret: str) -> None:
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        base = f"{self.stack.record['addresses']['web']}/api/v1"
        self._callers[caller] = httpx.Client(base_url=base, headers=headers, timeout=30, trust_env=False)

    def ask(self, request: str, body: Any = None, *, caller: str = "key", **options: Any) -> Any:
        """On the way to what is recorded. Whatever it answers is looked at where it matters."""
        return self.send(request, body, caller=caller, **options).json()

    def send(
        self,
        request: str,
        body: Any = None,
        *,
        caller: str = "key",
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        """`request` is a method and a path, or a whole address."""
        method, _, path = request.partition(" ")
        self._count += 1
        said = {"Idempotency-Key": f"example-{self._count}", **(headers or {})}
        return self._callers[caller].request(method, path, json=body, content=content, headers=said)

    def listen(self, request: str) -> AbstractContextManager[httpx.Response]:
        method, _, path = request.partition(" ")
        return self._callers["key"].stream(method, path)

    def say(
        self,
        operation: str,
        name: str,
        request: str,
        body: Any = None,
        *,
        caller: str = "key",
        expected: int = HTTPStatus.OK,
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
    ) -> Any:
        """What is expected is the status; of a refusal the name is its code as well."""
        answer = self.send(request, body, caller=caller, headers=headers, content=content)
        assert answer.status_code == expected, f"{operation}, {name}: {answer.status_code} {answer.text}"
        said = answer.json() if answer.content else None
        self.keep(operation, name, answer, body=body, said=said)
        if expected < HTTPStatus.BAD_REQUEST:
            asked = Said(request=request, body=body, caller=caller, headers=headers or {})
            self.succeeded.setdefault(operation, asked)
        return said

    def refuse(self, operation: str, code: str, request: str, body: Any = None, **options: Any) -> None:
        self.say(operation, code, request, body, **options)

    def keep(self, operation: str, name: str, answer: httpx.Response, *, body: Any, said: Any) -> None:
        code = said["code"] if answer.status_code >= HTTPStatus.BAD_REQUEST else ""
        assert code in {"", name}, f"{operation}, {name}: {answer.text}"
        names = frozenset(header.lower() for header in answer.headers)
        self.heard.append(Heard(operation=operation, status=answer.status_code, code=code, headers=names))
        example = {"status": answer.status_code, "body": body, "answer": said}
        if operation:
            self.kept.setdefault(operation, {})[name] = example
        else:
            self.problems[name] = example

    def told(self) -> dict[str, Any]:
        """Everything that is another one at each run stands for itself: the n-th id is always the same."""
        text = json.dumps({"operations": self.kept, "problems": self.problems}, ensure_ascii=False)
        text = _numbered(_UUID, text, lambda _, number: f"019c8a4e-0000-7000-8000-{number:012}")
        text = _numbered(_REFERENCE, text, lambda match, number: f"{match[1]}-{number:08}")
        text = _SECRET.sub(lambda match: f"{match[1]}_…", text)
        for pattern, word in (
            (_MOMENT, "2026-11-25T18:30:00Z"),
            (_TOLD_AT, "26 Nov 2026, 00:00"),
            (_HERE, EXAMPLE_URL),
            (_CHARGE, "ch_0123456789abcdef0123456789abcdef"),
            (_REQUEST, REQUEST),
            (_CURSOR, '"next_cursor": "WyItY3JlYXRlZF9hdCJd"'),
            (_SIGNED, "sandbox_event=…&sandbox_signature=…"),
            (_CODE, '"code": "123456"'),
            (_DAY, '"day": "2026-11-25"'),
        ):
            text = pattern.sub(word, text)
        text = _WAIT.sub(lambda match: f"{match[1]} in 5 s", text)
        told: dict[str, Any] = json.loads(_LATENCY.sub(lambda match: f'"{match[1]}": 120', text))
        return told


def sign_in(name: str, password: str = PASSWORD) -> dict[str, str]:
    return {"username": name, "password": password, "restaurant": "saffron-table", "mode": "test"}


def _numbered(pattern: re.Pattern[str], text: str, stand_in: Callable[[re.Match[str], int], str]) -> str:
    known: dict[str, str] = {}
    return pattern.sub(lambda match: known.setdefault(match[0], stand_in(match, len(known) + 1)), text)
