"""Waiting for a payment: a long poll and a stream, with no thread and no connection held meanwhile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection

from accounts.models import ApiKey
from accounts.services.keys import revoke_api_key
from kernel.money import Money
from orders.models import Order
from payments import waiting
from payments.gateways.contract import Answer, ErrorCode, LookUpResult, Outcome
from payments.models import Payment
from payments.services.evidence import Evidence, Finding, Source
from payments.services.settlement import settle_attempt
from payments.waiting import Waiting
from tests.api.conftest import Caller, card, created
from tests.scripted import ScriptedGateway, outcome

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


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "POLL_SECONDS", 0.05)


@pytest.fixture
def doubtful(key: Caller, order: Order, provider_a: ScriptedGateway) -> Payment:
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    return created(key.post("/payments", card(order)))


def path_of(payment: Payment) -> str:
    return f"/api/v1/payments/{payment.pk}"


def played(scene: Callable[[Waiting], Coroutine[Any, Any, None]]) -> None:
    """In an event loop of its own; the test's thread is where the rest of the world goes on."""
    asyncio.run(scene(Waiting(WSGIHandler())))


def settle(key: Caller, payment: Payment, provider: ScriptedGateway) -> Callable[[], Any]:
    def act() -> None:
        provider.look_ups.append(
            LookUpResult(answer=Answer.SUCCEEDED, money=Money(payment.charge_minor, "INR"), reference="ch_1")
        )
        assert key.post(f"/payments/{payment.pk}/refresh").json()["status"] == "completed"
        connection.close()

    return sync_to_async(act, thread_sensitive=False)


def test_a_long_poll_answers_when_something_happens(
    key: Caller, doubtful: Payment, provider_a: ScriptedGateway
) -> None:
    async def scene(application: Waiting) -> None:
        bearer = f"Bearer {key.secret}"
        visit = Visit(application).begin(path_of(doubtful), query="wait=25", authorization=bearer)
        await asyncio.sleep(0.4)
        assert not visit.is_over
        await settle(key, doubtful, provider_a)()
        await visit.end()
        assert (visit.status, visit.said["status"]) == (200, "completed")
        assert "etag" in visit.headers

    played(scene)


def test_a_long_poll_ends_with_the_present_state(key: Caller, doubtful: Payment) -> None:
    async def scene(application: Waiting) -> None:
        bearer = f"Bearer {key.secret}"
        visit = await Visit(application).begin(path_of(doubtful), query="wait=1", authorization=bearer).end()
        assert (visit.status, visit.said["in_doubt"]) == (200, True)
        tag = visit.headers["etag"]
        known = Visit(application).begin(path_of(doubtful), query="wait=1", authorization=bearer, if_none_match=tag)
        await known.end()
        assert (known.status, known.body) == (304, b"")

    played(scene)


def test_what_is_news_already_is_answered_at_once(key: Caller, doubtful: Payment) -> None:
    async def scene(application: Waiting) -> None:
        bearer = f"Bearer {key.secret}"
        visit = Visit(application).begin(
            path_of(doubtful), query="wait=25", authorization=bearer, if_none_match='"an-older-one"'
        )
        await asyncio.wait_for(visit.end(), 3)
        assert visit.status == 200

    played(scene)


def test_what_has_come_to_its_end_is_answered_at_once(key: Caller, order: Order) -> None:
    paid = created(key.post("/payments", card(order)))

    async def scene(application: Waiting) -> None:
        bearer = f"Bearer {key.secret}"
        visit = Visit(application).begin(path_of(paid), query="wait=25", authorization=bearer)
        await asyncio.wait_for(visit.end(), 3)
        assert visit.said["status"] == "completed"

    played(scene)


def test_whoever_may_not_look_does_not_wait(key: Caller, doubtful: Payment) -> None:
    async def scene(application: Waiting) -> None:
        for secret, status in (("", 401), ("Bearer test_nobody", 401)):
            headers = {"authorization": secret} if secret else {}
            for path in (path_of(doubtful), f"{path_of(doubtful)}/events"):
                visit = await Visit(application).begin(path, query="wait=25", **headers).end()
                assert (visit.status, visit.said["status"]) == (status, status)

    played(scene)


@pytest.mark.parametrize("query", ["wait=26", "wait=soon", "wait=-1", "wait=1&wait=2", "colour=red"])
def test_what_is_no_wait_is_refused_as_everywhere(key: Caller, doubtful: Payment, query: str) -> None:
    async def scene(application: Waiting) -> None:
        visit = Visit(application).begin(path_of(doubtful), query=query, authorization=f"Bearer {key.secret}")
        await visit.end()
        assert (visit.status, visit.said["code"]) == (400, "bad_query")

    played(scene)


def test_there_is_nothing_else_here(key: Caller, doubtful: Payment) -> None:
    async def scene(application: Waiting) -> None:
        bearer = f"Bearer {key.secret}"
        for method, path in (("GET", "/api/v1/orders"), ("POST", path_of(doubtful)), ("GET", "/admin/")):
            visit = await Visit(application).begin(path, method=method, authorization=bearer).end()
            assert visit.status == 404
        alive = await Visit(application).begin("/healthz").end()
        assert alive.status == 200

    played(scene)


def test_a_stream_tells_the_state_and_then_what_happens(
    key: Caller, doubtful: Payment, provider_a: ScriptedGateway
) -> None:
    async def scene(application: Waiting) -> None:
        stream = Visit(application).begin(f"{path_of(doubtful)}/events", authorization=f"Bearer {key.secret}")
        (first,) = await stream.until(1)
        assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream")
        assert first["event"] == "payment"
        assert first["data"]["payment"]["in_doubt"] is True
        await settle(key, doubtful, provider_a)()
        messages = await stream.until(2)
        assert messages[-1]["event"] == "payment.completed"
        assert messages[-1]["data"]["payment"]["status"] == "completed"
        assert int(messages[-1]["id"]) > int(first["id"])
        stream.leave()
        await stream.end()

    played(scene)


