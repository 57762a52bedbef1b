"""One Redis with a password on a loopback port: its file, its start and its end."""

from __future__ import annotations

import os
import secrets
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from config.local import ports
from config.local.binaries import Redis
from config.local.processes import Child, Handle, last_lines, wait_until
from config.local.state import CannotStart, is_own, make_folder, read_private, write_private

READY_SECONDS: Final = 20.0
START_TRIES: Final = 3
# It writes what it still has to write and goes.
STOP_SECONDS: Final = 2.0
ANSWER_SECONDS: Final = 1.0


@dataclass
class RedisServer:
    """Starts, stops and names the Redis of one state folder. Hold the folder's claim while you use it."""

    redis: Redis
    state: Path
    durable: bool
    say: Callable[[str], None]
    child: Child | None = None

    @property
    def url(self) -> str:
        record = self._record()
        return f"redis://:{record['password']}@{ports.LOOPBACK}:{record['port']}/0"

    def start(self) -> None:
        self._end_leftover()
        if not self._record():
            self._remember(password=secrets.token_urlsafe(24))
        self._remember(state=str(self.state))
        for _ in range(START_TRIES):
            self._remember(port=ports.remembered_or_free(self._record().get("port")))
            self.child = self._child()
            self.child.start()
            self._remember(process=Handle.of(self.child.pid).as_record())
            if self._wait_until_ready(self.child):
                return
        raise CannotStart(f"Redis does not start. Its last words:\n{last_lines(self._log)}")

    def stop(self) -> None:
        if self.child:
            self.child.stop(patience_seconds=STOP_SECONDS)

    def restart(self) -> None:
        """After it died under us: the same command, so that the address stays true."""
        if self.child:
            self.child.start()
            self._remember(process=Handle.of(self.child.pid).as_record())

    @property
    def _log(self) -> Path:
        return make_folder(self.state / "log") / "redis.log"

    def _record(self) -> dict[str, Any]:
        return read_private(self.state / "redis.json") or {}

    def _remember(self, **values: Any) -> None:
        write_private(self.state / "redis.json", {**self._record(), **values})

    def _end_leftover(self) -> None:
        record = self._record()
        handle = Handle.read(record.get("process")) if is_own(record, folder=self.state) else None
        if handle and handle.is_alive():
            self.say(f"Ending the Redis of an earlier run (process {handle.pid}).")
            handle.end(first=signal.SIGTERM, patience_seconds=STOP_SECONDS)

    def _child(self) -> Child:
        # A Redis cannot read what a newer one wrote. None of it is the only copy, so each version has its own.
        data = make_folder(self.state / "redis" / f"version-{self.redis.major}")
        settings = data / "redis.conf"
        # A file, because a command line with a password is there for every user of the machine to read.
        descriptor = os.open(settings, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.writelines(f"{name} {value}\n" for name, value in self._settings(data).items())
        return Child(
            name="redis",
            command=[str(self.redis.server), str(settings)],
            log=self._log,
            environment={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            folder=data,
        )

    def _settings(self, data: Path) -> dict[str, str]:
        folder = str(data).replace("\\", "\\\\").replace('"', '\\"')
        return {
            "bind": ports.LOOPBACK,
            "port": str(self._record()["port"]),
            "requirepass": self._record()["password"],
            "dir": f'"{folder}"',
            "appendonly": "yes" if self.durable else "no",
            "save": '""',
            # A full Redis refuses to write; it never forgets a message to make room.
            "maxmemory-policy": "noeviction",
        }

    def _wait_until_ready(self, child: Child) -> bool:
        if not wait_until(lambda: not child.is_running() or self._answers(), seconds=READY_SECONDS):
            child.stop(patience_seconds=STOP_SECONDS)
            raise CannotStart(f"Redis gave no answer for {READY_SECONDS:.0f} s.\n{last_lines(self._log)}")
        return child.is_running()

    def _answers(self) -> bool:
        """It says PONG to whoever knows the password, once it has read its files."""
        record = self._record()
        try:
            with socket.create_connection((ports.LOOPBACK, record["port"]), timeout=ANSWER_SECONDS) as connection:
                connection.sendall(f"AUTH {record['password']}\r\nPING\r\nQUIT\r\n".encode())
                return b"+PONG" in connection.makefile("rb").read()
        except OSError:
            return False
