"""What a test run stands on: a Redis of its own whatever the environment names, or none."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import redis

from config.local import servers
from config.local.programs import Program, may_be_skipped
from config.local.state import PROJECT
from tests.throw_away import BROKERS, throw_away_servers

needs_redis = pytest.mark.skipif(may_be_skipped(Program.REDIS), reason=f"{Program.REDIS} is missing")
NAMES = ("DATABASE_URL", "REDIS_URL", *BROKERS)
# What pytest and its tests are left with.
PLUGIN = """
import os
from tests import servers
from tests.throw_away import BROKERS
print(*(os.environ[name] for name in ("DATABASE_URL", "REDIS_URL", *BROKERS) if name in os.environ))
servers.pytest_unconfigure()
"""
DATABASE_URL = "postgres://somewhere/else"


@pytest.fixture(autouse=True)
def _put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DJANGO_SETTINGS_MODULE", *NAMES):
        monkeypatch.setenv(name, os.environ.get(name, ""))


@pytest.fixture
def somebody_s() -> Iterator[str]:
    """A Redis in which something lies."""
    with throw_away_servers() as here:
        redis.Redis.from_url(str(here.redis_url)).set("kept", "42")
        yield str(here.redis_url)


def left_to_pytest(**given: str) -> list[str]:
    """In a process of its own that is nobody's worker."""
    inherited = {name: text for name, text in os.environ.items() if name not in {"PYTEST_XDIST_WORKER", *NAMES}}
    words = [sys.executable, "-c", PLUGIN]
    return subprocess.run(
        words, cwd=PROJECT, env=inherited | given, stdout=subprocess.PIPE, text=True, check=True
    ).stdout.split()


@needs_redis
def test_tests_leave_somebody_s_redis_and_broker_alone(somebody_s: str) -> None:
    """They empty databases of the Redis that they use, and their workers take what they find in the queue."""
    given = dict.fromkeys(("REDIS_URL", *BROKERS), somebody_s)

    database_url, redis_url, *brokers = left_to_pytest(DATABASE_URL=DATABASE_URL, **given)

    assert database_url == DATABASE_URL
    assert urlsplit(redis_url).port not in {urlsplit(somebody_s).port, None}
    assert brokers == []


@needs_redis
def test_a_command_beside_throw_away_servers_leaves_it_alone_as_well(
    somebody_s: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", somebody_s)

    with throw_away_servers() as here:
        assert os.environ["REDIS_URL"] == here.redis_url
        redis.Redis.from_url(str(here.redis_url)).flushall()

    assert redis.Redis.from_url(somebody_s).get("kept") == b"42"


def test_tests_do_without_redis_where_they_are_told_to() -> None:
    given = {"DATABASE_URL": DATABASE_URL, "REDIS_URL": servers.WITHOUT_REDIS}

    assert left_to_pytest(**given) == [DATABASE_URL, servers.WITHOUT_REDIS]


def test_tests_that_find_no_redis_to_start_say_so_rather_than_use_somebody_s(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(servers, "find_redis", lambda: None)
    monkeypatch.setenv("DATABASE_URL", DATABASE_URL)
    monkeypatch.setenv("REDIS_URL", "redis://somewhere")

    with throw_away_servers() as here:
        assert here.redis_url is None
        assert os.environ["REDIS_URL"] == servers.WITHOUT_REDIS

    assert capsys.readouterr().err == f"{servers.NO_REDIS_OF_OUR_OWN}\n"