def test_a_stream_goes_on_after_the_last_event(key: Caller, doubtful: Payment, provider_a: ScriptedGateway) -> None:
    async def scene(application: Waiting) -> None:
        bearer = f"Bearer {key.secret}"
        await settle(key, doubtful, provider_a)()
        stream = Visit(application).begin(f"{path_of(doubtful)}/events", authorization=bearer, last_event_id="1")
        messages = await stream.until(3)
        assert messages[0]["event"] == "payment.started"
        assert [int(message["id"]) for message in messages] == list(range(2, 2 + len(messages)))
        assert messages[-1]["data"]["payment"]["status"] == "completed"
        assert all(message["data"]["payment"] is None for message in messages[:-1])
        last = messages[-1]["id"]
        stream.leave()
        await stream.end()
        # Nothing more will come: an EventSource comes back no more.
        over = Visit(application).begin(f"{path_of(doubtful)}/events", authorization=bearer, last_event_id=last)
        await over.end()
        assert over.status == 204

    played(scene)


def test_a_stream_ends_with_its_callers_right_to_look(
    key: Caller, doubtful: Payment, provider_a: ScriptedGateway
) -> None:
    async def scene(application: Waiting) -> None:
        stream = Visit(application).begin(f"{path_of(doubtful)}/events", authorization=f"Bearer {key.secret}")
        await stream.until(1)
        await sync_to_async(_revoke_all, thread_sensitive=False)()
        await sync_to_async(_change, thread_sensitive=False)(doubtful)
        await stream.end()
        assert len(stream.messages) == 1

    played(scene)


def test_whoever_leaves_is_waited_for_no_longer(key: Caller, doubtful: Payment) -> None:
    async def scene(application: Waiting) -> None:
        visit = Visit(application).begin(path_of(doubtful), query="wait=25", authorization=f"Bearer {key.secret}")
        await asyncio.sleep(0.3)
        assert application._versions._count == 1
        visit.leave()
        await visit.end()
        assert application._versions._count == 0
        assert application._versions._waiting == {}

    played(scene)


def test_where_too_many_wait_the_next_is_answered_at_once(
    key: Caller, doubtful: Payment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "MOST_WAITING", 0)

    async def scene(application: Waiting) -> None:
        visit = Visit(application).begin(path_of(doubtful), query="wait=25", authorization=f"Bearer {key.secret}")
        await visit.end()
        assert (visit.status, visit.said["status"]) == (200, "processing")
        assert "retry-after" in visit.headers

    played(scene)


def test_where_too_many_wait_no_stream_begins(key: Caller, doubtful: Payment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "MOST_WAITING", 0)

    async def scene(application: Waiting) -> None:
        visit = Visit(application).begin(f"{path_of(doubtful)}/events", authorization=f"Bearer {key.secret}")
        await visit.end()
        assert (visit.status, visit.headers["retry-after"]) == (503, "5")
        assert visit.headers["content-type"] == "application/problem+json"
        assert (visit.said["code"], visit.said["request_id"]) == ("too_many_waiting", visit.headers["x-request-id"])
        stranger = await Visit(application).begin(f"{path_of(doubtful)}/events").end()
        assert stranger.status == 401

    played(scene)


def test_no_header_is_taken_for_a_proxys() -> None:
    scope = {
        "method": "GET",
        "path": "/",
        "query_string": b"",
        "headers": [
            (b"x-forwarded-for", b"10.0.0.9"),
            (b"x_forwarded_for", b"1.2.3.4"),
            (b"accept", b"a"),
            (b"accept", b"b"),
        ],
    }

    environ = waiting._Call(scope).environ("/")

    assert (environ["HTTP_X_FORWARDED_FOR"], environ["HTTP_ACCEPT"]) == ("10.0.0.9", "a,b")


def test_an_id_that_no_event_has_is_none() -> None:
    scope = {"method": "GET", "path": "/", "query_string": b"", "headers": [(b"last-event-id", b"9" * 5_000)]}

    assert waiting._Call(scope).last_event is None


@pytest.mark.slow
def test_many_wait_and_nobody_holds_a_connection(key: Caller, doubtful: Payment, provider_a: ScriptedGateway) -> None:
    async def scene(application: Waiting) -> None:
        bearer = f"Bearer {key.secret}"
        visits = [
            Visit(application).begin(path_of(doubtful), query="wait=25", authorization=bearer) for _ in range(500)
        ]
        async with asyncio.timeout(20):
            while application._versions._count < len(visits):
                await asyncio.sleep(0.1)
        await asyncio.sleep(0.5)
        # One for the task that looks; its pool may keep what four threads used, idle.
        assert await sync_to_async(_connections, thread_sensitive=False)() <= 6
        await settle(key, doubtful, provider_a)()
        for visit in visits:
            await visit.end()
        assert {visit.said["status"] for visit in visits} == {"completed"}

    played(scene)


def _revoke_all() -> None:
    for key in ApiKey.objects.all():
        revoke_api_key(key_id=key.pk)
    connection.close()


def _change(payment: Payment) -> None:
    """A doubt that ends: something happened, whoever may hear of it."""
    evidence = Evidence(source=Source.LOOK_UP, finding=Finding.DECLINED)
    settle_attempt(attempt_id=payment.attempts.get().pk, evidence=evidence)
    connection.close()


def _connections() -> int:
    """Busy ones of this database, this question's own left out."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND state <> 'idle'"
        )
        (count,) = cursor.fetchone()
    connection.close()
    return int(count)
