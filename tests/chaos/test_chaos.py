"""One minute of chaos with every `make test`, and what a Ctrl-C leaves behind: nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.local.state import PROJECT

# Its start, its minute, its rest at the longest, and its end, on two cores that others use as well.
RUN_SECONDS = 900.0
START_SECONDS = 180.0
# `make chaos` draws another one each time; here the same faults come every time.
SEED = "11"
STOP_SECONDS = 60.0


@pytest.mark.slow
@pytest.mark.longest
def test_a_minute_of_chaos_ends_with_a_clean_sheet(tmp_path: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "tests.chaos", "--minutes", "1", "--seed", SEED, "--folder", str(tmp_path)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=RUN_SECONDS,
    )

    assert said.returncode == 0, f"{said.stderr}\n{said.stdout}"
    figures = json.loads((tmp_path / "sheet.json").read_text())
    nothing = ("charged_twice", "lost", "in_doubt_past_bound", "refunds_above_captured", "events_missing")
    assert {name: figures[name] for name in nothing} == dict.fromkeys(nothing, 0)
    assert figures["completed"] > 0
    assert "Clean." in said.stdout
    assert not list(_processes_of(tmp_path))


@pytest.mark.slow
def test_a_stopped_run_leaves_no_process(tmp_path: Path) -> None:
    said = tmp_path / "said"
    with said.open("wb") as output:
        run = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos", "--minutes", "5", "--folder", str(tmp_path)],
            cwd=PROJECT,
            stdout=output,
            stderr=output,
        )
    try:
        _wait_until_it_plays(run, said)
        run.send_signal(signal.SIGINT)
        assert run.wait(STOP_SECONDS) == 130, said.read_text()
        assert not list(_processes_of(tmp_path))
    finally:
        run.kill()
        run.wait()


def _wait_until_it_plays(run: subprocess.Popen[bytes], said: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while "the monkey plays" not in said.read_text():
        assert run.poll() is None, said.read_text()
        assert time.monotonic() < until, said.read_text()
        time.sleep(0.1)


def _processes_of(folder: Path) -> Iterator[str]:
    """Whatever has the run's folder in its command or its environment, and is not on its way out."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
            words += (process / "environ").read_bytes()
        except OSError:
            continue  # It ended meanwhile, or is somebody else's.
        if os.fsencode(folder) in words and int(process.name) != os.getpid():
            yield words.split(b"\0")[0].decode()
