"""The processes of a run: the whole of Steward on loopback, each server behind the network that we own."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from config.local import ports
from config.local.postgres_server import PostgresServer
from config.local.process_environment import child_environment, settings_environment
from config.local.processes import Child, Handle, wait_until
from config.local.redis_server import RedisServer
from config.local.roles import Role, Workshop
from config.local.servers import Servers, local_servers
from config.local.state import CannotStart, read_private
from tests.chaos.proxy import Network

# The clock of the sweeps, as an installation has it; leases, deadlines and budgets are production's own defaults.
SWEEP_SECONDS: Final = 2
# As in the container image and the compose file: two processes that take requests, four that sweep.
WEB_PROCESSES: Final = 2
WEB_THREADS: Final = 8
WORKER_PROCESSES: Final = 4
# Cold imports on two busy cores.
PREPARE_SECONDS: Final = 120.0
READY_SECONDS: Final = 60.0
# A killed process is gone at once; a database that stops without a checkpoint takes a moment more.
GONE_SECONDS: Final = 10.0
# What a part may take to end when the run is over: nothing that it leaves half done matters any more.
STOP_SECONDS: Final = 3.0
# The orphans of a killed gunicorn master see within a second that they are alone, and finish what they have.
ORPHAN_SECONDS: Final = 5.0


class Line(StrEnum):
    """The ways over the network, one proxy each."""

    DATABASE = "database"
    REDIS = "redis"
    PROVIDER_A = "provider_a"
    PROVIDER_B = "provider_b"
    WEBHOOKS = "webhooks"
    GUESTS = "guests"
    WAITING = "waiting"


class Part(StrEnum):
    WEB = "web"
    WAITING = "waiting"
    WORKER = "worker"
    BEAT = "beat"
    SWEEP = "sweep"
    SANDBOX_A = "sandbox_a"
    SANDBOX_B = "sandbox_b"
    REDIS = "redis"
    POSTGRES = "postgres"


PROVIDERS: Final[Mapping[Part, Line]] = {Part.SANDBOX_A: Line.PROVIDER_A, Part.SANDBOX_B: Line.PROVIDER_B}
# A caller of a server that is gone meets a closed port, as it would without the proxy.
_LINE_OF: Final[Mapping[Part, Line]] = {**PROVIDERS, Part.REDIS: Line.REDIS, Part.POSTGRES: Line.DATABASE}


@dataclass(frozen=True, kw_only=True)
class Doors:
    """Where the API is, and who may come in: a restaurant's slug, then the caller."""

    ports: Mapping[Line, int]
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


