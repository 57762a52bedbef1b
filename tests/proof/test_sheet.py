"""The sheet says what the records say, and is clean only where every part ran, ended well and wrote its figures."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kernel.crashpoints import CrashPoint
from tests.chaos.books import Ours, Told
from tests.chaos.comparison import Comparison
from tests.chaos.sheet import LEAST_KILLS_A_MINUTE, SECONDS_A_MINUTE, Run, sheet_of
from tests.proof import __main__ as command
from tests.proof import size
from tests.proof.parts import PARTS, Part, Wanted
from tests.proof.records import FOLDER, record, records
from tests.proof.rules import RECOVERY_SECONDS, RULES
from tests.proof.sheet import TOLD, Ended, Proof, as_markdown, commit_of, file_name, is_clean, smaller
from tests.races.acts import PAIRS, TRIPLES
from tests.sim.mutants import MUTANTS
from tests.sim.shrinking import REGRESSIONS
from tests.sim.simulation import STEPS

ROOT = Path(__file__).resolve().parents[2]
BEGAN = datetime(2026, 11, 26, 4, 16, tzinfo=UTC)
FIGURES: dict[str, dict[str, Any]] = {
    "simulation": {
        "first": 1, "last": 2_000, "steps": 40, "profile": "mixed", "violations": 0, "seeds_per_second": 6.5,
    },
    "mutants": {
        "mutant": "a_refund_s_time_out_is_a_failure", "seed": 18, "violation": "I5: it was made", "strange": 0,
        "violations_without": 0,
    },
    "regressions": {"story": "example"},
    "crashes": {
        "point": "accept.after_commit", "process": "web", "hit": 1, "lost": 0, "doubled": 0, "mistold": 0,
        "kills": [{"holds": True, "recovery_seconds": 31.2}, {"holds": True, "recovery_seconds": 0.4}],
    },
    "races": {"what": "refunds", "trials": 10_000, "accepted": 900, "refused": 1_200, "violations": 0},
    "api": {"what": "storms", "storms": 200, "clients": 50},
    "chaos": {
        "payments_tried": 1_342, "load_seconds": 900, "kills": 108, "kills_by_process": {"beat": 50, "redis": 58},
        "charged_twice": 0, "lost": 0, "books_differ": 0, "in_doubt_past_bound": 0,
        "refunds_above_captured": 0, "events_missing": 0, "mistold": 0, "strange_answers": 0,
        "invariants_broken": 0, "never_hit": 0, "longest_recovery_seconds": 31.2, "is_clean": True,
    },
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(FOLDER, str(tmp_path))
    return tmp_path


# With these they are as many as a proof has.
MORE: dict[str, list[dict[str, Any]]] = {
    "mutants": [FIGURES["mutants"] | {"mutant": f"sabotage_{number}"} for number in range(39)],
    "regressions": [{"story": path.stem} for path in size.STORIES.glob("*.json")],
    "crashes": [FIGURES["crashes"] | {"point": point} for point in CrashPoint],
    "races": [
        *(
            {"what": "pair", "pair": "-".join(pair), "trials": 40, "blocked_hand_overs": 9, "violations": 0}
            for pair in PAIRS
        ),
        {"what": "triples", "triples": len(TRIPLES), "trials": 700, "blocked_hand_overs": 9, "violations": 0},
    ],
    "api": [{"what": "cases", "role": role, "cases": 4_600} for role in ("key", "waiter", "finance")],
}


def record_all(**instead: Sequence[dict[str, Any]]) -> None:
    """All that a proof records, but for the parts that are given."""
    for part, figures in FIGURES.items():
        for each in instead.get(part, [figures, *MORE.get(part, [])]):
            record(part, **each)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a proof runs that needs no servers."""
    monkeypatch.setenv(FOLDER, "")  # The proof names another, and it is put back.
    monkeypatch.setattr(command, "throw_away_servers", nullcontext)
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(command, "SHEETS", tmp_path / "sheets")
    return tmp_path


def proof(folder: Path, *, code: int = 0) -> Proof:
    ended = [Ended(part=part, code=code, seconds=60.0) for part in PARTS]
    return Proof.of(ended, began=BEGAN, commit="3f53a9d6cf04", commit_at_end="3f53a9d6cf04", folder=folder)


