"""How often somebody may call: counted atomically in Redis. Without Redis each process counts for itself."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, cast

import redis
from django.conf import settings
from redis.exceptions import RedisError

from api.problems import RATE_LIMITED, Problem
from kernel import clock
from kernel.pauses import Pause

logger = logging.getLogger(__name__)

WINDOW_SECONDS = 60
# A Redis that is slower to answer than this is not waited for: the request goes on uncounted.
REDIS_SECONDS = 0.25
# After Redis did not answer, its absence is not found out by every request anew.
PAUSE_SECONDS = 5.0
# In one process without Redis. Whoever comes from more addresses than this is not stopped by counting.
MOST_COUNTED = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """So many requests a minute."""

    name: str
    per_minute: int


def of_callers() -> Policy:
    """A busy platform's key, and a person's hands."""
    return Policy(name="caller", per_minute=settings.STEWARD_REQUESTS_PER_MINUTE)


def of_addresses() -> Policy:
    """Of whoever is not known: one address may be a restaurant's whole Wi-Fi."""
    return Policy(name="address", per_minute=max(1, settings.STEWARD_REQUESTS_PER_MINUTE // 2))


# Each of these asks a provider.
REFRESH = Policy(name="refresh", per_minute=6)
# Of one payment: a guest with several cards needs some tries, and whoever tries out stolen ones gets no more.
TRIES = Policy(name="tries", per_minute=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    policy: Policy
    hits: int
    reset_seconds: int

    @property
    def is_over(self) -> bool:
        return self.hits > self.policy.per_minute

    def headers(self) -> Mapping[str, str]:
        """The form of the IETF's draft on rate limit headers."""
        name, left = f'"{self.policy.name}"', max(0, self.policy.per_minute - self.hits)
        return {
            "RateLimit-Policy": f"{name};q={self.policy.per_minute};w={WINDOW_SECONDS}",
            "RateLimit": f"{name};r={left};t={self.reset_seconds}",
        }


def check(policy: Policy, who: str) -> Counted | None:
    """None: nobody could count, and the request goes on."""
    counted = count(policy, who)
    if counted is not None and counted.is_over:
        headers = {**counted.headers(), "Retry-After": str(max(1, counted.reset_seconds))}
        sentence = f"More than {policy.per_minute} requests a minute. Go on in {counted.reset_seconds} s."
        raise Problem(RATE_LIMITED, sentence, headers=headers)
    return counted


def count(policy: Policy, who: str) -> Counted | None:
    counter = _counter()
    if counter is None:
        return None
    try:
        hits, milliseconds = counter.hit(f"steward:limit:{policy.name}:{who}")
    except (RedisError, OSError) as error:
        logger.warning("limits_uncounted", extra={"error": type(error).__name__})
        _pause.begin()
        return None
    return Counted(policy=policy, hits=hits, reset_seconds=math.ceil(milliseconds / MILLISECONDS))


MILLISECONDS = 1000


class _Counter(Protocol):
    def hit(self, name: str) -> tuple[int, int]:
        """How often in this window, and the milliseconds that it still lasts."""


class _InRedis:
    """One script, so that two hits are never one and no counter is left without its end."""

    _SCRIPT = """
        local hits = redis.call('INCR', KEYS[1])
        local left = redis.call('PTTL', KEYS[1])
        if left < 0 then
            left = tonumber(ARGV[1])
            redis.call('PEXPIRE', KEYS[1], left)
        end
        return {hits, left}"""

    def __init__(self, url: str) -> None:
        client = redis.Redis.from_url(url, socket_connect_timeout=REDIS_SECONDS, socket_timeout=REDIS_SECONDS)
        self._script = client.register_script(self._SCRIPT)

    def hit(self, name: str) -> tuple[int, int]:
        hits, left = cast("tuple[int, int]", self._script(keys=[name], args=[WINDOW_SECONDS * MILLISECONDS]))
        return hits, left


class _InMemory:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._windows: dict[str, tuple[int, float]] = {}

    def hit(self, name: str) -> tuple[int, int]:
        now = clock.monotonic()
        with self._lock:
            hits, until = self._windows.get(name, (0, 0.0))
            hits, until = (hits + 1, until) if until > now else (1, now + WINDOW_SECONDS)
            if name not in self._windows and len(self._windows) >= MOST_COUNTED:
                self._windows.clear()
            self._windows[name] = (hits, until)
        return hits, int((until - now) * MILLISECONDS)


_pause = Pause(seconds=PAUSE_SECONDS)


def _counter() -> _Counter | None:
    if not settings.REDIS_URL:
        return _in_memory()
    return None if _pause.is_on else _in_redis(settings.REDIS_URL)


@lru_cache(maxsize=1)
def _in_redis(url: str) -> _Counter:
    return _InRedis(url)


@lru_cache(maxsize=1)
def _in_memory() -> _Counter:
    return _InMemory()
