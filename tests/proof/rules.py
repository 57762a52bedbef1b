"""What the figures of each part must say. The sheet asks them itself, whatever the part's exit code was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

Figures = Sequence[Mapping[str, Any]]

# From the restart to the next action: nothing may wait for a broker's visibility time-out.
RECOVERY_SECONDS = 60.0


def _simulation(figures: Figures) -> Iterable[str]:
    return _not_zero(figures, "violations")


def _mutants(figures: Figures) -> Iterator[str]:
    yield from (f"{each['mutant']} was not noticed" for each in figures if not each["violation"])
    yield from _not_zero(figures, "violations_without")


def _regressions(_: Figures) -> Iterable[str]:
    """Their figures say that they were told; what came of it only the exit code says."""
    return ()


def _crashes(figures: Figures) -> Iterator[str]:
    yield from _not_zero(figures, "lost", "doubled", "mistold")
    yield from _too_late(kill["recovery_seconds"] for each in figures for kill in each["kills"])


def _races(figures: Figures) -> Iterable[str]:
    return _not_zero(figures, "violations")


def _api(_: Figures) -> Iterable[str]:
    """As with the stories: what came of it only the exit code says."""
    return ()


def _chaos(figures: Figures) -> Iterator[str]:
    yield from _not_zero(figures, "charged_twice", "lost", "books_differ", "in_doubt_past_bound")
    yield from _not_zero(figures, "refunds_above_captured", "events_missing", "mistold", "strange_answers")
    yield from _not_zero(figures, "invariants_broken", "never_hit")
    yield from _too_late(run["longest_recovery_seconds"] for run in figures)
    if not all(run["is_clean"] for run in figures):
        yield "its own sheet is not clean"


def total(figures: Figures, name: str) -> Any:
    """Over all processes and pieces that ran the part."""
    return sum(each[name] for each in figures)


def _not_zero(figures: Figures, *names: str) -> Iterator[str]:
    for name in names:
        if count := total(figures, name):
            yield f"{name.replace('_', ' ')}: {count}"


def _too_late(recoveries: Iterable[float | None]) -> Iterator[str]:
    """Never is too late as well."""
    if late := sum(seconds is None or seconds > RECOVERY_SECONDS for seconds in recoveries):
        yield f"recovered after more than {RECOVERY_SECONDS:.0f} s: {late}"


RULES: Mapping[str, Callable[[Figures], Iterable[str]]] = {
    "simulation": _simulation,
    "mutants": _mutants,
    "regressions": _regressions,
    "crashes": _crashes,
    "races": _races,
    "api": _api,
    "chaos": _chaos,
}