def test_every_part_has_its_table_and_its_rule() -> None:
    assert {part.name for part in PARTS} == set(TOLD) == set(RULES) == set(size.LEAST)
    assert list(TOLD) == list(FIGURES)


def test_the_longest_part_runs_last_and_is_read_first(folder: Path) -> None:
    sections = as_markdown(proof(folder)).split("\n## ")[1:]

    assert PARTS[-1].name == "simulation"
    assert [section.partition(":")[0].lower() for section in sections] == list(TOLD)


def test_a_clean_sheet_tells_each_part_s_figures(folder: Path) -> None:
    record_all()

    text = as_markdown(proof(folder))

    assert "Clean: nothing was charged twice and nothing was lost." in text
    for said in ("6.5", "a refund's time out is a failure | seed 18: I5: it was made", "beat 50, redis 58", "31.2 s"):
        assert said in text


def test_a_part_that_failed_or_proved_nothing_is_not_clean(folder: Path) -> None:
    assert not is_clean(proof(folder))  # No figures at all.
    record_all()

    assert is_clean(proof(folder))
    assert not is_clean(proof(folder, code=1))
    assert "NOT CLEAN." in as_markdown(proof(folder, code=1))


@pytest.mark.parametrize(
    ("part", "figures", "said"),
    [
        ("simulation", {"violations": 3}, "violations: 3"),
        ("mutants", {"violation": ""}, "a_refund_s_time_out_is_a_failure was not noticed"),
        ("mutants", {"violations_without": 1}, "violations without: 1"),
        ("crashes", {"lost": 1}, "lost: 1"),
        ("crashes", {"doubled": 1}, "doubled: 1"),
        ("crashes", {"mistold": 1}, "mistold: 1"),
        ("crashes", {"kills": [{"holds": True, "recovery_seconds": 60.1}]}, "recovered after more than 60 s: 1"),
        ("crashes", {"kills": [{"holds": True, "recovery_seconds": None}]}, "recovered after more than 60 s: 1"),
        ("races", {"violations": 1}, "violations: 1"),
        ("chaos", {"charged_twice": 1}, "charged twice: 1"),
        ("chaos", {"events_missing": 2}, "events missing: 2"),
        ("chaos", {"longest_recovery_seconds": 60.1}, "recovered after more than 60 s: 1"),
        ("chaos", {"is_clean": False}, "its own sheet is not clean"),
    ],
)
def test_figures_that_must_not_be_are_not_clean_whatever_the_exit_code(
    folder: Path, part: str, figures: dict[str, Any], said: str
) -> None:
    record_all()
    record(part, **FIGURES[part] | figures)

    assert not is_clean(proof(folder))
    assert f"## {part.capitalize()}: {said}, 1 min" in as_markdown(proof(folder))


