"""PostgreSQL and Redis for one state folder: started if nobody gave an address, stopped when the body ends."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Final

from config.local.binaries import find_redis
from config.local.postgres_server import PostgresServer
from config.local.processes import Child
from config.local.redis_server import RedisServer
from config.local.state import STATE_FOLDER, claim, make_folder

# Said instead of an address: go without Redis, although it could be had.
WITHOUT_REDIS: Final = "none"
NO_REDIS: Final = "Redis is not here; Steward works without it. (Debian: apt-get install redis-server)"
NO_REDIS_OF_OUR_OWN: Final = (
    "REDIS_URL is passed over, for tests empty the Redis that they use; and to start one of their own,"
    " redis-server is missing. (Debian: apt-get install redis-server)"
)

Say = Callable[[str], None]


class WhichRedis(Enum):
    """The one to use. Where REDIS_URL says `none` it is none in any case."""

    GIVEN = auto()  # The one that REDIS_URL names, or our own.
    OWN = auto()  # The one that REDIS_URL names is somebody's, and nobody here touches it.
    NONE = auto()


@dataclass(frozen=True, slots=True)
class Servers:
    """Addresses, and the servers that were started here. No Redis is a way to run, not a fault."""

    database_url: str
    redis_url: str | None
    started: tuple[PostgresServer | RedisServer, ...] = ()

    @property
    def children(self) -> tuple[Child, ...]:
        return tuple(server.child for server in self.started if server.child)


def say_on_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")


@contextlib.contextmanager
def local_servers(
    *, state_dir: Path, durable: bool = True, which_redis: WhichRedis = WhichRedis.GIVEN, say: Say = say_on_stderr
) -> Iterator[Servers]:
    """DATABASE_URL and REDIS_URL win. What they do not name is started, and stopped however the body ends.

    The servers die with the thread that calls this: start them from a thread that lives as long as they should.
    """
    database_url = os.environ.get("DATABASE_URL") or None
    redis_url = _redis_url(which_redis)
    if database_url and redis_url:
        yield Servers(database_url, _known_redis(redis_url))
        return
    state = make_folder(state_dir.absolute(), mode=STATE_FOLDER)
    with claim(state / "servers.lock"), contextlib.ExitStack() as stack:
        postgres = None if database_url else PostgresServer(state=state, durable=durable, say=say)
        redis = None if redis_url else _redis_server(state=state, durable=durable, say=say)
        started = tuple(server for server in (postgres, redis) if server)
        for server in started:
            stack.callback(server.stop)
            server.start()
        yield Servers(
            database_url=postgres.url if postgres else str(database_url),
            redis_url=redis.url if redis else _known_redis(redis_url),
            started=started,
        )


def _redis_url(which: WhichRedis) -> str | None:
    """None: one has to be started."""
    given = os.environ.get("REDIS_URL") or None
    if which is WhichRedis.NONE or given == WITHOUT_REDIS:
        return WITHOUT_REDIS
    return given if which is WhichRedis.GIVEN else None


def _known_redis(url: str | None) -> str | None:
    return None if url == WITHOUT_REDIS else url


def _redis_server(*, state: Path, durable: bool, say: Say) -> RedisServer | None:
    redis = find_redis()
    if redis is None:
        say(NO_REDIS_OF_OUR_OWN if os.environ.get("REDIS_URL") else NO_REDIS)
        return None
    return RedisServer(redis=redis, state=state, durable=durable, say=say)
