"""The processes of a local run: what each is called, how it is started and how long it may take to end."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from config.local.ports import LOOPBACK
from config.local.processes import Child
from config.local.state import PROJECT, make_folder


class Role(StrEnum):
    """In the order in which they are stopped: who takes requests first, what the others stand on last."""

    WEB = "web"
    WAITING = "waiting"
    WORKER = "worker"
    BEAT = "beat"
    SWEEP = "sweep"
    SANDBOX_A = "sandbox_a"
    SANDBOX_B = "sandbox_b"


# With both servers' own patience this stays below the fifteen seconds that a stop may take at worst.
STOP_SECONDS: Final[Mapping[str, float]] = {
    Role.WEB: 3.0,
    Role.WAITING: 1.0,
    Role.WORKER: 3.0,
    Role.BEAT: 0.5,
    Role.SWEEP: 3.0,
    Role.SANDBOX_A: 0.5,
    Role.SANDBOX_B: 0.5,
}
# Half of what the web has to finish its requests before it is killed.
GRACEFUL_SECONDS: Final = 2
# Longer than a client or a proxy keeps an idle connection (60 s, most often): whoever closes it first is never the one
# to whom a payment is just being sent.
KEEP_ALIVE_SECONDS: Final = 75
WEB_PROCESSES: Final = 2
WEB_THREADS: Final = 8
WORKER_THREADS: Final = 4


# The demo's routes know the same fees, so that the cheaper provider really is the cheaper one.
SANDBOX_FEE_BPS: Final = {Role.SANDBOX_A: 190, Role.SANDBOX_B: 240}


@dataclass(frozen=True, slots=True)
class Workshop:
    """What every process of one run shares."""

    state: Path
    environment: Mapping[str, str]

    def child(self, name: str, arguments: Sequence[str]) -> Child:
        """Always through our own interpreter: a script's first line names a path that a copied folder breaks."""
        return Child(
            name=name,
            command=[sys.executable, *arguments],
            log=make_folder(self.state / "log") / f"{name}.log",
            environment=self.environment,
            folder=PROJECT,
        )

    def manage(self, name: str, *arguments: str) -> Child:
        return self.child(name, ["manage.py", *arguments])

    def web(self, port: int) -> Child:
        return self.child(
            Role.WEB,
            [
                # --preload: it is imported once, and not by each of its processes.
                *("-m", "gunicorn", "config.wsgi", "--preload", "--bind", f"{LOOPBACK}:{port}"),
                *("--worker-class", "gthread", "--workers", str(WEB_PROCESSES), "--threads", str(WEB_THREADS)),
                *("--graceful-timeout", str(GRACEFUL_SECONDS), "--no-control-socket", "--access-logfile", "-"),
                *("--keep-alive", str(KEEP_ALIVE_SECONDS)),
                # Gunicorn's own most: a list's filters may all be there, in any script.
                *("--limit-request-line", "8190"),
            ],
        )

    def waiting(self, port: int) -> Child:
        """One process, however many wait."""
        return self.child(
            Role.WAITING,
            [
                *("-m", "uvicorn", "config.asgi:application", "--host", LOOPBACK, "--port", str(port)),
                *("--lifespan", "off", "--no-access-log", "--no-proxy-headers", "--timeout-graceful-shutdown", "1"),
                *("--timeout-keep-alive", str(KEEP_ALIVE_SECONDS)),
            ],
        )

    def clock(self, *, has_broker: bool) -> list[Child]:
        """Celery's worker and beat; without a broker the one process that calls the same functions."""
        if not has_broker:
            return [self.manage(Role.SWEEP, "sweep", "--loop")]
        celery = ("-m", "celery", "-A", "config.celery")
        schedule = str(self.state / "beat-schedule")
        threads = ("-P", "threads", "-c", str(WORKER_THREADS), "--without-gossip", "--without-mingle")
        return [
            self.child(Role.WORKER, [*celery, "worker", "--loglevel", "INFO", *threads]),
            self.child(Role.BEAT, [*celery, "beat", "--loglevel", "INFO", "--schedule", schedule, "--pidfile="]),
        ]

    def sandbox(self, role: Role, *, port: int) -> Child:
        """Its secrets come by the environment; where its webhooks go, every charge says itself."""
        books = str(make_folder(self.state / role))
        fee = str(SANDBOX_FEE_BPS[role])
        return self.child(
            role, ["-m", "sandbox", "--name", role, "--port", str(port), "--books", books, "--fee-bps", fee]
        )