@pytest.mark.parametrize(
    ("part", "recorded", "reason"),
    [
        ("simulation", [FIGURES["simulation"] | {"last": 20}], "20 seeds of 40 steps, and a proof has 2000"),
        ("simulation", [FIGURES["simulation"] | {"steps": 10}], "0 seeds of 40 steps, and a proof has 2000"),
        (
            "simulation",
            [FIGURES["simulation"] | {"seeds_per_second": 5.9}],
            "5.9 seeds a second, and a proof has 6",
        ),
        ("mutants", MORE["mutants"], "39 sabotages, and a proof has 40"),
        (
            "regressions",
            [{"story": "another"}],
            f"left out {', '.join(sorted(p.stem for p in size.STORIES.glob('*')))}",
        ),
        ("crashes", MORE["crashes"][:-2], "left out answer.after_kept, answer.before_kept"),
        ("api", [FIGURES["api"] | {"storms": 40}, *MORE["api"]], "40 storms on one key, and a proof has 200"),
        ("api", [FIGURES["api"], *MORE["api"][1:]], "2 roles, and a proof has 3"),
        (
            "api",
            [FIGURES["api"], *({**each, "cases": 900} for each in MORE["api"])],
            "2700 cases of a stranger, and a proof has 9000",
        ),
        ("races", [FIGURES["races"], *MORE["races"][1:]], "44 pairs of kinds, and a proof has 45"),
        ("races", [FIGURES["races"], *MORE["races"][:-1]], "0 triples of kinds, and a proof has 165"),
        (
            "races",
            [FIGURES["races"] | {"trials": 9_999}, *MORE["races"]],
            "9999 groups of racing refunds, and a proof has 10000",
        ),
        ("chaos", [FIGURES["chaos"] | {"load_seconds": 60}], "60 seconds of load, and a proof has 900"),
        ("chaos", [FIGURES["chaos"] | {"kills": 99}], "99 kills, and a proof has 100"),
    ],
)
def test_what_tried_less_is_clean_and_no_proof(
    folder: Path, part: str, recorded: Sequence[dict[str, Any]], reason: str
) -> None:
    record_all(**{part: recorded})

    text = as_markdown(proof(folder))

    assert is_clean(proof(folder))
    assert smaller(proof(folder)) == [f"{part}: {reason}"]
    assert text.startswith("# Part of a proof, 2026-11-26, 04:16 UTC\n\nClean, but smaller than a proof:\n")
    assert f"\n- {part}: {reason}\n" in text
    assert "NOT CLEAN, and smaller than a proof:" in as_markdown(proof(folder, code=1))


def test_parts_that_did_not_run_are_missing(folder: Path) -> None:
    record_all()
    whole = proof(folder)

    assert smaller(whole) == []
    assert smaller(replace(whole, ended=whole.ended[2:])) == ["crashes: not run", "chaos: not run"]


def test_as_much_is_asked_of_a_proof_as_of_its_parts() -> None:
    """What imports models is not imported there."""
    assert (len(PAIRS), len(TRIPLES), STEPS) == (size.PAIRS, size.TRIPLES, size.STEPS)
    assert size.STORIES == REGRESSIONS
    assert len(MUTANTS) >= size.SABOTAGES
    assert round(LEAST_KILLS_A_MINUTE * size.LOAD_SECONDS / SECONDS_A_MINUTE) == size.KILLS


@pytest.mark.parametrize(
    "said",
    [
        f"{size.SEEDS:,} seeds of {size.STEPS} steps, six a second",
        f"{size.SABOTAGES} sabotages",
        f"{size.PAIRS} pairs and {size.TRIPLES} triples of actors",
        f"{size.GROUPS:,} groups of racing refunds",
        f"{size.LOAD_SECONDS} seconds of chaos with {size.KILLS} kills",
    ],
)
def test_the_page_says_how_much_a_proof_is(said: str) -> None:
    page = (ROOT / "docs" / "proof.md").read_text(encoding="utf-8")

    assert said in " ".join(page.split())


def play_few_seeds(monkeypatch: pytest.MonkeyPatch, *, code: int) -> None:
    few = FIGURES["simulation"] | {"last": 20}
    program = f"from tests.proof.records import record; record('simulation', **{few}); raise SystemExit({code})"
    part = Part(name="simulation", sentence="a few", command=lambda wanted: ("-c", program))
    monkeypatch.setattr(command, "PARTS", [part])
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def test_a_clean_run_that_is_smaller_than_a_proof_is_not_kept_as_one(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    play_few_seeds(monkeypatch, code=0)

    assert command.main(["--seeds", "20"]) == 0

    said = capsys.readouterr().out
    assert "\nClean, but smaller than a proof:\n" in said
    assert "\n- simulation: 20 seeds of 40 steps, and a proof has 2000\n" in said
    assert "\nNot written to docs/proof: " in said
    assert not (root / "sheets").exists()


@pytest.mark.parametrize(("words", "is_kept"), [([], True), (["--only", "simulation"], False)])
def test_what_a_smaller_run_has_found_is_kept_unless_it_is_one_part_alone(
    root: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], is_kept: bool
) -> None:
    play_few_seeds(monkeypatch, code=1)

    assert command.main(words) == 1
    assert (root / "sheets").exists() is is_kept


