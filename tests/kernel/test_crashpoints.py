"""A process dies exactly where a test arms it, once, and nowhere else."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kernel import crashpoints
from kernel.crashpoints import CrashPoint, crashpoint
from tests.architecture.source import PRODUCT, project_sources

ROOT = Path(__file__).resolve().parents[2]
PASSES_TWO_POINTS_THREE_TIMES = """
from kernel.crashpoints import CrashPoint, crashpoint
for number in (1, 2, 3):
    crashpoint(CrashPoint.CHARGE_AFTER_COMMIT)
    print("charge", number, flush=True)
    crashpoint(CrashPoint.SETTLE_AFTER_COMMIT)
    print("settle", number, flush=True)
"""
EVERYTHING = ["charge 1", "settle 1", "charge 2", "settle 2", "charge 3", "settle 3"]


def start(armed: str = "", file: Path | None = None) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STEWARD_CRASH")}
    if armed:
        environment["STEWARD_CRASH_AT"] = armed
    if file:
        environment["STEWARD_CRASH_FILE"] = str(file)
    return subprocess.Popen(
        [sys.executable, "-c", PASSES_TWO_POINTS_THREE_TIMES],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def run(armed: str = "", file: Path | None = None) -> tuple[int, list[str]]:
    process = start(armed, file)
    said, _ = process.communicate(timeout=30)
    return process.returncode, said.split("\n")[:-1]


def test_a_process_that_is_not_armed_passes_every_point() -> None:
    assert run() == (0, EVERYTHING)


def test_an_armed_process_is_killed_at_its_point() -> None:
    assert run("charge.after_commit") == (-signal.SIGKILL, [])
    assert run("settle.after_commit") == (-signal.SIGKILL, ["charge 1"])


def test_a_point_may_be_armed_for_its_second_hit() -> None:
    assert run("charge.after_commit:2") == (-signal.SIGKILL, ["charge 1", "settle 1"])
    assert run("settle.after_commit:3") == (-signal.SIGKILL, EVERYTHING[:-1])


def test_a_point_that_is_not_reached_kills_nobody() -> None:
    assert run("refund.after_answer") == (0, EVERYTHING)
    assert run("charge.after_commit:4") == (0, EVERYTHING)


def test_a_written_order_is_carried_out_once_whoever_starts_again(tmp_path: Path) -> None:
    order = tmp_path / "order"

    assert run(file=order) == (0, EVERYTHING)  # Nothing is written yet.
    order.write_text("settle.after_commit:2", encoding="utf-8")
    assert run(file=order) == (-signal.SIGKILL, ["charge 1", "settle 1", "charge 2"])
    assert [path.name for path in tmp_path.iterdir()] == ["order.fired"]
    assert run(file=order) == (0, EVERYTHING)


def test_a_worker_can_be_paused_once_instead_of_killed() -> None:
    with start("settle.after_commit:2:stop") as process:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        assert os.WSTOPSIG(status) == signal.SIGSTOP
        os.kill(process.pid, signal.SIGCONT)
        said, _ = process.communicate(timeout=30)

    assert (process.returncode, said.split("\n")[:-1]) == (0, EVERYTHING)


def test_this_process_is_not_armed() -> None:
    assert crashpoints.install(None) is None
    for point in CrashPoint:
        crashpoint(point)


def test_a_test_may_own_every_point_and_give_them_back() -> None:
    passed: list[CrashPoint] = []
    handler = passed.append

    before = crashpoints.install(handler)
    crashpoint(CrashPoint.REFUND_AFTER_ANSWER)
    assert crashpoints.install(before) is handler
    crashpoint(CrashPoint.REFUND_AFTER_COMMIT)

    assert passed == [CrashPoint.REFUND_AFTER_ANSWER]


def test_an_exception_of_a_handler_reaches_the_code_under_test() -> None:
    def refuse(point: CrashPoint) -> None:
        raise ConnectionError(point)

    before = crashpoints.install(refuse)
    try:
        with pytest.raises(ConnectionError, match=r"accept\.after_commit"):
            crashpoint(CrashPoint.ACCEPT_AFTER_COMMIT)
    finally:
        crashpoints.install(before)


def test_every_point_is_passed_somewhere_in_the_product() -> None:
    """A name that nothing passes would make a crash test that proves nothing."""
    passed = {
        argument.attr
        for source in project_sources()
        if source.package in PRODUCT
        for node, _ in source.nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "crashpoint"
        for argument in node.args
        if isinstance(argument, ast.Attribute)
    }

    assert passed == set(CrashPoint.__members__)


def test_points_are_named_after_their_place() -> None:
    assert [point.value.replace(".", "_").upper() for point in CrashPoint] == list(CrashPoint.__members__)
