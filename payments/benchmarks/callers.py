"""The callers of a benchmark, a program of its own: so many connections, each with one request after another.

It reads a plan from standard input and writes what it measured to standard output, both JSON. Each answer is read to
its end and checked, which a load generator that only counts cannot do; what that costs is measured with it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from kernel import clock

LENGTH = b"content-length: "
# Callers come one after another. Those that come in one instant are taken by whichever process woke up first, often all
# of them, and then it works alone: a connection stays with the process that took it.
JOIN_SECONDS = 0.02
LONGEST_SHOWN = 500  # Of an answer that was not expected.


class NotExpected(Exception):
    """An answer that makes the figures worthless."""


@dataclass(slots=True)
class Callers:
    """Closed loop: a connection sends its next request when the last one is answered."""

    port: int
    requests: Iterator[str]
    status: int
    expected: dict[str, Any]
    seconds: list[float] = field(default_factory=list)

    async def call(self, place: int) -> None:
        await asyncio.sleep(place * JOIN_SECONDS)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        for request in self.requests:
            started = clock.monotonic()
            writer.write(request.encode())
            head, body = await _answer(reader)
            self.seconds.append(clock.monotonic() - started)
            self._check(head, body)
        writer.close()

    def _check(self, head: bytes, body: bytes) -> None:
        status, said = int(head.split(b" ", 2)[1]), json.loads(body)
        if status != self.status or any(said.get(name) != value for name, value in self.expected.items()):
            raise NotExpected(f"{status} {body.decode(errors='replace')[:LONGEST_SHOWN]}")


async def _answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """With a Content-Length, as ours always are."""
    head = await reader.readuntil(b"\r\n\r\n")
    lowered = head.lower()
    start = lowered.index(LENGTH) + len(LENGTH)
    return head, await reader.readexactly(int(lowered[start : lowered.index(b"\r\n", start)]))


async def call_all(plan: dict[str, Any]) -> dict[str, Any]:
    callers = Callers(plan["port"], iter(plan["requests"]), plan["status"], plan["expected"])
    started, cpu_started = clock.monotonic(), time.process_time()
    try:
        async with asyncio.TaskGroup() as group:
            for place in range(plan["connections"]):
                group.create_task(callers.call(place))
    except ExceptionGroup as wrong:
        # One is enough to know, and the others are often only its echo.
        return {"wrong": f"{type(wrong.exceptions[0]).__name__}: {wrong.exceptions[0]}"}
    elapsed, cpu = clock.monotonic() - started, time.process_time() - cpu_started
    return {"seconds": callers.seconds, "elapsed_seconds": elapsed, "cpu_seconds": cpu}


if __name__ == "__main__":
    json.dump(asyncio.run(call_all(json.load(sys.stdin))), sys.stdout)
