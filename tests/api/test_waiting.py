"""Waiting for a payment: a long poll and a stream, with no thread and no connection held meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection

from accounts.models import ApiKey
from accounts.services.keys import revoke_api_key
from kernel.money import Money
from orders.models import Order
from payments import places, waiting
from payments.gateways.contract import Answer, ErrorCode, LookUpResult, Outcome
from payments.models import Payment
from payments.services.evidence import Evidence, Finding, Source
from payments.services.settlement import settle_attempt
from payments.waiting import Waiting
from tests.api.conftest import Caller, card, code_of, created
from tests.api.visits import SOON, Visit, path_of, played
from tests.factories import order_of
from tests.scripted import ScriptedGateway, outcome


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "POLL_SECONDS", 0.05)


@pytest.fixture
def doubtful(key: Caller, order: Order, provider_a: ScriptedGateway) -> Payment:
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    return created(key.post("/payments", card(order)))


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
        await stream.end()  # With its payment: nobody has to leave.

    played(scene)


def test_whoever_accepts_a_stream_only_gets_one(key: Caller, doubtful: Payment) -> None:
    """Every `EventSource` says so."""

    async def scene(application: Waiting) -> None:
        said = {"authorization": f"Bearer {key.secret}", "accept": "text/event-stream"}
        stream = Visit(application).begin(f"{path_of(doubtful)}/events", **said)
        (first,) = await stream.until(1)
        assert (stream.status, first["event"]) == (200, "payment")
        stream.leave()
        await stream.end()

    played(scene)


def test_the_process_that_does_not_wait_says_so_whatever_is_accepted(key: Caller, doubtful: Payment) -> None:
    answer = key.get(f"/payments/{doubtful.pk}/events", Accept="text/event-stream")

    assert code_of(answer) == (421, "not_here")
    assert code_of(Caller().get(f"/payments/{doubtful.pk}/events", Accept="text/event-stream"))[0] == 401


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
        assert application._places.taken == 1
        visit.leave()
        await visit.end()
        assert application._places.taken == 0
        assert application._versions._waiting == {}

    played(scene)


def test_where_too_many_wait_the_next_is_answered_at_once(
    key: Caller, doubtful: Payment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "MOST_WAITING", 0)

    async def scene(application: Waiting) -> None:
        visit = Visit(application).begin(path_of(doubtful), query="wait=25", authorization=f"Bearer {key.secret}")
        await visit.end()
        assert (visit.status, visit.said["status"]) == (200, "processing")
        assert "retry-after" in visit.headers

    played(scene)


def test_where_too_many_wait_no_stream_begins(key: Caller, doubtful: Payment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "MOST_WAITING", 0)

    async def scene(application: Waiting) -> None:
        visit = Visit(application).begin(f"{path_of(doubtful)}/events", authorization=f"Bearer {key.secret}")
        await visit.end()
        assert (visit.status, visit.headers["retry-after"]) == (503, "5")
        assert visit.headers["content-type"] == "application/problem+json"
        assert (visit.said["code"], visit.said["request_id"]) == ("too_many_waiting", visit.headers["x-request-id"])
        stranger = await Visit(application).begin(f"{path_of(doubtful)}/events").end()
        assert stranger.status == 401

    played(scene)


def test_one_payment_takes_some_places_and_not_all(
    key: Caller, doubtful: Payment, order: Order, provider_a: ScriptedGateway
) -> None:
    """Whoever holds one guest's token could keep everybody else from waiting."""
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    other = created(key.post("/payments", card(order_of(order.restaurant))))

    async def scene(application: Waiting) -> None:
        bearer, events = f"Bearer {key.secret}", f"{path_of(doubtful)}/events"
        streams = [
            Visit(application).begin(events, authorization=bearer) for _ in range(places.MOST_OF_ONE_PAYMENT + 1)
        ]
        async with asyncio.timeout(SOON):
            while not all(stream.status for stream in streams):
                await asyncio.sleep(0.02)
        (refused,) = [stream for stream in streams if stream.status != 200]
        await refused.end()
        assert (refused.status, refused.said["code"]) == (503, "too_many_waiting")
        assert refused.headers["retry-after"] == "5"
        assert refused.said["detail"].startswith("20 clients wait for this payment already.")
        at_once = Visit(application).begin(path_of(doubtful), query="wait=25", authorization=bearer)
        await asyncio.wait_for(at_once.end(), 3)
        assert (at_once.status, at_once.said["status"]) == (200, "processing")
        assert "retry-after" in at_once.headers
        elsewhere = Visit(application).begin(f"{path_of(other)}/events", authorization=bearer)
        await elsewhere.until(1)
        for stream in (*streams, elsewhere):
            stream.leave()
            await stream.end()
        assert application._places.taken == 0
        again = Visit(application).begin(events, authorization=bearer)
        await again.until(1)
        again.leave()
        await again.end()

    played(scene)


def test_no_header_is_taken_for_a_proxys() -> None:
    scope = {
        "method": "GET",
        "path": "/",
        "query_string": b"",
        "headers": [
            (b"x-forwarded-for", b"10.0.0.9"),
            (b"x_forwarded_for", b"1.2.3.4"),
            (b"accept-language", b"hi"),
            (b"accept-language", b"en"),
        ],
    }

    environ = waiting._Call(scope).environ("/")

    assert (environ["HTTP_X_FORWARDED_FOR"], environ["HTTP_ACCEPT_LANGUAGE"]) == ("10.0.0.9", "hi,en")


def test_an_id_that_no_event_has_is_none() -> None:
    scope = {"method": "GET", "path": "/", "query_string": b"", "headers": [(b"last-event-id", b"9" * 5_000)]}

    assert waiting._Call(scope).last_event is None


@pytest.mark.slow
def test_many_wait_and_nobody_holds_a_connection(
    key: Caller, doubtful: Payment, provider_a: ScriptedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "MOST_OF_ONE_PAYMENT", 500)  # As if each had one of their own.

    async def scene(application: Waiting) -> None:
        bearer = f"Bearer {key.secret}"
        visits = [
            Visit(application).begin(path_of(doubtful), query="wait=25", authorization=bearer) for _ in range(500)
        ]
        async with asyncio.timeout(20):
            while application._places.taken < len(visits):
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