class Room:
    def __init__(self, *, state: Path, servers: Servers, network: Network) -> None:
        self._state = state
        self._servers = servers
        self._network = network
        self.ports = {part: ports.find_free() for part in (Part.WEB, Part.WAITING, *PROVIDERS)}
        self.lines = {line: network.open(line, self._target(line)) for line in Line}
        self._workshop = Workshop(state=state, environment=self._environment())
        self.children: dict[Part, Child] = {}
        self._down: set[Part] = set()
        self.died_by_themselves: Counter[str] = Counter()

    # --- Addresses ------------------------------------------------------------------------------------------------

    @property
    def database_url(self) -> str:
        """Around the network: for those who look on, not for those who are looked at."""
        return self._servers.database_url

    @property
    def redis_url(self) -> str:
        return self._servers.redis_url or ""

    @property
    def api_key(self) -> str:
        return self._workshop.environment["SANDBOX_API_KEY"]

    @property
    def _callers(self) -> Path:
        return self._state / "callers.json"

    @property
    def doors(self) -> Doors:
        """For the guests, once the room is furnished."""
        return Doors(ports=self.lines, secrets=read_private(self._callers) or {})

    @property
    def environment(self) -> Mapping[str, str]:
        return self._workshop.environment

    def _target(self, line: Line) -> int:
        targets = {
            Line.DATABASE: urlsplit(self._servers.database_url).port,
            Line.REDIS: urlsplit(self.redis_url).port,
            Line.PROVIDER_A: self.ports[Part.SANDBOX_A],
            Line.PROVIDER_B: self.ports[Part.SANDBOX_B],
            Line.WAITING: self.ports[Part.WAITING],
        }
        return targets.get(line) or self.ports[Part.WEB]

    def _environment(self) -> dict[str, str]:
        servers = Servers(
            database_url=_with_port(self.database_url, self.lines[Line.DATABASE]),
            redis_url=_with_port(self.redis_url, self.lines[Line.REDIS]),
        )
        public, waiting = self._url(Line.GUESTS), self._url(Line.WAITING)
        settings = settings_environment(state=self._state, servers=servers, public_url=public, waiting_url=waiting)
        settings |= {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "STEWARD_SWEEP_SECONDS": str(SWEEP_SECONDS),
            "STEWARD_LOG_FORMAT": "json",
            # All guests come from one address with one key; what is tried here is not their limit.
            "STEWARD_REQUESTS_PER_MINUTE": "900000",
            "STEWARD_REFUNDS_PER_HOUR": "900000",
        }
        return child_environment(settings, state=self._state)

    def _url(self, line: Line) -> str:
        return f"http://{ports.LOOPBACK}:{self.lines[line]}"

    # --- Start and end --------------------------------------------------------------------------------------------

    def start(self) -> None:
        for server in self._servers.started:
            if server.child:
                self.children[Part.REDIS if isinstance(server, RedisServer) else Part.POSTGRES] = server.child
        for part in PROVIDERS:
            self._begin(part, self._workshop.sandbox(Role(part), port=self.ports[part]))
        self._wait_for(*PROVIDERS)
        self._finish(self._workshop.manage("migrate", "migrate", "--no-input"))
        words = [json.dumps(self._contracts()), str(self._callers)]
        self._finish(self._workshop.child("furnish", ["-m", "tests.chaos.furnish", *words]))
        self._begin(Part.WEB, self._web())
        self._begin(Part.WAITING, self._workshop.waiting(self.ports[Part.WAITING]))
        celery = ("-m", "celery", "-A", "config")
        alone = ("--without-gossip", "--without-mingle", "--loglevel", "INFO")
        count = str(WORKER_PROCESSES)
        self._begin(Part.WORKER, self._workshop.child(Part.WORKER, [*celery, "worker", "--concurrency", count, *alone]))
        self._begin(Part.BEAT, self._workshop.child(Part.BEAT, [*celery, "beat", "--loglevel", "INFO", "--pidfile="]))
        # The second clock, for a host that has to recover within a minute whatever becomes of Celery.
        self._begin(Part.SWEEP, self._workshop.manage(Part.SWEEP, "sweep", "--loop"))
        self.wait_for_doors()
        if not wait_until(lambda: len(self.workers_of(Part.WORKER)) == WORKER_PROCESSES, seconds=READY_SECONDS):
            raise CannotStart(f"worker does not start. Its last words:\n{self.children[Part.WORKER].last_lines()}")

    def stop(self) -> None:
        """Those who use the servers first; the servers are stopped by who started them."""
        for part in (Part.WEB, Part.WAITING, Part.WORKER, Part.BEAT, Part.SWEEP, *PROVIDERS):
            if part in self.children:
                _continue_group(self.children[part].pid)
                self.children[part].stop(patience_seconds=STOP_SECONDS)

    def wait_for_doors(self) -> None:
        """Where guests come in, and where the books are read when it is over."""
        self._wait_for(Part.WEB, Part.WAITING, *PROVIDERS)

    def _wait_for(self, *parts: Part) -> None:
        for part in parts:
            if not wait_until(partial(self._answers, part), seconds=READY_SECONDS):
                raise CannotStart(f"{part} gives no answer. Its last words:\n{self.children[part].last_lines()}")

    def _web(self) -> Child:
        """The command of the container image."""
        command = [
            *("-m", "gunicorn", "config.wsgi:application", "--preload"),
            *("--bind", f"{ports.LOOPBACK}:{self.ports[Part.WEB]}", "--worker-class", "gthread"),
            *("--workers", str(WEB_PROCESSES), "--threads", str(WEB_THREADS)),
            *("--timeout", "60", "--graceful-timeout", "30", "--keep-alive", "75", "--no-control-socket"),
            *("--access-logfile", "-"),
        ]
        return self._workshop.child(Part.WEB, command)

    def _contracts(self) -> dict[str, dict[str, Any]]:
        webhooks = self._url(Line.WEBHOOKS)
        return {part: {"base_url": self._url(line), "webhooks_url": webhooks} for part, line in PROVIDERS.items()}

    def _begin(self, part: Part, child: Child) -> None:
        self.children[part] = child
        child.start()

    def _finish(self, child: Child) -> None:
        child.start()
        if not wait_until(lambda: not child.is_running(), seconds=PREPARE_SECONDS) or child.exit_code != 0:
            child.stop(patience_seconds=0)
            raise CannotStart(f"{child.name} failed. Its last words:\n{child.last_lines()}")

    def _answers(self, part: Part) -> bool:
        connection = http.client.HTTPConnection(ports.LOOPBACK, self.ports[part], timeout=2)
        try:
            connection.request("GET", "/" if part in PROVIDERS else "/healthz")
            return connection.getresponse().status == HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    # --- Under fire -----------------------------------------------------------------------------------------------

    def is_up(self, part: Part) -> bool:
        return part not in self._down and self.children[part].is_running()

    def kill(self, part: Part, *, alone: bool = False, how: signal.Signals = signal.SIGKILL) -> None:
        """The whole process group, or its first process alone. It stays down until `start_again`."""
        self._down.add(part)
        if part in _LINE_OF:
            self._network.refuse(_LINE_OF[part])
        child = self.children[part]
        with contextlib.suppress(ProcessLookupError):
            if alone:
                os.kill(child.pid, how)
            else:
                os.killpg(child.pid, how)
        wait_until(lambda: not child.is_running(), seconds=GONE_SECONDS)

    def start_again(self, part: Part) -> None:
        if part is Part.WEB and not wait_until(lambda: ports.is_free(self.ports[part]), seconds=ORPHAN_SECONDS):
            self._end_orphans(part)
        self._launch(part)
        self._down.discard(part)
        if part in _LINE_OF:
            self._network.listen(_LINE_OF[part])

    def tend(self) -> None:
        """What ended without our doing is started again, as whoever runs an installation would, and counted."""
        for part, child in self.children.items():
            if part not in self._down and not child.is_running():
                self.died_by_themselves[part] += 1
                self._end_orphans(part)
                self._launch(part)

    def workers_of(self, part: Part) -> list[Handle]:
        """The processes that a gunicorn or Celery master started and starts again."""
        pid = self.children[part].pid
        try:
            text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
        except OSError:
            return []
        return [Handle.of(int(child)) for child in text.split()]

    def _launch(self, part: Part) -> None:
        server = next((each for each in self._servers.started if each.child is self.children[part]), None)
        if server is None:
            self.children[part].start()
        else:
            server.restart()

    def _end_orphans(self, part: Part) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.children[part].pid, signal.SIGKILL)


@contextlib.contextmanager
def opened_room(state: Path, *, say: Callable[[str], None]) -> Iterator[tuple[Room, Network]]:
    """Everything that is started here ends with the body, however it ends."""
    network = Network()
    try:
        with local_servers(state_dir=state, durable=True, say=say) as servers:
            if servers.redis_url is None or not any(isinstance(each, PostgresServer) for each in servers.started):
                raise CannotStart("The chaos run needs a PostgreSQL and a Redis of its own.")
            room = Room(state=state, servers=servers, network=network)
            try:
                room.start()
                yield room, network
            finally:
                room.stop()
    finally:
        network.close()


def _with_port(url: str, port: int) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.netloc.rpartition(':')[0]}:{port}").geturl()


def _continue_group(pid: int) -> None:
    """A stopped process hears no request to end."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGCONT)


assert sys.platform == "linux", "Workers are found in /proc."
