"""The proof sheet: figures from the books, what is wrong with them, and how they are printed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.chaos.comparison import OVERDUE, Comparison
from tests.chaos.keys import mistold
from tests.chaos.monkey import Draw
from tests.chaos.recovery import Kill
from tests.chaos.room import PROVIDERS, READY_SECONDS, Part

# Issue: crash recovery within a minute. A next action is late by no more than that, also under fire (I10).
_MOST_SECONDS: Final = {"longest_recovery_seconds": 60.0, "longest_overdue_seconds": OVERDUE.total_seconds()}
# Issue: fifteen minutes have at least a hundred kills.
LEAST_KILLS_A_MINUTE: Final = 100 / 15
SECONDS_A_MINUTE: Final = 60
# A process is up again within this, and what missed it is tried again: what was drawn so long before the end hits.
HIT_IS_SURE_SECONDS: Final = READY_SECONDS
# One or two leases a minute are left behind: most work is done in moments, or ended by the provider's message.
RECOVERY_IS_SURE_SECONDS: Final = 300.0
# Two busy cores complete fifty to a hundred and thirty: with fewer than this hardly anybody was at work.
LEAST_COMPLETED_A_MINUTE: Final = 20
# Five to twenty-five in a hundred under fire, each of a web that was killed, cut off or slower than its caller's
# patience. Where it is most of them, the clients' book is no witness: it says too little of what we did.
MOST_UNANSWERED_SHARE: Final = 0.5
# Nothing that the monkey does to others is a reason for them to end. Celery's worker ends itself where its broker is
# lost at a bad moment (docs/operations.md), and servers and providers are not Steward.
THAT_STAY: Final = (Part.WEB, Part.WAITING, Part.BEAT, Part.SWEEP)
# Sentences of one kind that are printed; all are in the findings' file.
SHOWN: Final = 5


@dataclass(frozen=True, kw_only=True)
class Run:
    """What happened, before anybody judges it."""

    seed: int
    load_seconds: float
    rest_seconds: float
    drawn: Sequence[Draw]
    kills: Mapping[str, int]
    faults: Mapping[str, int]
    recoveries: Sequence[Kill]
    longest_overdue_seconds: float
    invariants_broken: Sequence[str]
    died_by_themselves: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Sheet:
    figures: Mapping[str, Any]
    findings: Mapping[str, Sequence[str]]

    @property
    def wrong(self) -> list[str]:
        """Why the sheet is not clean, one sentence each."""
        found = [f"{name}: {len(found)}" for name, found in self.findings.items() if found]
        return [*found, *self._ended(), *self._too_slow(), *self._too_few(), *self._too_little()]

    def _ended(self) -> Iterator[str]:
        for part in THAT_STAY:
            if times := self.figures["died_by_themselves"].get(part):
                yield f"died_by_themselves: {part} ended {times} times, and nobody had killed it"

    def _too_slow(self) -> Iterator[str]:
        for name, most in _MOST_SECONDS.items():
            if self.figures[name] > most:
                yield f"{name}: more than {most:.0f}"

    def _too_few(self) -> Iterator[str]:
        """How much has to happen in a run of its length, or it proves little."""
        figures = self.figures
        for name, a_minute in (("kills", LEAST_KILLS_A_MINUTE), ("completed", LEAST_COMPLETED_A_MINUTE)):
            least = int(a_minute * figures["load_seconds"] / SECONDS_A_MINUTE)
            if figures[name] < least:
                yield f"{name}: {figures[name]} are fewer than the {least} that this time needs"
        if figures["dont_know"] > MOST_UNANSWERED_SHARE * figures["asked"]:
            yield f"dont_know: {figures['dont_know']} of {figures['asked']} answers never came"

    def _too_little(self) -> Iterator[str]:
        """What has to happen in a run at all, or it proves nothing about it."""
        figures = self.figures
        if figures["kills"] and not figures["leases_at_kills"]:
            yield "leases_at_kills: nobody held anything when somebody was killed"
        if figures["load_seconds"] >= RECOVERY_IS_SURE_SECONDS and not figures["recoveries_measured"]:
            yield "recoveries_measured: no kill left anything behind"
        if not figures["waits_answered"]:
            yield "waits_answered: nobody heard of a payment by waiting for it"
        if not figures["refunds_completed"]:
            yield "refunds_completed: nothing went back"
        for provider, count in figures["captures_by_provider"].items():
            if not count:
                yield f"captures_by_provider: no money moved at {provider}"

    @property
    def is_clean(self) -> bool:
        return not self.wrong


def sheet_of(run: Run, comparison: Comparison) -> Sheet:
    findings = {
        "charged_twice": list(comparison.charged_twice()),
        "lost": list(comparison.lost()),
        "books_differ": list(comparison.books_differ()),
        "in_doubt_past_bound": list(comparison.in_doubt_past_bound()),
        "refunds_above_captured": list(comparison.refunds_above_captured()),
        "events_missing": list(comparison.events_missing()),
        "mistold": list(mistold(comparison.told, comparison.ours.calls)),
        "strange_answers": list(comparison.told.strange),
        "invariants_broken": list(run.invariants_broken),
        "never_hit": sorted(_never_hit(run)),
    }
    counts = {name: len(found) for name, found in findings.items()}
    return Sheet(figures={**_happened(run), **_booked(comparison), **counts, **_recovered(run)}, findings=findings)


def _never_hit(run: Run) -> set[str]:
    """Kinds of kills and faults that were drawn, in time, and of which this run therefore has to prove something."""
    drawn = {draw.kind for draw in run.drawn if draw.at_seconds < run.load_seconds - HIT_IS_SURE_SECONDS}
    return drawn - run.kills.keys() - run.faults.keys()


def _happened(run: Run) -> dict[str, Any]:
    return {
        "seed": run.seed,
        "load_seconds": round(run.load_seconds),
        "rest_seconds": round(run.rest_seconds),
        "kills": sum(run.kills.values()),
        "kills_by_process": dict(sorted(run.kills.items())),
        "faults": sum(run.faults.values()),
        "faults_by_kind": dict(sorted(run.faults.items())),
        # Whoever runs an installation starts again what ended, as this run does. Who may not end is judged.
        "died_by_themselves": dict(sorted(run.died_by_themselves.items())),
    }


def _booked(comparison: Comparison) -> dict[str, Any]:
    told, ours = comparison.told, comparison.ours
    ends = Counter(payment.status for payment in ours.payments)
    refunds = Counter(refund.status for refund in ours.refunds)
    return {
        "asked": told.asked,
        "waits_answered": told.waits_answered,
        "payments_tried": told.payments_tried,
        "payments_accepted": len(ours.payments),
        "completed": ends["completed"],
        "failed": ends["failed"],
        "dont_know": told.dont_know,
        "charges": len(comparison.theirs),
        "captures_by_provider": {
            str(each): sum(charge.provider == each and charge.moved_minor > 0 for charge in comparison.theirs)
            for each in PROVIDERS
        },
        "refunds": len(ours.refunds),
        "refunds_completed": refunds["completed"],
        "events": len(ours.events),
        "rescued": len(list(comparison.rescued())),
        "in_doubt_within_bound": len(list(comparison.in_doubt_within_bound())),
        "moved_with_a_human": len(list(comparison.moved_with_a_human())),
        "with_a_human": len({case.payment_id for case in ours.cases if case.payment_id}),
    }


def _recovered(run: Run) -> dict[str, Any]:
    known = [(kill.recovery_seconds, kill.what) for kill in run.recoveries]
    measured = [(round(seconds, 1), what) for seconds, what in known if seconds is not None]
    seconds, what = max(measured, default=(0.0, "nothing"))
    return {
        "longest_recovery_seconds": seconds,
        "longest_recovery_of": what,
        "recoveries_measured": len(measured),
        "leases_at_kills": sum(kill.leases for kill in run.recoveries),
        "longest_overdue_seconds": round(run.longest_overdue_seconds, 1),
    }


_TITLES: Final = {
    "asked": "requests of the guests",
    "dont_know": "  answers that never came",
    "waits_answered": "  waits for a payment answered",
    "payments_tried": "payments tried",
    "payments_accepted": "payments accepted",
    "completed": "  completed",
    "failed": "  failed",
    "with_a_human": "  with an open case",
    "moved_with_a_human": "  moved, in doubt, with a human",
    "in_doubt_within_bound": "  in doubt, within bound",
    "charges": "charges in the providers' books",
    "refunds": "refunds",
    "refunds_completed": "  completed",
    "events": "events",
    "rescued": "rescued (surplus, given back)",
    "charged_twice": "charged twice",
    "lost": "lost",
    "books_differ": "books differ otherwise",
    "in_doubt_past_bound": "in doubt past bound",
    "refunds_above_captured": "refunds above captured",
    "events_missing": "events missing",
    "mistold": "keys told of two things, or none",
    "strange_answers": "answers that nobody expects",
    "invariants_broken": "invariants broken",
    "never_hit": "kinds drawn that never hit",
}
_RECOVERY: Final = """\
longest recovery                  {longest_recovery_seconds:>8} s  ({longest_recovery_of})
  From the moment the killed process was up again (a child's: from its kill, its master replaces it) until each row
  that it left behind was acted on: one that was leased at the kill, and still was when the lease was over. With all
  further kills and faults of that time. {recoveries_measured} kills left such rows behind.
leases held at kills              {leases_at_kills:>8}
most that any row was overdue     {longest_overdue_seconds:>8} s
"""


def printed(sheet: Sheet) -> str:
    figures = sheet.figures
    lines = [
        f"Proof sheet of the chaos run, seed {figures['seed']}",
        f"{figures['load_seconds']} s of load and faults; at rest after {figures['rest_seconds']} s more",
        "",
        *(f"{title:<34}{figures[name]:>8}" for name, title in _TITLES.items()),
        "",
        *_counted("charges that moved money", figures["captures_by_provider"]),
        *_counted("kills", figures["kills_by_process"]),
        *_counted("faults", figures["faults_by_kind"]),
        *_counted("ended by themselves, started again", figures["died_by_themselves"]),
        "",
        _RECOVERY.format(**figures),
        "Clean." if sheet.is_clean else "NOT CLEAN:",
        *(f"  {sentence}" for sentence in sheet.wrong),
        *(f"    {sentence}" for found in sheet.findings.values() for sentence in found[:SHOWN]),
    ]
    return "\n".join(lines)


def _counted(title: str, by_name: Mapping[str, int]) -> list[str]:
    return [f"{title:<34}{sum(by_name.values()):>8}", *(f"  {name:<32}{count:>8}" for name, count in by_name.items())]
