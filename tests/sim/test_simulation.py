"""Seeds that anybody can play again, sabotages that have to be noticed, and every story that was ever a violation."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.proof.records import record
from tests.sim.moves import Move
from tests.sim.mutants import MUTANTS, QUICK, sabotaged
from tests.sim.shrinking import REGRESSIONS, keep, kept_in, shrunk
from tests.sim.simulation import simulate

# `make test` plays so many other seeds every day, in pieces that parallel processes share.
FRESH_SEEDS, PIECES = 500, 20
# As many sabotages as `make test` has time for, by rotation; all of them are hunted in `make proof`.
MUTANTS_A_DAY = 5
MOST_SEEDS = 500


def _today() -> int:
    return datetime.now(UTC).date().toordinal()


def _todays_mutants() -> list[str]:
    first = _today() * MUTANTS_A_DAY
    return [QUICK[(first + place) % len(QUICK)] for place in range(MUTANTS_A_DAY)]


@pytest.mark.slow
@pytest.mark.parametrize("piece", range(PIECES))
def test_nothing_is_charged_twice_or_lost(transactional_db: None, piece: int) -> None:
    """Other seeds every day: what is found here is found, and the message says how to find it again."""
    first = _today() * FRESH_SEEDS + piece * (FRESH_SEEDS // PIECES)
    for seed in range(first, first + FRESH_SEEDS // PIECES):
        outcome = simulate(seed)
        assert outcome.violations == [], f"manage.py simulate --seed {seed}\n{outcome.told()}"
    record("fresh_seeds", first=first, count=FRESH_SEEDS // PIECES)


@pytest.mark.parametrize("path", sorted(REGRESSIONS.glob("*.json")), ids=lambda path: path.stem)
def test_what_was_found_once_is_never_found_again(transactional_db: None, path: Path) -> None:
    outcome = kept_in(path).told()
    record("regressions", story=path.stem)

    assert outcome.violations == [], outcome.told()


@pytest.mark.parametrize("path", sorted(REGRESSIONS.glob("*.json")), ids=lambda path: path.stem)
def test_what_was_found_once_would_be_found_again(transactional_db: None, path: Path) -> None:
    """Where moves have come to mean something else, a story that was kept tells of nothing any more."""
    kept = kept_in(path)
    assert kept.fault, f"Write a sabotage that brings this fault back, and its name into {path.name}."

    with sabotaged(kept.fault):
        violations = kept.told().violations

    assert violations, f"Replace {path.name} by a new one: manage.py simulate --mutant {kept.fault} --keep"


@pytest.mark.slow
@pytest.mark.parametrize("name", _todays_mutants())
def test_a_sabotage_is_noticed(transactional_db: None, name: str) -> None:
    """Or the simulation proves nothing."""
    with sabotaged(name):
        profile = MUTANTS[name].profile
        assert any(simulate(seed, profile=profile).violations for seed in range(1, MOST_SEEDS + 1))


def test_the_same_seed_is_the_same_story(transactional_db: None) -> None:
    first, second = simulate(7), simulate(7)

    assert first.story == second.story
    assert first.trace == second.trace


def test_another_seed_is_another_story(transactional_db: None) -> None:
    assert simulate(7).trace != simulate(8).trace


def test_a_violation_is_shrunk_kept_and_told_again(
    transactional_db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.sim.shrinking.REGRESSIONS", tmp_path)
    monkeypatch.setattr("tests.sim.shrinking.MOST_TELLINGS", 20)
    with sabotaged("a_change_without_its_event"):
        outcome = next(each for each in map(simulate, range(1, MOST_SEEDS)) if each.violations)
        short = shrunk(outcome)
        path = keep(short, "example", found=outcome.violations[0])
        again = kept_in(path).told()

    assert len(short.moves) < len(outcome.moves)
    assert short.violations
    assert again.violations == short.violations
    assert kept_in(path).told().violations == []  # Without the sabotage nothing is wrong with it.


def test_a_story_may_lose_any_of_its_moves(transactional_db: None) -> None:
    """Shrinking leaves out what it likes: the rest must still be a story."""
    moves = [Move("go_on", 1), Move("withdraw", 2), Move("go_on", 3), Move("let_time_pass", 4)]

    assert simulate(1, moves=moves).violations == []
