"""Requests to the process that waits, without a server: what each has heard so far, and when it leaves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from django.core.handlers.wsgi import WSGIHandler

from payments.models import Payment
from payments.waiting import Waiting

SOON = 10.0


@dataclass
class Visit:
    """One request to the waiting process, and what has come of it so far."""

    application: Waiting
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    _gone: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None

    def begin(self, path: str, *, query: str = "", method: str = "GET", **headers: str) -> Visit:
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [(name.replace("_", "-").lower().encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 40_000),
            "server": ("testserver", 80),
            "scheme": "http",
        }
        self._task = asyncio.create_task(self.application(scope, self._receive, self._send))
        return self

    async def end(self) -> Visit:
        assert self._task is not None
        await asyncio.wait_for(self._task, SOON)
        return self

    def leave(self) -> None:
        self._gone.set()

    @property
    def is_over(self) -> bool:
        return self._task is not None and self._task.done()

    @property
    def said(self) -> Any:
        return json.loads(self.body)

    @property
    def messages(self) -> list[dict[str, Any]]:
        """Of a stream: each with its id, its event and its data."""
        found = []
        for block in self.body.decode().split("\n\n"):
            lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
            if lines:
                found.append({**lines, "data": json.loads(lines["data"])})
        return found

    async def until(self, count: int) -> list[dict[str, Any]]:
        async with asyncio.timeout(SOON):
            while len(self.messages) < count:
                await asyncio.sleep(0.02)
        return self.messages

    async def _receive(self) -> dict[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self.body += message.get("body", b"")


def path_of(payment: Payment) -> str:
    return f"/api/v1/payments/{payment.pk}"


def played(scene: Callable[[Waiting], Coroutine[Any, Any, None]]) -> None:
    """In an event loop of its own; the test's thread is where the rest of the world goes on."""
    asyncio.run(scene(Waiting(WSGIHandler())))
