"""`manage.py simulate`: evenings from a seed, with everything that can go wrong, on a database of their own."""

from __future__ import annotations

import os
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tests.proof.records import record
from tests.sim.campaign import MOST_SEEDS, Evening, Hunt, hunt_all, play_all

ALL = "all"


class Command(BaseCommand):
    help = (
        "Simulates evenings in a restaurant: guests, waiters, workers, providers and accidents, all drawn from a seed."
        " The same seed is the same evening. It prints what must never have happened, as a story that is cut short."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        from tests.sim.faults import PROFILES  # noqa: PLC0415  As below.
        from tests.sim.simulation import PROFILE, STEPS  # noqa: PLC0415  Not before the models are there.

        parser.add_argument("--seed", type=int, default=1, help="the first seed (default: 1)")
        parser.add_argument("--seeds", type=int, default=1, help="how many seeds, counted up (default: 1)")
        parser.add_argument("--steps", type=int, default=STEPS, help=f"steps before the rest (default: {STEPS})")
        parser.add_argument(
            "--profile", choices=list(PROFILES), help=f"what goes wrong (default: {PROFILE}; a sabotage brings its own)"
        )
        parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
        parser.add_argument("--mutant", default="", help=f"a sabotage that has to be noticed, or {ALL!r}")
        parser.add_argument("--keep", action="store_true", help="keep the story that shows the sabotage")

    def handle(self, **options: Any) -> None:
        if min(options["seeds"], options["steps"], options["jobs"]) < 1:
            raise CommandError("--seeds, --steps and --jobs are at least 1.")
        if options["keep"] and options["mutant"] in {"", ALL}:
            raise CommandError("--keep goes with one --mutant: its story is kept. What a seed breaks is kept anyway.")
        if options["mutant"]:
            self._hunt(options)
            return
        from tests.sim.simulation import PROFILE  # noqa: PLC0415  As above.

        options["profile"] = options["profile"] or PROFILE
        if options["seeds"] == 1:
            self._tell(options)
        else:
            self._play(options)

    def _tell(self, options: dict[str, Any]) -> None:
        """One seed is told, whatever came of it."""
        for report in play_all(_evenings(options), jobs=1):
            self.stdout.write(report.story)
            self.stdout.write(f"Trace {report.trace}")
            if report.violations:
                raise CommandError(f"{len(report.violations)} violations.")

    def _play(self, options: dict[str, Any]) -> None:
        began, played, broken = time.monotonic(), 0, 0
        for report in play_all(_evenings(options), jobs=options["jobs"]):
            if not played:
                began = time.monotonic()  # Making the databases is not simulating.
            played += 1
            if report.violations:
                broken += 1
                self.stdout.write(f"{report.story}\nKept as tests/sim/regressions/{report.kept_at}\n")
        rate = (played - 1) / max(time.monotonic() - began, 1e-9)
        last = options["seed"] + options["seeds"] - 1
        record(
            "simulation",
            first=options["seed"],
            last=last,
            steps=options["steps"],
            profile=options["profile"],
            violations=broken,
            seeds_per_second=round(rate, 2),
        )
        self.stdout.write(
            f"Seeds {options['seed']} to {last}, {options['steps']} steps each: {broken} with violations,"
            f" {rate:.1f} seeds/s."
        )
        if broken:
            raise CommandError(f"{broken} of {played} seeds broke something. Their stories are above.")

    def _hunt(self, options: dict[str, Any]) -> None:
        from tests.sim.mutants import MUTANTS  # noqa: PLC0415  Not before the models are there.

        names = list(MUTANTS) if options["mutant"] == ALL else [options["mutant"]]
        if unknown := set(names) - set(MUTANTS):
            raise CommandError(f"There is no sabotage {unknown.pop()!r}. There are: {', '.join(MUTANTS)}.")
        seeds = range(options["seed"], options["seed"] + MOST_SEEDS)
        hunts = [
            Hunt(
                mutant=name,
                seeds=seeds,
                steps=options["steps"],
                profile=options["profile"] or MUTANTS[name].profile,
                keeps=options["keep"],
            )
            for name in names
        ]
        survivors, real = 0, 0
        for caught in hunt_all(hunts, jobs=min(options["jobs"], len(hunts))):
            survivors += not caught.violation
            real += len(caught.real)
            record(
                "mutants",
                mutant=caught.mutant,
                seed=caught.seed,
                violation=caught.violation,
                strange=len(caught.strange),
                violations_without=len(caught.real),
            )
            outcome = f"seed {caught.seed:>3}: {caught.violation}" if caught.violation else "SURVIVED"
            self.stdout.write(f"{caught.mutant:<60} {outcome}")
            for each in caught.strange:
                self.stdout.write(f"  not counted, {each}")
            for each in caught.real:
                self.stdout.write(f"  WITHOUT IT TOO, {each}")
            self.stdout.flush()
        if real:
            raise CommandError(f"{real} of the seeds on the way broke something without any sabotage: see above.")
        if survivors:
            raise CommandError(f"{survivors} of {len(names)} sabotages were not noticed in {MOST_SEEDS} seeds.")


def _evenings(options: dict[str, Any]) -> list[Evening]:
    seeds = range(options["seed"], options["seed"] + options["seeds"])
    return [Evening(seed=seed, steps=options["steps"], profile=options["profile"]) for seed in seeds]
