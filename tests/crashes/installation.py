"""A whole installation seen from outside: its servers, two providers, two restaurants, and a client at its door."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import httpx
from redis import Redis

from accounts.models import Restaurant, Role
from config.local.ports import find_free
from payments.models import ProviderAccount
from sandbox.notices import Webhook
from tests.clients import KEY_HEADER, REPLAYED_HEADER, STILL_RUNNING, Asked, Caller
from tests.crashes.processes import SERVERS, Server
from tests.factories import RestaurantFactory, routed, secrets_of, staff
from tests.scenarios.other_process import SHORT, database_url
from tests.scenarios.sandbox_process import API_KEY, WEBHOOK_SECRET, SandboxProcess

START_SECONDS = 60.0  # Of everything at once, on a machine that is busy with something else.
PRESS_SECONDS = 30.0  # A request's budget is 12 s, and whoever presses again may wait for a restart first.
LOOK_SECONDS = 0.05
DONE: Final = frozenset({HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED})
# A queue of their own in the tests' Redis: parallel runs must not take each other's ticks.
_FIRST_DATABASE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long the leases of this run are, and what follows for whoever waits."""

    environment: Mapping[str, str]
    # From the arming to the shot: a story that begins with a doubt may have to be found missing first.
    shot_seconds: float
    # From the last shot to the end of everything: a lease, a charge that was never sent and is looked for twice, and
    # the lease of whoever died during that.
    end_seconds: float
    # For so long a key may be said to be at work, after whoever was at work has died: a request's budget and half a
    # deadline, and then a moment.
    key_seconds: float


PRODUCTION = Pace(environment={}, shot_seconds=90.0, end_seconds=180.0, key_seconds=25.0)
SHORTENED = Pace(environment=SHORT, shot_seconds=40.0, end_seconds=90.0, key_seconds=10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a client was told, byte for byte."""

    content: bytes
    body: Mapping[str, Any]
    is_replay: bool


class Installation:
    def __init__(self, folder: Path, pace: Pace, sandboxes: Mapping[str, SandboxProcess]) -> None:
        self.pace = pace
        self.sandboxes = sandboxes
        address = f"127.0.0.1:{find_free()}"
        self.url = f"http://{address}"
        self.deaf = _restaurant(sandboxes, notify="")
        self.hearing = _restaurant(sandboxes, notify=self.url)
        self._secrets = {each.pk: secrets_of(each) for each in (self.deaf, self.hearing)}
        self._look: Callable[[], None] = _look_at_nothing
        # The circuits of whatever ran here before are nobody's business.
        Redis.from_url(redis_url := _own_redis()).flushdb()
        environment = {
            **pace.environment,
            "DATABASE_URL": database_url(),
            "REDIS_URL": redis_url,
            "STEWARD_ALLOWED_HOSTS": "127.0.0.1",
            "STEWARD_SWEEP_SECONDS": "1",
            # Nobody here is anybody's limit: who waits for an answer asks again and again.
            "STEWARD_REQUESTS_PER_MINUTE": "900000",
            "STEWARD_REFUNDS_PER_HOUR": "900000",
        }
        self.servers = {
            process: Server(process, address=address, folder=folder, environment=environment) for process in SERVERS
        }

    def start(self) -> None:
        self.wait_until(lambda: all(server.is_complete for server in self.servers.values()), seconds=START_SECONDS)
        self.wait_until(self._answers, seconds=START_SECONDS)

    def stop(self) -> None:
        for server in self.servers.values():
            server.stop()

    @contextmanager
    def watched_by(self, look: Callable[[], None]) -> Iterator[None]:
        """Called whenever somebody waits or asks, and at the end, so that little is overlooked meanwhile."""
        self._look = look
        try:
            yield
            look()
        finally:
            self._look = _look_at_nothing

    def wait_until(self, condition: Callable[[], bool], *, seconds: float) -> None:
        assert self.has_come(condition, seconds=seconds), f"Not in {seconds:.0f} s.\n{self.logs}"

    def has_come(self, condition: Callable[[], bool], *, seconds: float) -> bool:
        """Whether it came within this time."""
        until = time.monotonic() + seconds
        while not condition():
            assert all(server.is_running for server in self.servers.values()), self.logs
            if time.monotonic() > until:
                return False
            self._look()
            time.sleep(LOOK_SECONDS)
        return True

    def ask(self, asked: Asked, *, at: Restaurant, key: str) -> Heard | None:
        """None: the connection broke, or its first request may still be at work. Nobody knows what became of it."""
        self._look()
        try:
            answer = httpx.request(
                asked.method,
                f"{self.url}/api/v1{asked.path}",
                json=asked.body,
                headers={**asked.headers, **self._authorised(at, asked.caller), KEY_HEADER: key},
                timeout=PRESS_SECONDS,
                trust_env=False,
            )
        except httpx.TransportError:
            return None
        if answer.status_code == HTTPStatus.CONFLICT and answer.json()["code"] == STILL_RUNNING:
            return None
        assert answer.status_code in DONE, answer.text[:2_000]
        return Heard(content=answer.content, body=answer.json(), is_replay=REPLAYED_HEADER in answer.headers)

    def _authorised(self, restaurant: Restaurant, caller: Caller) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._secrets[restaurant.pk][caller]}"}

    def deliver(self, sent: Webhook, account: ProviderAccount) -> int | None:
        """A webhook, as the provider sends it. None: the connection broke, and it will send it again."""
        url = f"{self.url}/webhooks/{account.provider}/{account.pk}"
        chunks = iter([sent.body])  # Streamed, as a proxy may do it: without a length.
        try:
            answer = httpx.post(url, content=chunks, headers=sent.headers, timeout=PRESS_SECONDS, trust_env=False)
        except httpx.TransportError:
            return None
        return answer.status_code

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    @property
    def logs(self) -> str:
        return "\n".join(f"--- {process}\n{server.log}" for process, server in self.servers.items())


def _look_at_nothing() -> None:
    pass


def _restaurant(sandboxes: Mapping[str, SandboxProcess], *, notify: str) -> Restaurant:
    """Two providers and cash. With `notify` it hears its providers' webhooks."""
    restaurant = RestaurantFactory.create()
    staff(restaurant, Role.WAITER)
    for account in routed(restaurant, *sandboxes, "cash")[: len(sandboxes)]:
        address = f"{notify}/webhooks/{account.provider}/{account.pk}" if notify else ""
        account.credentials = {
            "base_url": sandboxes[account.provider].url,
            "api_key": API_KEY,
            "webhook_secrets": [WEBHOOK_SECRET],
            "notify_url": address,
        }
        account.save()
    return restaurant


def _own_redis() -> str:
    number = _FIRST_DATABASE + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _FIRST_DATABASE
    parts = urlsplit(os.environ["REDIS_URL"])
    own = {"query": f"db={number}"} if parts.scheme == "unix" else {"path": f"/{number}"}
    return urlunsplit(parts._replace(**own))
