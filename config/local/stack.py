"""`make run`: servers, migrations, demo data, sandboxes, web, worker and beat, until somebody stops it."""

from __future__ import annotations

import contextlib
import http.client
import os
import shlex
import socket
import sys
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Final, TextIO

from config.local import ports
from config.local.process_environment import child_environment, settings_environment
from config.local.processes import Child, Handle, last_lines, wait_until
from config.local.roles import STOP_SECONDS, Role, Workshop
from config.local.run_file import RunRecord, living_run, run_file
from config.local.servers import Servers, local_servers
from config.local.signals import StopRequested, ignore_further, stop_requests
from config.local.state import (
    PROJECT,
    STATE_FOLDER,
    CannotStart,
    FolderInUse,
    claim,
    is_own,
    make_folder,
    read_private,
    state_folder,
    write_private,
)
from config.local.supervisor import Supervisor

DEFAULT_PORT: Final = 8000
HIGHEST_PORT: Final = 65535
# A cold start on a slow laptop imports everything from a disk that has never read it.
WEB_READY_SECONDS: Final = 60.0
ANSWER_SECONDS: Final = 2.0
# Migrations of a first start, and demo data over HTTP to two sandboxes.
PREPARE_SECONDS: Final = 300.0
# A migration that is interrupted rolls back by itself.
OTHER_STOP_SECONDS: Final = 1.0
# Whoever was killed with -9 left processes that are ending by themselves already.
LEFTOVER_SECONDS: Final = 5.0


def say(line: str, *, stream: TextIO | None = None) -> None:
    """To the terminal, if it is still there: a closed pipe is no reason to stop."""
    with contextlib.suppress(OSError):
        print(line, file=stream or sys.stdout, flush=True)


def run() -> int:
    """The exit code: 0 when somebody stopped it, 1 when it could not run."""
    state = state_folder()
    try:
        with stop_requests():
            make_folder(state, mode=STATE_FOLDER)
            with claim(state / "run.lock"):
                _run(state)
    except StopRequested:
        say("Stopped. The data is kept; `make run` goes on from here.")
        return 0
    except FolderInUse:
        say(_already_running(state), stream=sys.stderr)
    except CannotStart as error:
        say(str(error), stream=sys.stderr)
    return 1


def _run(state: Path) -> None:
    _end_leftovers(state)
    port = _web_port()
    with local_servers(state_dir=state, say=say) as servers:
        run_here = Run(state=state, port=port, servers=servers)
        try:
            run_here.start()
            run_here.supervisor.watch_forever()
        finally:
            run_here.stop()


def _web_port() -> int:
    text = os.environ.get("PORT") or str(DEFAULT_PORT)
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= HIGHEST_PORT):
        raise CannotStart(f"PORT={text} is not a port. Use a number from 1 to {HIGHEST_PORT}: make run PORT=8001")
    port = int(text)
    if not ports.is_free(port):
        another = port + 1 if port < HIGHEST_PORT else DEFAULT_PORT
        raise CannotStart(f"Port {port} is taken or not allowed. Use another one: make run PORT={another}")
    return port


def _already_running(state: Path) -> str:
    record = living_run(state)
    if record is None:
        return f"Another `make run` is just starting or ending in {state}. Wait for it, or set STATE_DIR."
    return (
        f"Steward is already running at {record['addresses']['web']} (process {record['runner']['pid']})."
        " Stop it with Ctrl-C in its terminal, or start a second one: make run PORT=8001 STATE_DIR=var/second"
    )


def _end_leftovers(state: Path) -> None:
    """Processes of a run that was killed before it could end them; told by id and beginning, never by name."""
    record = read_private(state / "processes.json") or {}
    processes = record["processes"] if is_own(record, folder=state) else {}
    for name, process in processes.items():
        handle = Handle.read(process)
        if handle and handle.is_alive():
            say(f"Ending the {name} of an earlier run (process {handle.pid}).")
            handle.end(patience_seconds=LEFTOVER_SECONDS)
    run_file(state).unlink(missing_ok=True)


