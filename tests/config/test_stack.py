"""`make run` as a person has it: started, looked at from a second terminal, hurt, and stopped with Ctrl-C."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from config.local import ports, postgres_server, redis_server
from config.local.process_environment import local_secrets
from config.local.processes import Handle, wait_until
from config.local.programs import Program, may_be_skipped
from config.local.roles import STOP_SECONDS
from config.local.state import PROJECT, CannotStart

# On a busy machine everything is imported anew a dozen times.
START_SECONDS = 120
STOP_WITHIN_SECONDS = 15
# Makes its standard input the terminal whose Ctrl-C reaches it, then becomes the program.
IN_OWN_TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def _environment(state: Path, port: int, **more: str) -> dict[str, str]:
    """Only what a person's shell has: the tests' own settings must not leak into the run."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "STATE_DIR": str(state), "PORT": str(port), **more}


@dataclass
class Terminal:
    """One run in a terminal of its own, so that Ctrl-C is the real one."""

    state: Path
    port: int
    more: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.keyboard, screen = pty.openpty()
        with (self.state / "screen").open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", IN_OWN_TERMINAL, "-m", "config.local", "run"],
                cwd=PROJECT,
                env=_environment(self.state, self.port, **self.more),
                stdin=screen,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        os.close(screen)

    @property
    def screen(self) -> str:
        return (self.state / "screen").read_text(encoding="utf-8")

    @property
    def record(self) -> dict[str, Any]:
        value = json.loads((self.state / "run.json").read_text(encoding="utf-8"))
        assert isinstance(value, dict)
        return value

    def wait_until_ready(self) -> None:
        wait_until(lambda: self.is_ready() or self.process.poll() is not None, seconds=START_SECONDS)
        assert self.is_ready(), self.screen

    def is_ready(self) -> bool:
        """By its own file: a run that was killed leaves one too."""
        with contextlib.suppress(FileNotFoundError):
            return bool(self.record["runner"]["pid"] == self.process.pid)
        return False

    def handles(self) -> dict[str, Handle]:
        return {name: Handle.of(pid) for name, pid in self.record["processes"].items()}

    def press_ctrl_c(self) -> int:
        os.write(self.keyboard, b"\x03")
        return self.process.wait(STOP_WITHIN_SECONDS)

    def close(self) -> None:
        os.close(self.keyboard)
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(STOP_WITHIN_SECONDS)


@pytest.fixture
def state() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="steward run ") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextlib.contextmanager
def _terminal(state: Path, **more: str) -> Iterator[Terminal]:
    terminal = Terminal(state, ports.find_free(), more)
    with contextlib.closing(terminal):
        yield terminal


def _answer(*arguments: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
@pytest.mark.skipif(may_be_skipped(Program.REDIS), reason=f"{Program.REDIS} is missing")
def test_a_run_from_start_to_ctrl_c(state: Path) -> None:
    with _terminal(state) as terminal:
        terminal.wait_until_ready()
        _check_run_file(terminal)
        _check_second_terminal(terminal)
        _check_second_run(terminal)
        _check_restart_of_a_killed_worker(terminal)
        handles = terminal.handles()
        assert terminal.press_ctrl_c() == 0, terminal.screen
        assert not any(handle.is_alive() for handle in handles.values())
        assert not (state / "run.json").exists()
        assert "Traceback" not in terminal.screen


def _check_run_file(terminal: Terminal) -> None:
    record = terminal.record
    assert stat.S_IMODE((terminal.state / "run.json").stat().st_mode) == 0o600
    assert set(record["processes"]) == {
        *("postgres", "redis", "sandbox_a", "sandbox_b", "web", "waiting", "worker", "beat")
    }
    assert record["environment"]["DATABASE_URL"] == record["database_url"]
    assert record["logins"]
    assert record["api_keys"]
    addresses = [record["addresses"][name] for name in ("web", "admin", "docs", "sandbox_a", "sandbox_b")]
    # The file is there a moment before the screen says the same.
    assert wait_until(lambda: all(each in terminal.screen for each in addresses), seconds=START_SECONDS), (
        terminal.screen
    )
    for login in record["logins"]:
        can_open_the_console = login["role"] in {"admin", "finance", "finance_lead"}
        assert (f"{login['username']} / " in terminal.screen) == can_open_the_console
    with urllib.request.urlopen(f"{record['addresses']['web']}/readyz", timeout=10) as page:  # noqa: S310  Our own.
        assert json.load(page)["status"] == "ready"


def _check_readme(terminal: Terminal) -> None:
    """The seed's dice are loaded: its orders have the same references in every clone, so that a page can name them."""
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"manage\.py pay (O-\w+)", readme)
    assert named
    assert set(named) <= set(terminal.record["open_orders"])


