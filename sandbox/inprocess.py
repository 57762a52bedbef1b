"""The provider inside the caller's process: the same faults, without sockets and without waiting."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import httpx

from sandbox.behaviours import Network
from sandbox.company import Company
from sandbox.notices import Webhook
from sandbox.provider import Provider
from sandbox.till import Settings
from sandbox.wire import Request


class Call(Protocol):
    """What the caller's transport hands over: its deadline, and the place where sending begins."""

    def remaining_seconds(self) -> float: ...

    def about_to_write(self) -> None: ...


class InProcess:
    """`dial` goes into a gateway; `webhooks` are taken by hand and delivered by a test, in any order."""

    def __init__(self, settings: Settings, directory: Path | None = None, kind: type[Company] = Provider) -> None:
        self.provider = kind(settings, directory)

    def dial(self, call: Call) -> httpx.BaseTransport:
        return _Wire(self.provider, call)

    def deliver(self, request: httpx.Request) -> None:
        """Nobody waits for its answer any more."""
        self.provider.handle(_as_request(request))

    @property
    def webhooks(self) -> list[Webhook]:
        """All that wait, whether they are due or not. What has become due by now is among them."""
        with self.provider.lock:
            self.provider.till.tick()
        return self.provider.webhooks

    def take_webhooks(self) -> list[Webhook]:
        taken = list(self.webhooks)
        self.provider.webhooks.clear()
        return taken


class _Wire(httpx.BaseTransport):
    def __init__(self, provider: Company, call: Call) -> None:
        self._provider = provider
        self._call = call

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self._provider.steering.mode_trouble.network is Network.REFUSED:
            raise httpx.ConnectError("Connection refused", request=request)
        self._call.about_to_write()
        reply = self._provider.handle(_as_request(request))
        if reply.network in {Network.HANG, Network.SLOW_LORIS} or reply.delay_seconds >= self._call.remaining_seconds():
            raise httpx.ReadTimeout("No answer in time", request=request)
        if reply.network is Network.RESET:
            raise httpx.ReadError("Connection reset by peer", request=request)
        return httpx.Response(reply.status, headers=dict(reply.headers), stream=_Body(reply.body))


class _Body(httpx.SyncByteStream):
    """Read in pieces, so that the caller's limit on size is met as it is on a socket."""

    _PIECE_BYTES = 64 * 1024

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self._content), self._PIECE_BYTES):
            yield self._content[start : start + self._PIECE_BYTES]


def _as_request(request: httpx.Request) -> Request:
    path = request.url.raw_path.partition(b"?")[0].decode()
    headers = {name.lower(): value for name, value in request.headers.items()}
    query = dict(request.url.params)
    return Request(method=request.method, path=path, query=query, headers=headers, body=request.read())
