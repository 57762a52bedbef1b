"""Waiting for a payment to change: a long poll and server-sent events, for many clients in one small process.

Whoever waits holds neither a thread nor a connection: one task asks the database for the versions of all payments that
somebody waits for. Each answer is the API's own, asked for with the caller's own headers, so that there is one place
that decides who may see what.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from django.db import connection

from api.problems import Problem
from api.refusing import CONTENT_TYPE
from events.models import Event
from payments.models import Payment, PaymentStatus
from payments.places import NoPlace, Places
from payments.problems import TOO_MANY_WAITING
from payments.waits import MAX_WAIT_SECONDS

logger = logging.getLogger(__name__)

# How late news may be; also how often one statement asks for all who wait.
POLL_SECONDS = 0.25
# After a database that did not answer.
POLL_PAUSE_SECONDS = 2.0
LONGEST_NUMBER = 10  # Digits. No version and no wait has more.
# A proxy closes what is silent for longer.
HEARTBEAT_SECONDS = 15.0
# Then a stream ends, and its client comes back with `Last-Event-ID`: no stream outlives a deployment for long.
STREAM_SECONDS = 600.0
MOST_EVENTS = 100
# For the API's own answers; each takes some milliseconds.
THREADS = 4

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_PAYMENT = re.compile(r"/api/v1/payments/([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(/events)?")
_ELSEWHERE = ("/healthz", "/readyz")
_FINAL = frozenset({PaymentStatus.COMPLETED.value, PaymentStatus.FAILED.value})
# What an answer of the API says about itself and no stream repeats.
_OF_THE_BODY = {"content-length", "content-type", "etag", "retry-after"}
# What a client says about the answer that it gets here, which is not the API's: an `EventSource` takes a stream only.
_FOR_US = {"accept", "if-none-match", "content-length", "content-type"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name), "")

    @property
    def tag(self) -> str:
        return self.header("etag").removeprefix("W/")

    @property
    def version(self) -> int:
        version: int = json.loads(self.body)["version"]
        return version

    @property
    def is_final(self) -> bool:
        return json.loads(self.body)["status"] in _FINAL

    @property
    def not_modified(self) -> Answer:
        kept = tuple(pair for pair in self.headers if pair[0].lower() not in {"content-length", "content-type"})
        return Answer(status=HTTPStatus.NOT_MODIFIED, headers=kept, body=b"")


# How soon whoever found no room may come again.
FULL_RETRY_SECONDS = 5


class Waiting:
    """The ASGI application."""

    def __init__(self, wsgi: Wsgi) -> None:
        self._wsgi = wsgi
        self._threads = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="waiting")
        self._versions = Versions(self._threads)
        self._places = Places()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        call = _Call(scope)
        match = _PAYMENT.fullmatch(call.path)
        if match is None or call.method != "GET":
            await _send(send, await self._elsewhere(call))
            return
        work = self._stream if match[2] else self._long_poll
        await _until_left(work(call, UUID(match[1]), send), receive)

    async def _elsewhere(self, call: _Call) -> Answer:
        if call.method == "OPTIONS" or call.path in _ELSEWHERE:
            return await self._ask(call)
        return await self._ask(call, path="/api/nothing-here")

    async def _long_poll(self, call: _Call, payment_id: UUID, send: Send) -> None:
        answer = await self._ask(call)
        can_wait = answer.status == HTTPStatus.OK and call.wait_seconds and not answer.is_final
        if can_wait and (not call.known_tags or answer.tag in call.known_tags):
            answer = await self._later(call, payment_id, answer)
        await _send(send, _as_known(answer, call))

    async def _later(self, call: _Call, payment_id: UUID, answer: Answer) -> Answer:
        """Where there is no place this one is all there is to say, and it says when to ask again."""
        try:
            with self._places.one_at(payment_id):
                await self._versions.beyond(payment_id, answer.version, seconds=call.wait_seconds)
        except NoPlace:
            return answer
        return await self._ask(call)

    async def _stream(self, call: _Call, payment_id: UUID, send: Send) -> None:
        answer = await self._ask(call, path=call.path.removesuffix("/events"))
        if answer.status != HTTPStatus.OK:
            await _send(send, answer)
            return
        seen = call.last_event
        if seen is not None and seen >= answer.version and answer.is_final:
            await _send(send, Answer(status=HTTPStatus.NO_CONTENT, headers=_shared(answer), body=b""))
            return
        try:
            with self._places.one_at(payment_id):
                await send(_begun(HTTPStatus.OK, _stream_headers(answer)))
                await self._tell(call, payment_id, send, answer, seen)
        except NoPlace as full:
            await _send(send, _no_room(answer, str(full)))
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _tell(self, call: _Call, payment_id: UUID, send: Send, answer: Answer, seen: int | None) -> None:
        """What was missed, then what happens until its end. A caller who may not look any more hears nothing more."""
        until = asyncio.get_running_loop().time() + STREAM_SECONDS
        while answer.status == HTTPStatus.OK and asyncio.get_running_loop().time() < until:
            if seen is None or answer.version > seen:
                await send(_chunk(await self._messages(payment_id, seen, answer)))
                seen = answer.version
            if answer.is_final:
                return
            if await self._versions.beyond(payment_id, seen, seconds=HEARTBEAT_SECONDS):
                answer = await self._ask(call, path=call.path.removesuffix("/events"))
            else:
                await send(_chunk(": still there\n\n"))

    async def _messages(self, payment_id: UUID, seen: int | None, answer: Answer) -> str:
        state, version = json.loads(answer.body), answer.version
        if seen is None:
            return _message(version, "payment", {"version": version, "payment": state})
        events = await self._run(_events, payment_id, seen, version)
        told = [_message(each["version"], each["type"], {**each, "payment": None}) for each in events[:-1]]
        last: dict[str, Any] = events[-1] if events else {"version": version, "type": "payment"}
        return "".join([*told, _message(version, last["type"], {**last, "payment": state})])

    async def _ask(self, call: _Call, *, path: str = "") -> Answer:
        answer: Answer = await self._run(_answered, self._wsgi, call.environ(path or call.path))
        return answer

    async def _run(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)


class Versions:
    """Who waits for which payment, and one task that looks for all of them while somebody does."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._threads = threads
        self._waiting: dict[UUID, list[tuple[int, asyncio.Future[bool]]]] = {}
        self._task: asyncio.Task[None] | None = None

    async def beyond(self, payment_id: UUID, version: int, *, seconds: float) -> bool:
        """Whether it has a later version now; False when the time was over first."""
        news: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        mine = (version, news)
        self._waiting.setdefault(payment_id, []).append(mine)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look())
        try:
            return await asyncio.wait_for(news, timeout=seconds)
        except TimeoutError:
            return False
        finally:
            self._leave(payment_id, mine)

    def _leave(self, payment_id: UUID, mine: tuple[int, asyncio.Future[bool]]) -> None:
        left = [each for each in self._waiting.get(payment_id, []) if each is not mine]
        if left:
            self._waiting[payment_id] = left
        else:
            self._waiting.pop(payment_id, None)

    async def _look(self) -> None:
        while self._waiting:
            await asyncio.sleep(POLL_SECONDS)
            wanted = list(self._waiting)
            try:
                versions = await asyncio.get_running_loop().run_in_executor(self._threads, _versions, wanted)
            except Exception:
                # Whatever it was, whoever waits is looked for again.
                logger.exception("waiting_not_looked")
                await asyncio.sleep(POLL_PAUSE_SECONDS)
                continue
            for payment_id, version in versions.items():
                for seen, news in self._waiting.get(payment_id, []):
                    if version > seen and not news.done():
                        news.set_result(True)


