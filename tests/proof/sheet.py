"""The sheet: what was tried, with figures, and whether anything came of it that must not."""

from __future__ import annotations

import platform
import statistics
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tests.proof.parts import Part
from tests.proof.records import records
from tests.proof.rules import RULES, Figures, total
from tests.proof.size import LEAST

Line = tuple[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    part: Part
    code: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    began: datetime
    commit: str
    commit_at_end: str
    ended: Sequence[Ended]
    figures: Mapping[str, Figures]

    @classmethod
    def of(cls, ended: Sequence[Ended], *, began: datetime, commit: str, commit_at_end: str, folder: Path) -> Proof:
        figures = {each.part.name: list(records(each.part.name, folder)) for each in ended}
        return cls(began=began, commit=commit, commit_at_end=commit_at_end, ended=ended, figures=figures)


def is_clean(proof: Proof) -> bool:
    return not any(_wrong(each, proof) for each in proof.ended)


def smaller(proof: Proof) -> list[str]:
    """Why it is no proof, however clean. A part without figures proved nothing, which is worse."""
    ran = [each.part.name for each in proof.ended]
    left_out = [f"{name}: not run" for name in TOLD if name not in ran]
    return left_out + [
        f"{name}: {reason}" for name in TOLD if proof.figures.get(name) for reason in LEAST[name](proof.figures[name])
    ]


def _wrong(each: Ended, proof: Proof) -> list[str]:
    """The one rule for the verdict and for the titles. A part that wrote no figures has proved nothing."""
    wrong = [f"FAILED with exit code {each.code}"] if each.code else []
    figures = proof.figures[each.part.name]
    if not figures:
        wrong.append("PROVED NOTHING, for it wrote no figures")
    return [*wrong, *RULES[each.part.name](figures)]


def file_name(proof: Proof) -> str:
    """With its time: a second proof of a day must not hide what the first one found."""
    return f"{proof.began:%Y-%m-%d-%H%M}.md"


def as_markdown(proof: Proof) -> str:
    reasons = smaller(proof)
    lines = [
        f"# {'Part of a proof,' if reasons else 'Proof of'} {proof.began:%Y-%m-%d, %H:%M} UTC",
        "",
        _verdict(proof, reasons),
        "",
        *([*(f"- {reason}" for reason in reasons), ""] if reasons else []),
        f"Commit {_tested(proof)}. Python {platform.python_version()} on {platform.machine()}.",
        "What each part does: [proof.md](../proof.md).",
    ]
    for each in sorted(proof.ended, key=lambda one: list(TOLD).index(one.part.name)):
        outcome = "; ".join(_wrong(each, proof)) or "clean"
        lines += ["", f"## {each.part.name.capitalize()}: {outcome}, {each.seconds / 60:.0f} min", ""]
        lines += _table(TOLD[each.part.name](proof.figures[each.part.name]))
    return "\n".join(lines) + "\n"


def _verdict(proof: Proof, reasons: Sequence[str]) -> str:
    clean = is_clean(proof)
    if reasons:
        return f"{'Clean' if clean else 'NOT CLEAN'}, {'but' if clean else 'and'} smaller than a proof:"
    return "Clean: nothing was charged twice and nothing was lost." if clean else "NOT CLEAN."


def _tested(proof: Proof) -> str:
    """Each part runs what is there when it begins."""
    moved = proof.commit_at_end != proof.commit
    return f"{proof.commit}, but {proof.commit_at_end} when the last part ended" if moved else proof.commit


def _table(rows: Iterable[Line]) -> list[str]:
    return ["| What | Figure |", "|---|---|", *(f"| {what} | {figure} |" for what, figure in rows)]


def _simulation(figures: Figures) -> Iterable[Line]:
    for run in figures:
        count = run["last"] - run["first"] + 1
        yield f"seeds {run['first']} to {run['last']}, {run['steps']} steps each, {run['profile']}", count
        yield "seeds with a violation", run["violations"]
        yield "seeds a second", run["seeds_per_second"]


def _mutants(figures: Figures) -> Iterable[Line]:
    yield "sabotages", len(figures)
    yield "noticed", sum(bool(each["violation"]) for each in figures)
    yield "violations on the way that are another's", total(figures, "strange")
    yield "violations on the way without any sabotage", total(figures, "violations_without")
    for each in sorted(figures, key=lambda one: str(one["mutant"])):
        name = str(each["mutant"]).replace("_s_", "'s ").replace("_", " ")
        yield name, f"seed {each['seed']}: {each['violation']}" if each["violation"] else "SURVIVED"


def _regressions(figures: Figures) -> Iterable[Line]:
    yield "stories told again", len(figures)


def _crashes(figures: Figures) -> Iterable[Line]:
    """Where the dead held nothing, nobody has to recover it."""
    kills = [kill for each in figures for kill in each["kills"]]
    held = [kill for kill in kills if kill["holds"]]
    seconds = [kill["recovery_seconds"] for kill in held if kill["recovery_seconds"] is not None]
    yield "processes killed at a crash point", len(kills)
    yield "crash points", len({each["point"] for each in figures})
    yield "lost", sum(each["lost"] for each in figures)
    yield "doubled", sum(each["doubled"] for each in figures)
    yield "told otherwise when asked again under the same key", sum(each["mistold"] for each in figures)
    yield "killed with something in hand", len(held)
    if seconds:
        yield "recovery of what they had in hand, median", f"{statistics.median(seconds):.1f} s"
        yield "recovery of what they had in hand, longest", f"{max(seconds):.1f} s"


def _races(figures: Figures) -> Iterable[Line]:
    """Summed over the processes and the pieces that ran them."""
    of = {what: [each for each in figures if each["what"] == what] for what in ("pair", "triples", "refunds")}
    yield "pairs of kinds, one interrupted once, at every cut", len(of["pair"])
    yield "races of pairs", total(of["pair"], "trials")
    yield "triples of kinds", total(of["triples"], "triples")
    yield "races of triples", total(of["triples"], "trials")
    yield "hand-overs because of a lock", total(of["pair"] + of["triples"], "blocked_hand_overs")
    yield "groups of racing refunds", total(of["refunds"], "trials")
    yield "refunds asked for, accepted", total(of["refunds"], "accepted")
    yield "refunds asked for, refused", total(of["refunds"], "refused")
    yield "violations", total(figures, "violations")


def _chaos(figures: Figures) -> Iterable[Line]:
    for run in figures:
        for name, figure in run.items():
            many = isinstance(figure, Mapping)
            said = ", ".join(f"{what} {count}" for what, count in figure.items()) if many else figure
            yield name.replace("_", " "), said


def _api(figures: Figures) -> Iterable[Line]:
    of = {what: [each for each in figures if each["what"] == what] for what in ("storms", "cases")}
    for each in of["storms"]:
        yield f"storms of {each['clients']} clients on one key", each["storms"]
    for each in of["cases"]:
        yield f"cases that a stranger played as {each['role']}", each["cases"]


# In the order of docs/proof.md, whichever was run first.
TOLD: Mapping[str, Callable[[Figures], Iterable[Line]]] = {
    "simulation": _simulation,
    "mutants": _mutants,
    "regressions": _regressions,
    "crashes": _crashes,
    "races": _races,
    "api": _api,
    "chaos": _chaos,
}


def commit_of(root: Path) -> str:
    """And whether something was not committed: then nobody can run it again."""

    def git(*words: str) -> str:
        try:
            answer = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)  # noqa: S607
        except FileNotFoundError:
            return ""  # A proof does not need it.
        return answer.stdout.strip()

    changed = " with changes that are not committed" if git("status", "--porcelain") else ""
    return f"{git('rev-parse', '--short=12', 'HEAD') or 'unknown'}{changed}"
