"""Wires that a test puts between a gateway and nobody: each answers, or breaks, in one way."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import httpx

from payments.gateways.transport import MAX_ANSWER_BYTES, Call, Dial

HTML = b"<html><body><h1>Bad Gateway</h1></body></html>"


class Pieces(httpx.SyncByteStream):
    """A body as a socket gives it: in pieces."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self._content), 65536):
            yield self._content[start : start + 65536]


@dataclass
class Wire(httpx.BaseTransport):
    """One way to answer, and a note of everything that was sent."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    fails_before: type[httpx.TransportError] | None = None
    fails_after: type[httpx.TransportError] | None = None
    requests: list[httpx.Request] = field(default_factory=list)
    _call: Call | None = None

    def dial(self, call: Call) -> httpx.BaseTransport:
        self._call = call
        return self

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert self._call is not None
        if self.fails_before:
            raise self.fails_before("before a byte left")
        self._call.about_to_write()
        request.read()
        self.requests.append(request)
        if self.fails_after:
            raise self.fails_after("after it was sent")
        return httpx.Response(self.status, headers=self.headers, stream=Pieces(self.body))


@dataclass(frozen=True)
class AfterQuestion(httpx.BaseTransport):
    """Answers what is only asked, and leaves what moves money to the wire."""

    answer: bytes
    wire: Wire
    _call: Call | None = None

    def dial(self, call: Call) -> httpx.BaseTransport:
        self.wire.dial(call)
        return replace(self, _call=call)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert self._call is not None
        if request.method != "GET":
            return self.wire.handle_request(request)
        self._call.about_to_write()
        return httpx.Response(200, stream=Pieces(self.answer))


def never_dialled(call: Call) -> httpx.BaseTransport:
    raise AssertionError("Nobody may be called here.")


NEVER: Dial = never_dialled

# Nothing can have happened: no byte left.
NOT_SENT = {
    "connection refused": Wire(fails_before=httpx.ConnectError),
    "connect time-out": Wire(fails_before=httpx.ConnectTimeout),
    "pool time-out": Wire(fails_before=httpx.PoolTimeout),
    "no such protocol": Wire(fails_before=httpx.UnsupportedProtocol),
}
# Money may have moved, and no answer says so.
UNKNOWN = {
    "read time-out": Wire(fails_after=httpx.ReadTimeout),
    "write time-out": Wire(fails_after=httpx.WriteTimeout),
    "connect error after a byte": Wire(fails_after=httpx.ConnectError),
    "reset": Wire(fails_after=httpx.ReadError),
    "broken pipe": Wire(fails_after=httpx.WriteError),
    "half an answer": Wire(fails_after=httpx.RemoteProtocolError),
    "500 without a body": Wire(status=500),
    "500 in JSON": Wire(status=500, body=b'{"error": {"code": "invalid_request", "message": "no"}}'),
    "502 with a page": Wire(status=502, body=HTML, headers={"content-type": "text/html"}),
    "503 with Retry-After": Wire(status=503, headers={"retry-after": "5"}),
    "504": Wire(status=504),
    "401 of a proxy": Wire(status=401, body=HTML),
    "403 of a firewall": Wire(status=403, body=HTML),
    "429 of a proxy": Wire(status=429, body=HTML),
    "404 of a proxy": Wire(status=404, body=HTML),
    "400 of a proxy": Wire(status=400, body=HTML),
    "301": Wire(status=301, headers={"location": "https://elsewhere.invalid/"}),
    "status 299 unheard of": Wire(status=299, body=b"{}"),
    "status 599 unheard of": Wire(status=599, body=b"{}"),
    "200 without a body": Wire(),
    "204": Wire(status=204),
    "200 with a page": Wire(body=HTML),
    "200 with random bytes": Wire(body=bytes(range(256))),
    "200 with half an object": Wire(body=b'{"id": "ch_1", "status": "succ'),
    "200 with an empty object": Wire(body=b"{}"),
    "200 with a list": Wire(body=b"[]"),
    "200 with null": Wire(body=b"null"),
    "200 with a number": Wire(body=b"1"),
    "200 with NaN": Wire(body=b'{"amount": NaN, "status": "succeeded"}'),
    "200 with invalid UTF-8": Wire(body=b'{"status": "\xff\xfe"}'),
    "200 with deep nesting": Wire(body=b'{"a":' * 10_000 + b"1" + b"}" * 10_000),
    "200 with a number of 10,000 digits": Wire(body=b'{"amount": ' + b"9" * 10_000 + b"}"),
    "200 above the cap": Wire(body=b'{"padding": "' + b"x" * MAX_ANSWER_BYTES + b'"}'),
    "200 packed": Wire(body=gzip.compress(b"{}"), headers={"content-encoding": "gzip"}),
    "200 as a bomb": Wire(
        body=gzip.compress(gzip.compress(b"0" * 50_000_000)), headers={"content-encoding": "gzip, gzip"}
    ),
}
