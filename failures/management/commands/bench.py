"""`manage.py bench KIND` measures one thing in a database of its own.

What and how is in `payments.benchmarks`, and in `failures.benchmarks` where cases are part of it.
The figures belong to one machine and one moment; only their ratios travel.
"""

from __future__ import annotations

import json
from argparse import FileType
from collections.abc import Mapping
from typing import Any, TextIO

from django.core.management.base import BaseCommand, CommandError, CommandParser

from failures.benchmarks import pages
from payments.benchmarks import api, lists, pay, sweep
from payments.benchmarks.database import SUFFIX, bench_database, conditions
from payments.benchmarks.instant_provider import instant_provider
from payments.benchmarks.kinds import Kind

KINDS: Mapping[str, Kind] = {"pay": pay, "api": api, "lists": lists, "sweep": sweep, "pages": pages}


class Command(BaseCommand):
    help = "Measure next to what the database itself can do, and what many rows cost."

    def add_arguments(self, parser: CommandParser) -> None:
        kinds = parser.add_subparsers(dest="kind", metavar="KIND", title="kinds")
        for name, kind in KINDS.items():
            one = kinds.add_parser(name, help=kind.ABOUT, description=kind.ABOUT)
            one.add_argument("--create", action="store_true", help=f"make a database <name>{SUFFIX} and drop it again")
            one.add_argument("--json", type=FileType("w"), metavar="FILE", help="write the figures there as well")
            kind.add_arguments(one)

    def handle(self, *args: Any, **options: Any) -> None:
        kind = KINDS.get(options["kind"] or "")
        if kind is None:
            raise CommandError(f"Say what to measure:\n{_kinds()}")
        with bench_database(create=options["create"]), instant_provider():
            said = conditions()
            self.stdout.write(said)
            outcome = kind.measure(self.stdout.write, options)
        if options["json"]:
            _write(options["json"], {"kind": options["kind"], "conditions": said, **outcome.figures})
        if outcome.missed:
            raise CommandError("\n".join(outcome.missed))


def _kinds() -> str:
    return "\n".join(f"  bench {name:<7}{kind.ABOUT}" for name, kind in KINDS.items())


def _write(file: TextIO, figures: Mapping[str, Any]) -> None:
    with file:
        json.dump(figures, file, indent=1)
        file.write("\n")