@dataclass
class Run:
    """One `make run` from its start to its end."""

    state: Path
    port: int
    servers: Servers
    record: RunRecord = field(init=False)
    workshop: Workshop = field(init=False)
    supervisor: Supervisor = field(init=False)
    children: list[Child] = field(default_factory=list)
    chosen_ports: dict[str, int] = field(default_factory=dict)
    is_ready: bool = False

    def __post_init__(self) -> None:
        self._choose_ports()
        web, waiting = (f"http://{ports.LOOPBACK}:{port}" for port in (self.port, self.chosen_ports[Role.WAITING]))
        settings = settings_environment(state=self.state, servers=self.servers, public_url=web, waiting_url=waiting)
        self.workshop = Workshop(state=self.state, environment=child_environment(settings, state=self.state))
        self.supervisor = Supervisor(say=say, changed=self._write_files)
        self.record = RunRecord(
            addresses={"web": web, "admin": f"{web}/admin/", "docs": f"{web}/api/docs/"},
            database_url=self.servers.database_url,
            redis_url=self.servers.redis_url,
            environment=settings,
        )

    def start(self) -> None:
        for server in self.servers.started:
            if server.child:
                self.supervisor.watch(server.child, start_again=server.restart)
        self._start_sandboxes()
        say("Preparing the database.")
        self._finish(self._begin(self.workshop.manage("migrate", "migrate", "--no-input")))
        say("Filling in the demo, and starting Steward.")
        # Both take their time importing; neither needs the other.
        web = self._start(self.workshop.web(self.port), vital=True)
        self._seed()
        waiting = self._start(self.workshop.waiting(self.chosen_ports[Role.WAITING]))
        self._start_clock()
        self._wait_for_web(web)
        self._wait_for_waiting(waiting)
        self.is_ready = True
        self._write_files()
        say(summary(self.record, state=self.state))

    def stop(self) -> None:
        """Web first, so that nothing new comes in; the servers are stopped after this by who started them."""
        ignore_further()
        order = [str(role) for role in Role]
        ours = [child for name in order for child in self.children if child.name == name]
        for child in (*ours, *self.children):
            child.stop(patience_seconds=STOP_SECONDS.get(child.name, OTHER_STOP_SECONDS))
        for name in ("run.json", "processes.json"):
            (self.state / name).unlink(missing_ok=True)

    # --- Starting -------------------------------------------------------------------------------------------------

    def _choose_ports(self) -> None:
        """The same ones at every start, where they are still free: addresses are written down elsewhere."""
        known = read_private(self.state / "ports.json") or {}
        roles = (Role.WAITING, Role.SANDBOX_A, Role.SANDBOX_B)
        self.chosen_ports = {str(role): ports.remembered_or_free(known.get(role)) for role in roles}

    def _start_sandboxes(self) -> None:
        write_private(self.state / "ports.json", self.chosen_ports)
        for role in (Role.SANDBOX_A, Role.SANDBOX_B):
            port = self.chosen_ports[role]
            self.record.addresses[role] = f"http://{ports.LOOPBACK}:{port}"
            self._start(self.workshop.sandbox(role, port=port))

    def _seed(self) -> None:
        answer = self.state / "demo.json"
        sandboxes = [
            *("--sandbox-a", self.record.addresses[Role.SANDBOX_A]),
            *("--sandbox-b", self.record.addresses[Role.SANDBOX_B]),
        ]
        arguments = ("seed_demo", *sandboxes, "--summary", str(answer))
        self._finish(self._begin(self.workshop.manage("seed_demo", *arguments)))
        demo = read_private(answer) or {}
        answer.unlink(missing_ok=True)
        self.record.logins, self.record.api_keys = demo.get("logins", []), demo.get("api_keys", [])
        self.record.open_orders = demo.get("open_orders", [])

    def _start_clock(self) -> None:
        has_broker = bool(self.servers.redis_url or self.workshop.environment.get("STEWARD_BROKER_URL"))
        if not has_broker:
            say("Without a broker `manage.py sweep --loop` does the work of Celery's worker and beat.")
        for child in self.workshop.clock(has_broker=has_broker):
            self._start(child)

    def _wait_for_web(self, web: Child) -> None:
        if not wait_until(lambda: not web.is_running() or _answers(self.port), seconds=WEB_READY_SECONDS):
            raise CannotStart(f"web gave no answer for {WEB_READY_SECONDS:.0f} s.\n{last_lines(web.log)}")
        if not web.is_running():
            raise CannotStart(f"web cannot start. The last lines of {web.log}:\n{last_lines(web.log)}")

    def _wait_for_waiting(self, waiting: Child) -> None:
        """The first payment names its address. Without it everything else works."""
        port = self.chosen_ports[Role.WAITING]
        wait_until(lambda: not waiting.is_running() or _listens(port), seconds=WEB_READY_SECONDS)

    def _start(self, child: Child, *, vital: bool = False) -> Child:
        self._begin(child)
        self.supervisor.watch(child, vital=vital)
        return child

    def _begin(self, child: Child) -> Child:
        self.children.append(child)
        child.start()
        self._write_files()
        return child

    def _finish(self, child: Child) -> None:
        """A command that has to succeed before anything can run."""
        if not wait_until(lambda: not child.is_running(), seconds=PREPARE_SECONDS):
            raise CannotStart(f"`manage.py {child.name}` takes more than {PREPARE_SECONDS:.0f} s. See {child.log}.")
        if child.exit_code != 0:
            raise CannotStart(f"`manage.py {child.name}` failed. The last lines of {child.log}:\n{child.last_lines()}")

    def _write_files(self) -> None:
        """Handles first: from the first process on there is something to end. `run.json` says that all is ready."""
        pids = {one.child.name: one.child.pid for one in self.supervisor.supervised if one.child.is_running()}
        handles = {child.name: Handle.of(child.pid).as_record() for child in self.children if child.is_running()}
        write_private(self.state / "processes.json", {"state": str(self.state), "processes": handles})
        if self.is_ready:
            self.record.write(self.state, processes=pids)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(ports.LOOPBACK, port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _listens(port: int) -> bool:
    try:
        socket.create_connection((ports.LOOPBACK, port), timeout=ANSWER_SECONDS).close()
    except OSError:
        return False
    return True


# Who may open the console; the others are for programs and for what is built on Steward.
CONSOLE_ROLES = ("admin", "finance", "finance_lead")


def summary(record: RunRecord, *, state: Path) -> str:
    """What the person at the terminal wants to know now."""
    folder = state.relative_to(PROJECT) if state.is_relative_to(PROJECT) else state
    elsewhere = "" if state == PROJECT / "var" else f"STATE_DIR={shlex.quote(str(folder))} "
    manage = f"{elsewhere}.venv/bin/python manage.py"
    logins = [
        f"{login['username']} / {login['password']}  ({login['role']})"
        for login in record.logins
        if login["role"] in CONSOLE_ROLES
    ]
    rows = [
        ("Web", [record.addresses["web"]]),
        ("Admin", [record.addresses["admin"]]),
        ("API", [record.addresses["docs"]]),
        ("Sandbox providers", [record.addresses[Role.SANDBOX_A], record.addresses[Role.SANDBOX_B]]),
        ("Sign in as", logins),
        ("API keys", [f"in {folder / 'run.json'}"] if record.api_keys else []),
        ("Logs", [f"{folder / 'log'}/*.log"]),
        ("Commands", [f"{manage} …, in a second terminal"]),
        ("Take a payment", [f"{manage} pay {order}" for order in record.open_orders[:1]]),
        ("Stop", ["Ctrl-C"]),
    ]
    lines = [_row(title if not place else "", text) for title, texts in rows for place, text in enumerate(texts)]
    return "\n".join(["", "Steward is running.", "", *lines, ""])


def _row(title: str, text: str) -> str:
    return f"  {title:<18} {text}"
