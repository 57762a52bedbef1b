"""`make test` and `make lint`: every check as one line of progress, then pytest, whose last line is the last."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from config.local.programs import NEEDS, all_are_required, missing_programs
from config.local.servers import WITHOUT_REDIS, Servers, WhichRedis, local_servers
from config.local.signals import StopRequested, stop_requests
from config.local.state import PROJECT, STATE_FOLDER, CannotStart, make_folder, state_folder

# Each process has its own database on one server; beyond this they wait for the disk, not for each other.
MOST_TEST_PROCESSES: Final = 4
# What pytest may take to say what it has so far, after Ctrl-C reached it too.
STOP_SECONDS: Final = 10.0
INTERRUPTED: Final = 130
_DO_WITHOUT: Final = ("REDIS_URL", WITHOUT_REDIS)


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    command: tuple[str, ...]


def _script(name: str) -> str:
    """A console script, run by our interpreter: its own first line names a path that a copied folder breaks."""
    return str(Path(sys.executable).with_name(name))


STYLE: Final = (
    Step("ruff check", ("-m", "ruff", "check", ".")),
    Step("ruff format", ("-m", "ruff", "format", "--check", ".")),
    Step("lint-imports", (_script("lint-imports"),)),
)
CHECKS: Final = (
    *STYLE,
    Step("mypy", ("-m", "mypy")),
    Step("migrations", ("manage.py", "makemigrations", "--check", "--dry-run")),
)


def lint() -> int:
    return 1 if _run_steps(STYLE, environment=os.environ) else 0


def test(arguments: Sequence[str]) -> int:
    """Not zero when any step failed, or when something is missing that must be here."""
    try:
        state = make_folder(state_folder(), mode=STATE_FOLDER) / "test"
        with stop_requests(), local_servers(state_dir=state, durable=False, which_redis=WhichRedis.NONE) as servers:
            return _test(arguments, environment=_environment(servers))
    except StopRequested:
        return INTERRUPTED
    except CannotStart as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _test(arguments: Sequence[str], *, environment: Mapping[str, str]) -> int:
    failed = _run_steps(CHECKS, environment=environment)
    failed += _report_missing()
    sys.stdout.flush()
    # One more than there are cores: the slowest tests wait for browsers, servers and clocks a good part of their time.
    processes = min((os.cpu_count() or 1) + 1, MOST_TEST_PROCESSES)
    # The slowest tests come last: whoever has nothing left to do takes some of them over.
    if _run_pytest(["-n", str(processes), "--dist", "worksteal", *arguments], environment=environment) != 0:
        failed.append("pytest")
    if failed:
        # Not on stdout: whoever reads the result there finds pytest's closing line at the end.
        sys.stderr.write(f"make test failed: {', '.join(failed)}\n")
    return 1 if failed else 0


def _environment(servers: Servers) -> dict[str, str]:
    """The checks need no Redis, and the tests start their own (`tests.servers`) unless they are to do without."""
    values = {name: text for name, text in os.environ.items() if (name, text) == _DO_WITHOUT or name != "REDIS_URL"}
    return values | {"DATABASE_URL": servers.database_url, "DJANGO_SETTINGS_MODULE": "tests.settings"}


def _run_steps(steps: Sequence[Step], *, environment: Mapping[str, str]) -> list[str]:
    """The names of those that failed. All are run: one look shows everything that is wrong."""
    return [step.name for step in steps if not _passes(step, environment=environment)]


def _passes(step: Step, *, environment: Mapping[str, str]) -> bool:
    began = time.monotonic()
    answer = subprocess.run(  # noqa: S603  Our own command.
        [sys.executable, *step.command],
        cwd=PROJECT,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    passed = answer.returncode == 0
    sys.stdout.write(f"{step.name:<14} {'ok' if passed else 'FAILED'} ({time.monotonic() - began:.1f} s)\n")
    if not passed:
        sys.stdout.write(f"{answer.stdout.rstrip()}\n")
    sys.stdout.flush()
    return passed


def _report_missing() -> list[str]:
    """One line per missing program; they are failures where everything is required."""
    missing = missing_programs()
    consequence = "required by STEWARD_REQUIRE_ALL=1" if all_are_required() else "its tests are skipped"
    for program in missing:
        sys.stdout.write(f"{program} is missing: {consequence} ({NEEDS[program].remedy})\n")
    return [f"{program} is missing" for program in missing] if all_are_required() else []


def _run_pytest(arguments: Sequence[str], *, environment: Mapping[str, str]) -> int:
    with subprocess.Popen(  # noqa: S603  Our own command.
        [sys.executable, "-m", "pytest", *arguments], cwd=PROJECT, env=dict(environment), stdin=subprocess.DEVNULL
    ) as pytest:
        try:
            return pytest.wait()
        except StopRequested:
            _end(pytest)
            raise


def _end(process: subprocess.Popen[bytes]) -> None:
    """A Ctrl-C reached it as well, so it is given its time; a signal sent to us alone has to be handed on."""
    for end in (process.terminate, process.kill):
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            end()