class _Call:
    """What a client asked, as far as it matters here."""

    def __init__(self, scope: Scope) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self._scope = scope
        self._headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
        self._query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)

    @property
    def wait_seconds(self) -> int:
        """What is no such number the API itself refuses: it is handed on."""
        said = [value for name, value in self._query if name == "wait"]
        is_number = len(said) == 1 and said[0].isascii() and said[0].isdigit() and len(said[0]) <= LONGEST_NUMBER
        seconds = int(said[0]) if is_number else 0
        return seconds if seconds <= MAX_WAIT_SECONDS else 0

    @property
    def known_tags(self) -> set[str]:
        said = dict(self._headers).get("if-none-match", "")
        return {tag.strip().removeprefix("W/") for tag in said.split(",") if tag.strip()}

    @property
    def last_event(self) -> int | None:
        said = dict(self._headers).get("last-event-id", "")
        return int(said) if said.isascii() and said.isdigit() and len(said) <= LONGEST_NUMBER else None

    def environ(self, path: str) -> dict[str, Any]:
        """The same request for the API, which answers at once and in full."""
        query = [(name, value) for name, value in self._query if name != "wait" or not self.wait_seconds]
        server, client = self._scope.get("server") or ("localhost", 80), self._scope.get("client") or ("", 0)
        environ: dict[str, Any] = {
            "REQUEST_METHOD": self.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path.encode("utf-8", "replace").decode("latin-1"),
            "QUERY_STRING": urlencode(query),
            "SERVER_NAME": server[0],
            "SERVER_PORT": str(server[1]),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": client[0],
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": self._scope.get("scheme", "http"),
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in self._headers:
            # With an underscore it would be taken for the header that a proxy of ours has set.
            if "_" not in name and name not in _FOR_US:
                known = f"HTTP_{name.upper().replace('-', '_')}"
                environ[known] = f"{environ[known]},{value}" if known in environ else value
        return environ


def _answered(wsgi: Wsgi, environ: dict[str, Any]) -> Answer:
    """In a thread: the API's answer, with its connection given back."""
    said: dict[str, Any] = {}

    def start(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
        said["answer"] = (int(status.partition(" ")[0]), tuple(headers))

    chunks = wsgi(environ, start)
    try:
        body = b"".join(chunks)
        number, headers = said["answer"]
        return Answer(status=number, headers=headers, body=body)
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()


def _versions(wanted: list[UUID]) -> dict[UUID, int]:
    try:
        return dict(Payment.objects.filter(pk__in=wanted).values_list("pk", "version"))
    finally:
        connection.close()


def _events(payment_id: UUID, seen: int, version: int) -> list[dict[str, Any]]:
    """The newest of those that were missed, in their order."""
    try:
        missed = Event.objects.filter(stream_id=payment_id, version__gt=seen, version__lte=version)
        newest = list(missed.order_by("-version").values("version", "type", "at")[:MOST_EVENTS])
    finally:
        connection.close()
    return [{**each, "at": each["at"].isoformat()} for each in reversed(newest)]


def _as_known(answer: Answer, call: _Call) -> Answer:
    is_known = answer.status == HTTPStatus.OK and answer.tag in call.known_tags
    return answer.not_modified if is_known else answer


def _no_room(answer: Answer, sentence: str) -> Answer:
    """To a caller who may look."""
    problem = Problem(TOO_MANY_WAITING, sentence)
    body = problem.as_json(request_id=answer.header("x-request-id"))
    headers = (*_shared(answer), ("Content-Type", CONTENT_TYPE), ("Retry-After", str(FULL_RETRY_SECONDS)))
    return Answer(status=int(problem.kind.status), headers=headers, body=json.dumps(body).encode())


def _message(version: int, event: str, data: Mapping[str, Any]) -> str:
    return f"id: {version}\nevent: {event}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def _chunk(text: str) -> dict[str, Any]:
    return {"type": "http.response.body", "body": text.encode(), "more_body": True}


def _shared(answer: Answer) -> tuple[tuple[str, str], ...]:
    return tuple(pair for pair in answer.headers if pair[0].lower() not in _OF_THE_BODY)


def _stream_headers(answer: Answer) -> tuple[tuple[str, str], ...]:
    kept = tuple(pair for pair in _shared(answer) if pair[0].lower() != "cache-control")
    # The last one is for proxies that would collect an answer before they pass it on.
    return (*kept, ("Content-Type", "text/event-stream"), ("Cache-Control", "no-store"), ("X-Accel-Buffering", "no"))


def _raw(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]


def _begun(status: int, headers: Iterable[tuple[str, str]]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": _raw(headers)}


async def _send(send: Send, answer: Answer) -> None:
    await send(_begun(answer.status, answer.headers))
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})


class _Over(Exception):
    """The answer is given, or whoever asked has hung up: what still runs beside it ends."""


async def _until_left(work: Awaitable[None], receive: Receive) -> None:
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(_left(receive))
            await work
            raise _Over
    except* _Over:
        pass


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    raise _Over
