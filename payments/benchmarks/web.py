"""The web process of a benchmark: gunicorn as the image starts it, on a port of its own."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from kernel import clock
from payments.benchmarks.database import database_url

WORKERS, THREADS = 2, 8
IN_MEMORY = ("--worker-tmp-dir", "/dev/shm")  # noqa: S108  The image's choice.
# The image's own words, but for its address and its application.
GUNICORN = (
    *("--preload", "--worker-class", "gthread", "--workers", str(WORKERS), "--threads", str(THREADS)),
    *("--timeout", "60", "--graceful-timeout", "30", *IN_MEMORY),
    *("--keep-alive", "75", "--no-control-socket", "--limit-request-line", "8190", "--access-logfile", "/dev/null"),
)
# What a run measures is not its caller's limit: counted as ever, and never over.
UNLIMITED = "999999"
SETTINGS = {"STEWARD_DEBUG": "false", "STEWARD_LOG_FORMAT": "json", "STEWARD_REQUESTS_PER_MINUTE": UNLIMITED}
LOOPBACK = "127.0.0.1"
READY_SECONDS, POLL_SECONDS, STOP_SECONDS = 60.0, 0.05, 10.0
LAST_CHARACTERS = 2_000  # Of the log, for whoever has to understand why it did not start.


@dataclass(frozen=True, slots=True)
class Web:
    """A running one."""

    port: int
    pid: int

    def cpu_seconds(self) -> list[float]:
        """Of each worker so far, for whether they share the work; nothing where the kernel does not tell."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        if not children.exists():
            return []
        return [_cpu_seconds(pid) for pid in children.read_text(encoding="utf-8").split()]


@contextmanager
def web_process(environment: Mapping[str, str] | None = None) -> Iterator[Web]:
    with socket.socket() as door, tempfile.TemporaryFile() as log:
        door.bind((LOOPBACK, 0))
        web = _start(door, log, {**os.environ, "DATABASE_URL": database_url(), **SETTINGS, **(environment or {})})
        try:
            port = door.getsockname()[1]
            _wait_until_ready(web, port, log)
            yield Web(port, web.pid)
        finally:
            _stop(web)


def _start(door: socket.socket, log: Any, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """The port is ours and handed over: nobody else can take it in between. Gunicorn listens when it is ready to."""
    has_memory = Path(IN_MEMORY[1]).exists()  # A Mac has not, and gunicorn takes the folder for temporary files.
    words = [word for word in GUNICORN if has_memory or word not in IN_MEMORY]
    return subprocess.Popen(  # noqa: S603  Our own command.
        [sys.executable, "-m", "gunicorn", "payments.benchmarks.served", "--bind", f"fd://{door.fileno()}", *words],
        env=environment,
        cwd=settings.BASE_DIR,
        pass_fds=[door.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
    )


def _stop(web: subprocess.Popen[bytes]) -> None:
    web.terminate()
    try:
        web.communicate(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        web.kill()
        web.communicate()


def _wait_until_ready(web: subprocess.Popen[bytes], port: int, log: Any) -> None:
    until = clock.monotonic() + READY_SECONDS
    while web.poll() is None and clock.monotonic() < until:
        if _answers(port):
            return
        clock.sleep(POLL_SECONDS)
    log.seek(0)
    raise CommandError(f"gunicorn does not start:\n{log.read().decode(errors='replace')[-LAST_CHARACTERS:]}")


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=READY_SECONDS)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _cpu_seconds(pid: str) -> float:
    """Fields are counted after the program's name, which is in brackets and may hold anything."""
    words = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    user, system = int(words[11]), int(words[12])
    return (user + system) / os.sysconf("SC_CLK_TCK")
