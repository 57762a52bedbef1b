"""How much each part must have tried. Less may be clean as well, but it is no proof."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from kernel.crashpoints import CrashPoint
from tests.proof.rules import Figures, total

# Issue: two thousand seeds of forty steps, six a second. Who is slower loses no money, but plays too little in a day.
SEEDS, STEPS, SEEDS_A_SECOND = 2_000, 40, 6.0
# Issue: a quarter of an hour under fire, and a hundred kills.
LOAD_SECONDS, KILLS = 15 * 60, 100
# Issue: ten thousand groups of refunds that race. Nine kinds of actors, each with each and itself, and in threes.
GROUPS, PAIRS, TRIPLES = 10_000, 45, 165
# Issue: two hundred storms on one key, and three roles. The bounds of all fields are some three thousand cases of each.
STORMS, ROLES, CASES = 200, 3, 9_000
# Fewer would be no sample of the mistakes that real systems make.
SABOTAGES = 40
STORIES = Path(__file__).resolve().parents[1] / "sim" / "regressions"


def _simulation(figures: Figures) -> Iterator[str]:
    long_enough = [run for run in figures if run["steps"] >= STEPS]
    seeds = sum(run["last"] - run["first"] + 1 for run in long_enough)
    yield from _fewer(f"seeds of {STEPS} steps", seeds, SEEDS)
    for run in figures:
        yield from _fewer("seeds a second", run["seeds_per_second"], SEEDS_A_SECOND)


def _mutants(figures: Figures) -> Iterator[str]:
    yield from _fewer("sabotages", len({each["mutant"] for each in figures}), SABOTAGES)


def _regressions(figures: Figures) -> Iterator[str]:
    yield from _left_out({path.stem for path in STORIES.glob("*.json")} - {each["story"] for each in figures})


def _crashes(figures: Figures) -> Iterator[str]:
    yield from _left_out({str(point) for point in CrashPoint} - {each["point"] for each in figures})


def _races(figures: Figures) -> Iterator[str]:
    of = {what: [each for each in figures if each["what"] == what] for what in ("pair", "triples", "refunds")}
    yield from _fewer("pairs of kinds", len({each["pair"] for each in of["pair"]}), PAIRS)
    yield from _fewer("triples of kinds", total(of["triples"], "triples"), TRIPLES)
    yield from _fewer("groups of racing refunds", total(of["refunds"], "trials"), GROUPS)


def _api(figures: Figures) -> Iterator[str]:
    of = {what: [each for each in figures if each["what"] == what] for what in ("storms", "cases")}
    yield from _fewer("storms on one key", total(of["storms"], "storms"), STORMS)
    yield from _fewer("roles", len({each["role"] for each in of["cases"]}), ROLES)
    yield from _fewer("cases of a stranger", total(of["cases"], "cases"), CASES)


def _chaos(figures: Figures) -> Iterator[str]:
    yield from _fewer("seconds of load", total(figures, "load_seconds"), LOAD_SECONDS)
    yield from _fewer("kills", total(figures, "kills"), KILLS)


def _fewer(what: str, tried: float, least: float) -> Iterator[str]:
    if tried < least:
        yield f"{tried:g} {what}, and a proof has {least:g}"


def _left_out(names: set[str]) -> Iterator[str]:
    if names:
        yield f"left out {', '.join(sorted(names))}"


LEAST: Mapping[str, Callable[[Figures], Iterator[str]]] = {
    "simulation": _simulation,
    "mutants": _mutants,
    "regressions": _regressions,
    "crashes": _crashes,
    "races": _races,
    "api": _api,
    "chaos": _chaos,
}
