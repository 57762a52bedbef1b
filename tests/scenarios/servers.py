"""The real servers of an installation, armed to die at a crash point: a Celery worker with its beat, and gunicorn."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from config.local.ports import find_free
from kernel.crashpoints import CrashPoint
from tests.scenarios.other_process import ROOT, SHORT, database_url

START_SECONDS = 30.0
# A queue of their own in the tests' Redis: parallel runs must not take each other's ticks.
_FIRST_DATABASE = 8


class Server:
    def __init__(self, command: list[str], *, point: CrashPoint, folder: Path) -> None:
        self._fired = folder / "fired"
        self._log = folder / "server.log"
        environment = {
            **os.environ,
            **SHORT,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "DATABASE_URL": database_url(),
            "REDIS_URL": _own_redis(),
            "STEWARD_ALLOWED_HOSTS": "127.0.0.1",
            "STEWARD_SWEEP_SECONDS": "1",
            "STEWARD_CRASH_AT": point,
            "STEWARD_CRASH_FIRED": str(self._fired),
        }
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    @property
    def has_died(self) -> bool:
        """One of its processes was killed at the crash point; its master starts another."""
        return self._fired.exists()

    def wait_until(self, condition: Callable[[], bool], *, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not condition():
            assert self._process.poll() is None, self._log.read_text()[-4_000:]
            assert time.monotonic() < until, f"Not in {seconds:.0f} s.\n{self._log.read_text()[-4_000:]}"
            time.sleep(0.1)

    def stop(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(timeout=10)


@contextmanager
def celery_worker(*, point: CrashPoint, folder: Path) -> Iterator[Server]:
    command = [sys.executable, "-m", "celery", "-A", "config", "worker", "--beat", "--concurrency", "2"]
    server = Server([*command, "--without-gossip", "--without-mingle"], point=point, folder=folder)
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def gunicorn(*, point: CrashPoint, folder: Path) -> Iterator[tuple[Server, str]]:
    """With its address."""
    address = f"127.0.0.1:{find_free()}"
    command = [sys.executable, "-m", "gunicorn", "config.wsgi:application", "--bind", address]
    server = Server([*command, "--worker-class", "gthread", "--threads", "2"], point=point, folder=folder)
    try:
        yield server, f"http://{address}"
    finally:
        server.stop()


def _own_redis() -> str:
    number = _FIRST_DATABASE + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _FIRST_DATABASE
    parts = urlsplit(os.environ["REDIS_URL"])
    own = {"query": f"db={number}"} if parts.scheme == "unix" else {"path": f"/{number}"}
    return urlunsplit(parts._replace(**own))
