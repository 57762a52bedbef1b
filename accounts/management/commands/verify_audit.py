"""`manage.py verify_audit`: whether what people did is still all there, as it was written."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import Restaurant
from events.audit import INSTALLATION, Verdict, verdicts
from events.models import AuditEntry

_KEEP = "Keep this somewhere else, and say it with --expect next time: then nobody can write a shorter history."


class Command(BaseCommand):
    help = (
        "Check that no entry of the audit was changed, taken away or put in. Exit code 1 if one was. "
        "manage.py verify_audit --expect cafe-blue:120:3f9c… also checks that it goes on from an earlier reading."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Machine-readable output.")
        parser.add_argument(
            "--expect", action="append", default=[], metavar="CHAIN:NUMBER:SEAL", help="From an earlier reading."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        names = dict(Restaurant.objects.values_list("pk", "slug"))
        names[INSTALLATION] = "installation"
        read = {names.get(each.chain_id, str(each.chain_id)): each for each in verdicts()}
        wrong = [*_wrong(read), *_unexpected(read, options["expect"])]
        if options["json"]:
            heads = {name: {"number": each.number, "seal": each.seal} for name, each in read.items()}
            self.stdout.write(json.dumps({"chains": heads, "wrong": wrong}, indent=2))
        else:
            for line in (*_heads(read), *wrong):
                self.stdout.write(line)
        if wrong:
            sys.exit(1)


def _heads(read: dict[str, Verdict]) -> Iterator[str]:
    if not read:
        yield "Nobody has done anything yet that is audited."
        return
    for name, each in read.items():
        yield f"{name}:{each.number}:{each.seal}"
    count = sum(each.number for each in read.values())
    yield f"{count} {'entry' if count == 1 else 'entries'} read. {_KEEP}"


def _wrong(read: dict[str, Verdict]) -> Iterator[str]:
    for name, each in read.items():
        for sentence in each.wrong:
            yield f"{name}: {sentence}"


def _unexpected(read: dict[str, Verdict], expected: Sequence[str]) -> Iterator[str]:
    for text in expected:
        name, _, rest = text.partition(":")
        number, _, seal = rest.partition(":")
        if not (number.isdigit() and seal):
            raise CommandError(f"{text!r} is no CHAIN:NUMBER:SEAL, such as an earlier reading printed.")
        chain = read.get(name)
        found = AuditEntry.objects.filter(chain=chain.chain_id, number=int(number)).first() if chain else None
        if found is None or found.seal != seal:
            yield f"{name}: entry {number} is not the one that was there."
