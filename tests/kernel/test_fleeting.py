"""What may be forgotten: kept where there is a cache, and where there is none nobody hears of it or waits for it."""

from __future__ import annotations

import time as real_time

import pytest
from pytest_django.fixtures import Settings

from kernel import fleeting
from kernel.clock import new_id
from kernel.pauses import Pause
from tests.gateways.conftest import RedisServer, mortal_redis, redis_server
from tests.time_machine import ShiftedClock

__all__ = ["mortal_redis", "redis_server"]
NOBODY_LISTENS = "redis://127.0.0.1:1/0"


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(fleeting, "_pause", Pause(seconds=fleeting.PAUSE_SECONDS))
    return str(new_id())


def use(settings: Settings, url: str) -> None:
    """As the settings have it."""
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": url,
            "OPTIONS": {"socket_connect_timeout": 0.5, "socket_timeout": 0.5},
        }
    }


def test_what_is_kept_is_recalled(key: str) -> None:
    assert fleeting.recall(key) is None

    fleeting.keep(key, {"a": 1}, seconds=60)

    assert fleeting.recall(key) == {"a": 1}


def test_without_a_cache_nothing_is_known_and_nothing_breaks(
    key: str, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    use(settings, NOBODY_LISTENS)

    fleeting.keep(key, 1, seconds=60)

    assert fleeting.recall(key) is None
    # The second one was not even tried.
    assert [record.getMessage() for record in caplog.records] == ["cache_is_away"]


def test_a_cache_that_hangs_is_waited_for_once_in_a_while(
    key: str, settings: Settings, mortal_redis: RedisServer, time: ShiftedClock
) -> None:
    use(settings, mortal_redis.url)
    fleeting.keep(key, 1, seconds=60)
    mortal_redis.hang()

    started = real_time.monotonic()
    assert [fleeting.recall(key) for _ in range(20)] == [None] * 20

    assert real_time.monotonic() - started < 1.0
    mortal_redis.resume()
    time.advance(seconds=fleeting.PAUSE_SECONDS)
    assert fleeting.recall(key) == 1
