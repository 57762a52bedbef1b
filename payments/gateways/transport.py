"""HTTP to a provider: the one place that tells "provably not sent" from "we do not know".

It does not guess from exception names. The socket itself is wrapped: a call counts as sent from the
instant at which its first byte is handed to the connection, and that same place checks `send_before`.
"""

from __future__ import annotations

import json
import math
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpcore
import httpx

from kernel import clock
from payments.gateways.contract import ErrorCode
from payments.gateways.resolver import addresses

# A provider's answer is a few kilobytes. Above this it is not an answer, and memory stays bounded.
MAX_ANSWER_BYTES = 256 * 1024
# Connecting is quick or it does not happen; the rest of the deadline belongs to the answer.
CONNECT_TIMEOUT_SECONDS = 3.0


class TooLateToSend(Exception):
    """`send_before` is over: the worker was paused, and somebody else may own this attempt by now."""


class AnswerTooLarge(Exception):
    pass


@dataclass(slots=True)
class Call:
    """One request's budget and the one fact about it that decides about money: did a byte leave?"""

    deadline: float  # Monotonic.
    send_before: datetime | None = None
    sent: bool = False

    def remaining_seconds(self, most: float | None = None) -> float:
        left = self.deadline - clock.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("total deadline is over")
        return left if most is None else min(left, most)

    def about_to_write(self) -> None:
        if not self.sent and self.send_before is not None and clock.now() >= self.send_before:
            raise TooLateToSend
        self.sent = True


class _Stream(httpcore.NetworkStream):
    """A connection whose every operation is bounded by the call's total deadline."""

    def __init__(self, inner: httpcore.NetworkStream, call: Call) -> None:
        self._inner = inner
        self._call = call

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._call.remaining_seconds())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        seconds = self._call.remaining_seconds()
        self._call.about_to_write()
        self._inner.write(buffer, seconds)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        seconds = self._call.remaining_seconds(CONNECT_TIMEOUT_SECONDS)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, seconds), self._call)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    def __init__(self, call: Call) -> None:
        self._call = call
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Address by address, each within what is left: the library's own loop gives every one the full time-out."""
        failed: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in self._resolve(host, port):
            seconds = self._call.remaining_seconds(CONNECT_TIMEOUT_SECONDS)
            try:
                inner = self._inner.connect_tcp(address, port, seconds, local_address, socket_options)
                return _Stream(inner, self._call)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed

    def _resolve(self, host: str, port: int) -> list[str]:
        try:
            return addresses(host, port, remaining_seconds=self._call.remaining_seconds)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error


_TLS = ssl.create_default_context()


class SocketTransport(httpx.BaseTransport):
    """A fresh connection for each call: a reused one may be dead, and then nobody knows what was read."""

    def __init__(self, call: Call) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=_TLS, max_connections=1, max_keepalive_connections=0, network_backend=_Backend(call)
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.read(),
            )
        )
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer))

    def close(self) -> None:
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Any:
        yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


# How a call reaches its provider. Tests and the simulation dial a provider inside the process.
Dial = Callable[[Call], httpx.BaseTransport]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What came of one request. `status` is None when no complete answer came back."""

    sent: bool
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None  # None: not a JSON object.
    trouble: ErrorCode = ErrorCode.NONE
    message: str = ""

    @property
    def retry_after_seconds(self) -> int:
        value = self.headers.get("retry-after", "")
        return int(value) if value.isascii() and value.isdigit() and len(value) <= MAX_RETRY_AFTER_DIGITS else 0


MAX_RETRY_AFTER_DIGITS = 5  # A day and a bit. Longer is a mistake, and the backoff decides instead.


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpTransport:
    """Sends one JSON request within one total deadline. Follows no redirect, repeats nothing."""

    base_url: str
    total_seconds: float
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # Credentials.
    dial: Dial = SocketTransport

    def send(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        send_before: datetime | None = None,
    ) -> Exchange:
        call = Call(deadline=clock.monotonic() + self.total_seconds, send_before=send_before)
        all_headers = {"accept-encoding": "identity", **self.headers, **(headers or {})}
        try:
            with httpx.Client(transport=self.dial(call), trust_env=False) as client:
                return self._receive(client, call, method=method, path=path, body=body, headers=all_headers)
        except TooLateToSend:
            return Exchange(sent=False, trouble=ErrorCode.TOO_LATE_TO_SEND, message="The time to send was over.")
        except (httpx.TimeoutException, httpcore.TimeoutException) as error:
            return self._failed(call, ErrorCode.TIMED_OUT, error)
        except AnswerTooLarge as error:
            return self._failed(call, ErrorCode.UNREADABLE_ANSWER, error)
        except (httpx.HTTPError, httpx.InvalidURL, *_HTTPCORE_ERRORS, OSError, ValueError) as error:
            return self._failed(call, ErrorCode.CONNECTION_LOST, error)

    def _receive(
        self,
        client: httpx.Client,
        call: Call,
        *,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str],
    ) -> Exchange:
        url = f"{self.base_url.rstrip('/')}{path}"
        with client.stream(method, url, json=body, headers=headers) as response:
            content = _read_bounded(response)
        return Exchange(
            sent=call.sent,
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=json_object(content),
            message="" if response.status_code < httpx.codes.BAD_REQUEST else f"HTTP {response.status_code}",
        )

    def _failed(self, call: Call, trouble: ErrorCode, error: Exception) -> Exchange:
        if not call.sent:
            trouble = ErrorCode.UNREACHABLE
        return Exchange(sent=call.sent, trouble=trouble, message=type(error).__name__)


_HTTPCORE_ERRORS = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
    httpcore.ConnectionNotAvailable,
)


def _read_bounded(response: httpx.Response) -> bytes:
    # We asked for no encoding. Unpacking one anyway is how 64 kilobytes become 64 megabytes, or, packed
    # twice, 64 gigabytes: what comes packed is not an answer.
    if response.headers.get("content-encoding", "").lower() not in {"", "identity"}:
        return b""
    content = bytearray()
    for chunk in response.iter_bytes():
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            raise AnswerTooLarge
    return bytes(content)


def json_object(content: bytes) -> Mapping[str, Any] | None:
    """A JSON object that PostgreSQL can store, or None. Notices are read with it too."""
    try:
        value = _storable(json.loads(content))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _storable(value: Any) -> Any:
    """Evidence must never be what stops a settlement: text columns refuse NUL and lone surrogates, jsonb NaN."""
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {_storable(name): _storable(inner) for name, inner in value.items()}
    return [_storable(inner) for inner in value] if isinstance(value, list) else value
