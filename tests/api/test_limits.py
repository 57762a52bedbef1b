"""How often somebody may call: counted exactly, told in every answer, and no reason to lose a payment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client, RequestFactory
from django.test.utils import override_settings
from pytest_django.fixtures import Settings
from redis.exceptions import ConnectionError as RedisGone

from api import limits
from api.addresses import NOWHERE, address_of
from api.limits import Policy
from kernel.pauses import Pause
from orders.models import Order
from tests.api.conftest import Caller, card, code_of
from tests.gateways.conftest import RedisServer, redis_server, shared_redis

__all__ = ["redis_server", "shared_redis"]
FEW = Policy(name="few", per_minute=5)


@pytest.fixture
def few(settings: Settings) -> None:
    """Six a minute for a caller, three for an address."""
    settings.STEWARD_REQUESTS_PER_MINUTE = 6


def test_every_answer_says_how_much_is_left(key: Caller, few: None) -> None:
    first, second = key.get("/caller"), key.get("/caller")

    assert first.headers["ratelimit-policy"] == '"caller";q=6;w=60'
    assert [answer.headers["ratelimit"].split(";")[1] for answer in (first, second)] == ["r=5", "r=4"]


def test_beyond_the_limit_it_is_said_when_to_come_back(key: Caller, few: None, order: Order) -> None:
    answers = [key.get("/caller") for _ in range(6)]

    refused = key.post("/payments", card(order))

    assert {answer.status_code for answer in answers} == {200}
    assert code_of(refused) == (429, "rate_limited")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.headers["ratelimit"].startswith('"caller";r=0')
    assert refused.json()["next_action"] == "retry_same"


def test_one_callers_limit_is_no_others(key: Caller, finance: Caller, few: None) -> None:
    for _ in range(7):
        key.get("/caller")

    assert key.get("/caller").status_code == 429
    assert finance.get("/caller").status_code == 200


def test_whoever_tries_out_keys_is_counted_by_address(few: None, db: None) -> None:
    answers = [Caller(f"test_{number}").get("/caller") for number in range(5)]

    assert [answer.status_code for answer in answers] == [401] * 3 + [429] * 2


def test_whoever_shows_nothing_is_counted_by_address(few: None, db: None) -> None:
    assert [Caller().get("/caller").status_code for _ in range(4)] == [401] * 3 + [429]


def test_whoever_may_not_is_counted_too(waiter: Caller, few: None) -> None:
    answers = [waiter.get("/cases") for _ in range(7)]

    assert [answer.status_code for answer in answers] == [403] * 6 + [429]
    assert answers[0].headers["ratelimit"].startswith('"caller";r=5')


def test_whoever_is_not_known_is_told_what_is_left(few: None, db: None) -> None:
    for stranger in (Caller(), Caller("test_unknown")):
        assert stranger.get("/caller").headers["ratelimit"].startswith('"address";')


def test_signing_in_is_counted_by_address(few: None, db: None) -> None:
    statuses = [Caller().post("/tokens", {}).status_code for _ in range(4)]

    assert statuses == [422] * 3 + [429]


@pytest.fixture
def redis(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """A real one, as in production."""
    counter = limits._InRedis(redis_server.url)
    monkeypatch.setattr(limits, "_counter", lambda: None if limits._pause.is_on else counter)
    monkeypatch.setattr(limits, "_pause", Pause(seconds=limits.PAUSE_SECONDS))
    return redis_server.url


def hit(policy: Policy, who: str) -> bool:
    counted = limits.count(policy, who)
    assert counted is not None
    return not counted.is_over


def test_among_many_at_once_it_is_exact(redis: str) -> None:
    policy, who = replace(FEW, per_minute=37), str(uuid4())

    with ThreadPoolExecutor(max_workers=50) as pool:
        allowed = list(pool.map(lambda _: hit(policy, who), range(200)))

    assert sum(allowed) == 37


def test_without_redis_payments_go_on_uncounted(
    key: Caller, order: Order, redis: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def gone(self: Any, name: str) -> tuple[int, int]:
        asked.append(name)
        raise RedisGone("connection refused")

    monkeypatch.setattr(limits._InRedis, "hit", gone)

    answer = key.post("/payments", card(order))

    assert answer.status_code == 201
    assert "ratelimit" not in answer.headers
    key.get("/caller")
    assert len(asked) == 1


def test_memory_is_bounded_where_there_is_no_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_COUNTED", 10)
    counter = limits._InMemory()

    for number in range(100):
        counter.hit(str(number))

    assert len(counter._windows) <= 10


FORWARDED = "203.0.113.9, 198.51.100.7"


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, FORWARDED, "10.0.0.1"),
        (1, FORWARDED, "198.51.100.7"),
        (2, FORWARDED, "203.0.113.9"),
        (3, FORWARDED, "10.0.0.1"),
        (1, "", NOWHERE),
        (1, "not an address", NOWHERE),
        (1, "2001:DB8::1", "2001:db8::"),
        (1, "::ffff:203.0.113.9", "203.0.113.9"),
        (1, "::FFFF:cb00:7109", "203.0.113.9"),
    ],
)
def test_only_our_own_proxies_are_believed(proxies: int, forwarded: str, expected: str) -> None:
    request = RequestFactory().get("/", headers={"X-Forwarded-For": forwarded}, REMOTE_ADDR="10.0.0.1")

    with override_settings(STEWARD_PROXIES=proxies):
        assert address_of(request) == expected


def test_a_page_of_another_origin_is_let_in_only_if_it_is_named(key: Caller) -> None:
    asked = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"}

    with override_settings(CORS_ALLOWED_ORIGINS=["https://app.example.com"]):
        preflight = Client().options("/api/v1/payments", headers=asked)
        answer = key.get("/caller", Origin="https://app.example.com")
    stranger = Client().options("/api/v1/payments", headers={**asked, "Origin": "https://evil.example"})

    assert preflight.headers["access-control-allow-origin"] == "https://app.example.com"
    assert "idempotency-key" in preflight.headers["access-control-allow-headers"]
    assert "retry-after" in answer.headers["access-control-expose-headers"]
    assert "access-control-allow-origin" not in stranger.headers
