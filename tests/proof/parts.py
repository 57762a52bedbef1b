"""The parts of the proof: what each is called, and the command that runs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

# As in `make test`: each process has a database of its own.
PROCESSES = "2"

# By their whole names: one that is called otherwise fails the part, where a piece of a name would find less in silence.
TELLINGS = (
    "test_what_was_found_once_is_never_found_again",
    "test_what_was_found_once_would_be_found_again",
    "test_what_was_told_wrongly_blames_nobody_any_more",
    "test_the_same_seed_is_the_same_story",
)
# What the sweep and the chaos found are no stories of the simulation's.
FOUND_ELSEWHERE = "tests/payments/test_found_by_the_proof.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    seed: int
    seeds: int
    minutes: int
    only: Sequence[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    name: str
    sentence: str
    command: Callable[[Wanted], Sequence[str]]


def _pytest(*arguments: str) -> Callable[[Wanted], Sequence[str]]:
    return lambda wanted: ("-m", "pytest", "-q", "-n", PROCESSES, "--dist", "worksteal", *arguments)


def _simulate(wanted: Wanted) -> Sequence[str]:
    return ("manage.py", "simulate", "--seed", str(wanted.seed), "--seeds", str(wanted.seeds))


# What has failed soonest so far comes first and the longest last: whoever sits at the screen sees a failure early.
PARTS: Sequence[Part] = (
    Part(
        name="chaos",
        sentence="everything at once, on real processes",
        command=lambda wanted: ("-m", "tests.chaos", "--minutes", str(wanted.minutes)),
    ),
    Part(
        name="crashes", sentence="real servers, killed at each crash point", command=_pytest("--proof", "tests/crashes")
    ),
    Part(
        name="api",
        sentence="the API, stormed by fifty clients and played by a stranger as three roles",
        command=_pytest("--proof", "tests/scenarios"),
    ),
    Part(
        name="races",
        sentence="actors held at their cuts, and racing refunds",
        command=_pytest("--proof", "tests/races"),
    ),
    Part(
        name="regressions",
        sentence="every story that was ever a violation",
        command=_pytest(*(f"tests/sim/test_simulation.py::{test}" for test in TELLINGS), FOUND_ELSEWHERE),
    ),
    Part(
        name="mutants",
        sentence="sabotages that the simulation has to notice",
        command=lambda wanted: ("manage.py", "simulate", "--mutant", "all"),
    ),
    Part(name="simulation", sentence="whole evenings from a seed", command=_simulate),
)
