"""The real servers of an installation, one of each kind, and a gun in the hand of each that a test may load."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from kernel.crashpoints import FIRED, CrashPoint
from tests.scenarios.other_process import ROOT


class Process(StrEnum):
    """Each has its line in SERVERS here, and its stories or its reasons in `tests.crashes.table`."""

    WEB = "web"
    WORKER = "worker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    command: Callable[[str], list[str]]
    settings: str
    children: int  # That its master starts, and starts again.


def _gunicorn(address: str) -> list[str]:
    # As in the Dockerfile, with one child: every request reaches the one that is armed.
    words = ["gunicorn", "config.wsgi:application", "--preload", "--bind", address, "--no-control-socket"]
    return [*words, "--worker-class", "gthread", "--workers", "1", "--threads", "4"]


def _celery(_: str) -> list[str]:
    words = ["celery", "-A", "config", "worker", "--beat", "--concurrency", "1"]
    return [*words, "--without-gossip", "--without-mingle"]


SERVERS: Mapping[Process, Kind] = {
    Process.WEB: Kind(command=_gunicorn, settings="tests.settings", children=1),
    Process.WORKER: Kind(command=_celery, settings="tests.settings", children=2),  # The second is beat.
}

# Where a process died with a row in its hand, this one finds it.
TAKES_OVER = Process.WORKER


class Server:
    """A master and its children. It is the children that work, and that are killed."""

    def __init__(self, process: Process, *, address: str, folder: Path, environment: Mapping[str, str]) -> None:
        kind = SERVERS[process]
        self._order = folder / process
        self._log = folder / f"{process}.log"
        self._size = kind.children
        self._before: frozenset[int] = frozenset()
        with self._log.open("wb") as log:
            self._master = subprocess.Popen(
                [sys.executable, "-m", *kind.command(address)],
                cwd=ROOT,
                env={
                    **os.environ,
                    **environment,
                    "DJANGO_SETTINGS_MODULE": kind.settings,
                    "STEWARD_CRASH_FILE": str(self._order),
                },
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def is_complete(self) -> bool:
        return len(self._children()) == self._size

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")[-4_000:]

    def arm(self, point: CrashPoint, hit: int) -> None:
        """From now on, counted anew: whoever was armed before has died."""
        self._before = self._children()
        self._fired.unlink(missing_ok=True)
        draft = self._order.with_suffix(".draft")
        draft.write_text(f"{point}:{hit}", encoding="utf-8")
        draft.rename(self._order)

    @property
    def has_fired(self) -> bool:
        return self._fired.exists()

    @property
    def has_died(self) -> bool:
        """The shot was fired, and one of those who lived then lives no more."""
        return self.has_fired and not self._before <= self._children()

    @property
    def is_up_again(self) -> bool:
        return self.has_died and self.is_complete

    @property
    def is_running(self) -> bool:
        return self._master.poll() is None

    def stop(self) -> None:
        os.killpg(self._master.pid, signal.SIGKILL)
        self._master.wait(timeout=10)

    @property
    def _fired(self) -> Path:
        return self._order.with_name(self._order.name + FIRED)

    def _children(self) -> frozenset[int]:
        """Those that live: a killed one that its master has not buried yet does not count."""
        pid = self._master.pid
        named = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
        return frozenset(int(child) for child in named if _lives(child))


def _lives(pid: str) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in {"Z", "X"}
