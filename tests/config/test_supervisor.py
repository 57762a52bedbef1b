"""Dead processes: named with their last words, started again a bounded number of times, then left or fatal."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from config.local import supervisor
from config.local.processes import Child, wait_until
from config.local.state import CannotStart
from config.local.supervisor import MOST_RESTARTS, Supervisor


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_SECONDS", 0.0)


def _child(folder: Path, program: str) -> Child:
    return Child(
        name="fragile",
        command=[sys.executable, "-c", program],
        log=folder / "fragile.log",
        environment={},
        folder=folder,
    )


def _look_until_dead_again(supervisor: Supervisor, child: Child) -> None:
    assert wait_until(lambda: not child.is_running(), seconds=10)
    supervisor.look()  # It is seen to be dead,
    supervisor.look()  # and started again when its pause is over.


def test_a_death_is_told_with_the_last_words_and_healed(tmp_path: Path) -> None:
    said: list[str] = []
    changes: list[None] = []
    child = _child(tmp_path, "print('the disk is full'); raise SystemExit(3)")
    watch = Supervisor(say=said.append, changed=lambda: changes.append(None))
    child.start()
    watch.watch(child)
    _look_until_dead_again(watch, child)
    assert changes
    assert "fragile ended by itself (exit code 3)" in said[0]
    assert "the disk is full" in said[1]
    child.stop(patience_seconds=1)


def test_restarts_are_bounded(tmp_path: Path) -> None:
    said: list[str] = []
    child = _child(tmp_path, "raise SystemExit(1)")
    watch = Supervisor(say=said.append, changed=lambda: None)
    child.start()
    watch.watch(child)
    for _ in range(MOST_RESTARTS + 2):
        _look_until_dead_again(watch, child)
    assert sum("ended by itself" in line for line in said) == MOST_RESTARTS + 1
    assert "stays down" in said[-1]


def test_something_vital_that_cannot_live_ends_the_run(tmp_path: Path) -> None:
    child = _child(tmp_path, "raise SystemExit(1)")
    watch = Supervisor(say=lambda _: None, changed=lambda: None)
    child.start()
    watch.watch(child, vital=True)
    for _ in range(MOST_RESTARTS):
        _look_until_dead_again(watch, child)
    assert wait_until(lambda: not child.is_running(), seconds=10)
    with pytest.raises(CannotStart, match="cannot be kept alive"):
        watch.look()


def test_what_does_not_listen_is_killed_with_all_it_started(tmp_path: Path) -> None:
    program = (
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "other = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(other.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    child = _child(tmp_path, program)
    child.start()
    assert wait_until(lambda: child.log.read_text(encoding="utf-8").strip() != "", seconds=10)
    grandchild = Path("/proc") / child.log.read_text(encoding="utf-8").strip()
    child.stop(patience_seconds=0.1)
    assert wait_until(lambda: not grandchild.exists(), seconds=5)
