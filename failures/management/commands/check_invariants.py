"""`manage.py check_invariants`: every invariant on the live database; exit code 1 names the rows that offend."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from failures.invariants import INVARIANTS, offences
from kernel import clock


class Command(BaseCommand):
    help = "Check every invariant that the database can answer. Exit code 1, and the rows, if one is broken."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Machine-readable output.")

    def handle(self, *args: Any, **options: Any) -> None:
        found = [dataclasses.asdict(offence) for offence in offences(now=clock.now())]
        if options["json"]:
            self.stdout.write(json.dumps({"checked": len(INVARIANTS), "offences": found}, indent=2))
        else:
            for offence in found:
                self.stdout.write("{invariant}  {row}  {what}  ({sentence})".format(**offence))
            self.stdout.write(f"{len(INVARIANTS)} invariants checked, {len(found)} rows offend.")
        if found:
            sys.exit(1)
