"""What is run, and with how much: the words of the command line, and the command of each part."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.proof import __main__ as command
from tests.proof.parts import FOUND_ELSEWHERE, PARTS, TELLINGS, Wanted
from tests.sim import test_simulation

ROOT = Path(__file__).resolve().parents[2]
BEGAN = datetime(2026, 11, 26, 4, 16, tzinfo=UTC)


def test_two_proofs_that_begin_in_different_minutes_share_no_seed() -> None:
    first, second = (command.fresh_seed(at=BEGAN + timedelta(minutes=number)) for number in (0, 1))

    assert first + command.SEEDS_A_MINUTE <= second
    assert second + command.SEEDS_A_MINUTE < 2**63


def test_more_seeds_than_a_minute_has_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.wanted_by(["--seeds", str(command.SEEDS_A_MINUTE)]).seeds == command.SEEDS_A_MINUTE
    with pytest.raises(SystemExit):
        command.wanted_by(["--seeds", str(command.SEEDS_A_MINUTE + 1)])

    assert "--seeds is at most 100000" in capsys.readouterr().err


def test_every_test_that_tells_a_kept_story_is_a_regression() -> None:
    tests = {name: test for name, test in vars(test_simulation).items() if name.startswith("test_")}
    tell = {name for name, test in tests.items() if "path" in inspect.signature(test).parameters}

    assert tell
    assert set(TELLINGS) == tell | {"test_the_same_seed_is_the_same_story"}
    assert tests.keys() >= set(TELLINGS)
    assert (ROOT / FOUND_ELSEWHERE).exists()


def test_each_part_says_how_it_is_run() -> None:
    wanted = Wanted(seed=7, seeds=20, minutes=3)

    commands = {part.name: " ".join(part.command(wanted)) for part in PARTS}

    assert "--seed 7 --seeds 20" in commands["simulation"]
    assert "--minutes 3" in commands["chaos"]
    assert all((ROOT / "tests" / name).exists() for name in ("crashes", "chaos", "sim"))
