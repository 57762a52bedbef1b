"""Child processes: started apart from the terminal, ended by handle and never by name, their output in a file."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from config.local.state import CannotStart

POLL_SECONDS: Final = 0.02
# A process that has to be killed is gone at once, unless the disk hangs; then waiting longer does not help.
KILL_SECONDS: Final = 2.0
# A log above this is set aside at the next start, once: it stays readable and the folder stays small.
LARGEST_LOG_BYTES: Final = 10 * 1024 * 1024
LAST_LINES: Final = 12
_LAST_BYTES: Final = 16 * 1024
_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class Handle:
    """A process that is perhaps not our child: its id and when it began, so that a recycled id is never signalled."""

    pid: int
    began: str

    @classmethod
    def of(cls, pid: int) -> Handle:
        return cls(pid, _began(pid))

    @classmethod
    def read(cls, value: object) -> Handle | None:
        """From what `as_record` gave to a file."""
        if not isinstance(value, dict) or not isinstance(value.get("pid"), int):
            return None
        return cls(value["pid"], str(value.get("began", "")))

    def as_record(self) -> dict[str, Any]:
        return {"pid": self.pid, "began": self.began}

    def is_alive(self) -> bool:
        return bool(self.began) and _began(self.pid) == self.began

    def end(self, *, first: signal.Signals = signal.SIGTERM, patience_seconds: float) -> None:
        """Ask, wait, and kill what did not listen."""
        for number, seconds in ((first, patience_seconds), (signal.SIGKILL, KILL_SECONDS)):
            if not self.is_alive():
                return
            _signal(self.pid, number)
            wait_until(lambda: not self.is_alive(), seconds=seconds)


def _began(pid: int) -> str:
    """When the process began, in words that never change while it lives; empty when it is gone or a zombie."""
    if sys.platform != "linux":
        command = ["/bin/ps", "-o", "lstart=", "-p", str(pid)]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603  Ours.
    try:
        # The name is in brackets and may hold spaces and brackets itself, so fields are counted after the last one.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else f"{boot}/{fields[19]}"


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
    except PermissionError:
        raise CannotStart(f"Process {pid} of an earlier run belongs to another user and has to be ended.") from None


def wait_until(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Whether the condition came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


@dataclass(frozen=True, slots=True)
class RunAs:
    """Another system user, for a server that refuses to run as root."""

    name: str
    uid: int
    gid: int

    def as_arguments(self) -> dict[str, Any]:
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


@dataclass
class Child:
    """One process of ours: how it is started and how it is asked to end."""

    name: str
    command: Sequence[str]
    log: Path
    environment: Mapping[str, str]
    folder: Path
    run_as: RunAs | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def pid(self) -> int:
        return self.process.pid if self.process else 0

    @property
    def exit_code(self) -> int | None:
        return self.process.poll() if self.process else None

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        with _open_log(self.log) as output:
            self.process = subprocess.Popen(  # noqa: S603  Our own command.
                self.command,
                cwd=self.folder,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C in the terminal goes to us alone; we end the children one by one, in order.
                start_new_session=True,
                preexec_fn=_die_with_parent(self.stop_signal),  # noqa: PLW1509  One call that takes no lock.
                **(self.run_as.as_arguments() if self.run_as else {}),
            )

    def stop(self, *, patience_seconds: float) -> None:
        """Ask, wait, and kill what did not listen, together with whatever it started itself."""
        if self.process is None:
            return
        if self.is_running():
            self.process.send_signal(self.stop_signal)
            wait_until(lambda: not self.is_running(), seconds=patience_seconds)
        self._kill_group()
        self.process.wait()
        self.process = None

    def last_lines(self) -> str:
        return last_lines(self.log)

    def _kill_group(self) -> None:
        """Its workers too. The group has the leader's id, which cannot be given away while a member lives."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return


def _open_log(path: Path) -> Any:
    try:
        if path.exists() and path.stat().st_size > LARGEST_LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")
    except OSError as error:
        raise CannotStart(f"Cannot write {path}: {error.strerror}. Set STATE_DIR to another folder.") from None


def last_lines(path: Path) -> str:
    """The end of a log, for a message on the terminal."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _LAST_BYTES))
            lines = file.read().decode(errors="replace").rstrip().splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-LAST_LINES:])


def _die_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """On Linux the kernel ends the child when the thread that started it is gone, even after kill -9."""
    if _LIBC is None:
        return None
    prctl = _LIBC.prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, int(number))