def test_a_whole_proof_is_kept(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def records_all(_: Wanted) -> Sequence[str]:
        record_all()
        return ("-c", "")

    first, *others = [replace(part, command=lambda wanted: ("-c", "")) for part in PARTS]
    monkeypatch.setattr(command, "PARTS", [replace(first, command=records_all), *others])

    assert command.main([]) == 0

    (sheet,) = (root / "sheets").iterdir()
    assert sheet.read_text(encoding="utf-8").startswith("# Proof of ")
    assert f"Written to sheets/{sheet.name}" in capsys.readouterr().out


def test_whatever_the_chaos_finds_is_judged() -> None:
    run = Run(
        seed=1,
        load_seconds=60.0,
        rest_seconds=1.0,
        drawn=(),
        kills={},
        faults={},
        recoveries=[],
        longest_overdue_seconds=0.0,
        invariants_broken=[],
    )
    sheet = sheet_of(run, Comparison(told=Told(), ours=Ours(now=BEGAN), theirs=()))
    figures = {**sheet.figures, "is_clean": True}

    assert list(RULES["chaos"]([figures])) == []
    for seconds, is_too_late in ((RECOVERY_SECONDS, False), (RECOVERY_SECONDS + 0.1, True)):
        late = replace(sheet, figures=figures | {"longest_recovery_seconds": seconds})
        assert any("longest_recovery" in said for said in late.wrong) is is_too_late  # Both mean the same minute.
    for name in sheet.findings:
        assert list(RULES["chaos"]([figures | {name: 1}])) == [f"{name.replace('_', ' ')}: 1"]


def test_recovery_is_measured_where_the_dead_held_something(folder: Path) -> None:
    for holds, seconds in ((False, 0.0), (False, 0.1), (True, 20.0), (True, 30.0), (True, 31.2)):
        kills = [{"holds": holds, "recovery_seconds": seconds}]
        record("crashes", point="accept.after_commit", lost=0, doubled=0, mistold=0, kills=kills)

    text = as_markdown(proof(folder))

    for said in (
        "| processes killed at a crash point | 5 |",
        "| killed with something in hand | 3 |",
        "| recovery of what they had in hand, median | 30.0 s |",
        "| recovery of what they had in hand, longest | 31.2 s |",
    ):
        assert said in text


def test_the_title_of_a_part_says_what_is_wrong_with_it(folder: Path) -> None:
    record("regressions", story="example")

    failed, well = as_markdown(proof(folder, code=1)), as_markdown(proof(folder))

    assert "## Regressions: clean, 1 min" in well
    assert "## Regressions: FAILED with exit code 1, 1 min" in failed
    assert "## Races: PROVED NOTHING, for it wrote no figures, 1 min" in well
    assert "## Races: FAILED with exit code 1; PROVED NOTHING, for it wrote no figures, 1 min" in failed


def test_the_sheet_names_the_commit_of_its_first_part_and_says_if_it_moved(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = ["3f53a9d6cf04"]

    def moves_head(_: Wanted) -> Sequence[str]:
        head.append("641a2b8c0ffe")
        return ("-c", "")

    monkeypatch.setattr(command, "commit_of", lambda root: head[-1])
    monkeypatch.setattr(command, "PARTS", [Part(name="regressions", sentence="told again", command=moves_head)])

    command.main([])

    (sheet,) = (root / "sheets").iterdir()
    assert "Commit 3f53a9d6cf04, but 641a2b8c0ffe when the last part ended." in sheet.read_text(encoding="utf-8")


def test_a_second_proof_of_a_day_leaves_the_first_one_s_sheet_alone(folder: Path) -> None:
    first = proof(folder)
    second = replace(first, began=BEGAN + timedelta(hours=2))

    assert [file_name(each) for each in (first, second)] == ["2026-11-26-0416.md", "2026-11-26-0616.md"]
    assert "# Proof of 2026-11-26, 04:16 UTC" in as_markdown(first)


def test_a_machine_without_git_can_prove_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert commit_of(tmp_path) == "unknown"


def test_nothing_is_recorded_where_nobody_collects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FOLDER, raising=False)

    record("simulation", first=1)

    assert list(records("simulation", tmp_path)) == []
