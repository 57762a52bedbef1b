"""`make test`: all steps are run, each failure is named, and what must be here may not be missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from config.local import programs, servers, suite
from config.local.programs import Need, Program
from config.local.state import PROJECT
from config.local.suite import Step

PASSES = Step("passes", ("-c", "print('nobody needs to see this')"))
FAILS = Step("fails", ("-c", "print('line 7 is wrong'); raise SystemExit(1)"))


@pytest.fixture
def pytest_environment() -> dict[str, str]:
    """What pytest would be given."""
    return {}


@pytest.fixture
def pytest_arguments(monkeypatch: pytest.MonkeyPatch, pytest_environment: dict[str, str]) -> list[str]:
    """Servers are given and pytest is not started again: only what surrounds it is under test."""
    given: list[str] = []

    def run(arguments: Sequence[str], *, environment: Mapping[str, str]) -> int:
        assert environment["DJANGO_SETTINGS_MODULE"] == "tests.settings"
        given.extend(arguments)
        pytest_environment.update(environment)
        return 0

    monkeypatch.setattr(suite, "_run_pytest", run)
    for program in Program:  # Whatever this machine has.
        monkeypatch.setitem(programs.NEEDS, program, Need(lambda: True, ""))
    monkeypatch.setenv("DATABASE_URL", "postgres://somewhere/else")
    monkeypatch.setenv("REDIS_URL", "redis://somewhere")
    monkeypatch.delenv("STEWARD_REQUIRE_ALL", raising=False)
    return given


def _steps(monkeypatch: pytest.MonkeyPatch, *steps: Step) -> None:
    monkeypatch.setattr(suite, "CHECKS", steps)


def _lack(monkeypatch: pytest.MonkeyPatch, program: Program) -> None:
    monkeypatch.setitem(programs.NEEDS, program, Need(lambda: False, "apt-get install it"))


def test_one_line_per_step_that_passes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pytest_arguments: list[str]
) -> None:
    _steps(monkeypatch, PASSES)
    assert suite.test(["-k", "refund"]) == 0
    assert capsys.readouterr().out.startswith("passes         ok (")
    assert pytest_arguments[-2:] == ["-k", "refund"]


def test_a_failed_step_shows_why_and_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pytest_arguments: list[str]
) -> None:
    _steps(monkeypatch, FAILS, PASSES)
    assert suite.test([]) == 1
    shown = capsys.readouterr()
    assert "line 7 is wrong" in shown.out
    assert "passes         ok" in shown.out
    assert pytest_arguments
    assert shown.err == "make test failed: fails\n"


def test_a_missing_program_is_named_and_forgiven(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pytest_arguments: list[str]
) -> None:
    _steps(monkeypatch)
    _lack(monkeypatch, Program.REDIS)
    assert suite.test([]) == 0
    assert "redis-server is missing: its tests are skipped (apt-get install it)" in capsys.readouterr().out
    assert programs.may_be_skipped(Program.REDIS)
    assert pytest_arguments


def test_a_missing_program_is_a_failure_where_all_are_required(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pytest_arguments: list[str]
) -> None:
    _steps(monkeypatch)
    _lack(monkeypatch, Program.REDIS)
    monkeypatch.setenv("STEWARD_REQUIRE_ALL", "1")
    assert suite.test([]) == 1
    assert capsys.readouterr().err == "make test failed: redis-server is missing\n"
    assert not programs.may_be_skipped(Program.REDIS)
    assert pytest_arguments


@pytest.mark.usefixtures("pytest_arguments")
@pytest.mark.parametrize(("given", "handed_on"), [("redis://somewhere", None), (servers.WITHOUT_REDIS, "none")])
def test_no_step_hears_of_somebody_s_redis(
    monkeypatch: pytest.MonkeyPatch, pytest_environment: dict[str, str], given: str, handed_on: str | None
) -> None:
    _steps(
        monkeypatch, Step("asks", ("-c", "import os; raise SystemExit('somewhere' in os.environ.get('REDIS_URL', ''))"))
    )
    monkeypatch.setenv("REDIS_URL", given)

    assert suite.test([]) == 0
    assert pytest_environment.get("REDIS_URL") == handed_on
    assert pytest_environment["DATABASE_URL"] == "postgres://somewhere/else"


def test_every_step_is_a_command_that_exists() -> None:
    for step in suite.CHECKS:
        program = step.command[0]
        assert program == "-m" or (PROJECT / program).exists(), step