def _check_second_terminal(terminal: Terminal) -> None:
    answer = _answer("manage.py", "migrate", "--check", environment=_environment(terminal.state, 1))
    assert answer.returncode == 0, answer.stderr


def _check_second_run(terminal: Terminal) -> None:
    again = _answer("-m", "config.local", "run", environment=_environment(terminal.state, ports.find_free()))
    assert again.returncode == 1
    assert f"already running at {terminal.record['addresses']['web']}" in again.stderr
    assert terminal.process.poll() is None


def _check_restart_of_a_killed_worker(terminal: Terminal) -> None:
    killed = terminal.record["processes"]["worker"]
    os.kill(killed, signal.SIGKILL)
    assert wait_until(lambda: terminal.record["processes"].get("worker", killed) != killed, seconds=20)
    assert "worker ended by itself" in terminal.screen
    assert "again in 1 s" in terminal.screen


@pytest.mark.slow
def test_without_redis_and_after_a_kill(state: Path) -> None:
    """Killed with -9 it leaves nothing that the next start stumbles over; without Redis a loop does the sweeps."""
    with _terminal(state, REDIS_URL="none") as first:
        first.wait_until_ready()
        assert set(first.record["processes"]) == {"postgres", "sandbox_a", "sandbox_b", "web", "waiting", "sweep"}
        assert "sweep --loop" in first.screen
        assert "REDIS_URL" not in first.record["environment"]
        _check_readme(first)
        handles = first.handles()
        first.process.kill()
        first.process.wait()
    stale = _answer("manage.py", "check", environment=_environment(state, 1))
    assert stale.stderr.startswith("Set DATABASE_URL, or start the demo with `make run`.")
    with _terminal(state, REDIS_URL="none") as second:
        second.wait_until_ready()
        assert not any(handle.is_alive() for handle in handles.values())
        second.process.terminate()
        assert second.process.wait(STOP_WITHIN_SECONDS) == 0


def test_a_taken_port_is_said_with_its_remedy(state: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = _answer("-m", "config.local", "run", environment=_environment(state, port))
    assert answer.returncode == 1
    assert f"make run PORT={port + 1}" in answer.stderr
    assert not (state / "postgres").exists()


@pytest.mark.parametrize("port", ["eighty", "0", "65536", "²"])
def test_a_port_that_is_none_is_refused(state: Path, port: str) -> None:
    answer = _answer("-m", "config.local", "run", environment={**_environment(state, 1), "PORT": port})
    assert answer.returncode == 1
    assert f"PORT={port} is not a port" in answer.stderr


def test_what_cannot_start_ends_everything_with_its_last_words(state: Path) -> None:
    environment = _environment(state, ports.find_free(), STEWARD_SECRET_KEY="short", REDIS_URL="none")
    answer = _answer("-m", "config.local", "run", environment=environment)
    assert answer.returncode == 1
    assert "STEWARD_SECRET_KEY" in answer.stderr
    assert "migrate.log" in answer.stderr
    assert not (state / "postgres" / "data" / "postmaster.pid").exists()


def test_secrets_are_made_once_and_are_private(tmp_path: Path) -> None:
    first = local_secrets(tmp_path)
    assert local_secrets(tmp_path) == first
    assert {"STEWARD_SECRET_KEY", "STEWARD_FIELD_KEYS", "STEWARD_HASH_KEY"} < set(first)
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600


def test_lost_secrets_are_never_made_anew_over_data_that_needs_them(tmp_path: Path) -> None:
    local_secrets(tmp_path)
    (tmp_path / "ports.json").write_text("{}")
    (tmp_path / "secrets.json").unlink()

    with pytest.raises(CannotStart, match="from a backup"):
        local_secrets(tmp_path)

    assert not (tmp_path / "secrets.json").exists()


def test_all_patience_together_fits_into_a_stop() -> None:
    servers = postgres_server.STOP_SECONDS + redis_server.STOP_SECONDS
    assert sum(STOP_SECONDS.values()) - STOP_SECONDS["sweep"] + servers < STOP_WITHIN_SECONDS
