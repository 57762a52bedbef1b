"""`manage.py verify_audit`: whether what people did is still all there, as it was written."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import Restaurant
from events.audit import INSTALLATION, Verdict, verdicts
from events.audit_files import FileReading, read_file
from events.models import AuditEntry

_KEEP = "Keep this somewhere else, and say it with --expect next time: then nobody can write a shorter history."


class Command(BaseCommand):
    help = (
        "Check that no entry of the audit was changed, taken away or put in. Exit code 1 if one was. "
        "manage.py verify_audit --expect cafe-blue:120:3f9c… also checks that it goes on from an earlier reading. "
        "With --file it reads an export, and no database."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Machine-readable output.")
        parser.add_argument(
            "--expect", action="append", default=[], metavar="CHAIN:NUMBER:SEAL", help="From an earlier reading."
        )
        parser.add_argument("--file", metavar="FILE", help="Read an export instead; - is what comes in on stdin.")
        parser.add_argument(
            "--gaps", action="store_true", help="With --file: it is a list that was filtered. Entries may be missing."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["file"] and options["expect"]:
            raise CommandError("--expect looks into the database, and --file does not.")
        told, wrong = _of_file(options) if options["file"] else _of_database(options)
        if options["json"]:
            self.stdout.write(json.dumps({**told, "wrong": wrong}, indent=2))
        else:
            for line in (*(_spans(told) if options["file"] else _heads(told)), *wrong):
                self.stdout.write(line)
        if wrong:
            sys.exit(1)


def _of_database(options: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    names = dict(Restaurant.objects.values_list("pk", "slug"))
    names[INSTALLATION] = "installation"
    read = {names.get(each.chain_id, str(each.chain_id)): each for each in verdicts()}
    heads = {name: {"number": each.number, "seal": each.seal} for name, each in read.items()}
    return {"chains": heads}, [*_wrong(read), *_unexpected(read, options["expect"])]


def _of_file(options: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    try:
        read = _read(options["file"], may_have_gaps=options["gaps"])
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{options['file']} cannot be read: {error}") from error
    chains = {
        _name_of(chain_id): {"from": first, "to": last, "seal": seal}
        for chain_id, (first, last, seal) in read.spans.items()
    }
    return {"chains": chains}, read.wrong


def _read(name: str, *, may_have_gaps: bool) -> FileReading:
    if name == "-":
        return read_file(sys.stdin, may_have_gaps=may_have_gaps)
    with open(name, encoding="utf-8") as lines:
        return read_file(lines, may_have_gaps=may_have_gaps)


def _name_of(chain_id: UUID) -> str:
    """A restaurant's name is in its database; a file has its id."""
    return "installation" if chain_id == INSTALLATION else str(chain_id)


def _heads(told: dict[str, Any]) -> Iterator[str]:
    chains = told["chains"]
    if not chains:
        yield "Nobody has done anything yet that is audited."
        return
    for name, each in chains.items():
        yield f"{name}:{each['number']}:{each['seal']}"
    count = sum(each["number"] for each in chains.values())
    yield f"{count} {'entry' if count == 1 else 'entries'} read. {_KEEP}"


def _spans(told: dict[str, Any]) -> Iterator[str]:
    if not told["chains"]:
        yield "No entry is in this file."
    for name, each in told["chains"].items():
        yield f"{name}: entries {each['from']} to {each['to']}, the last one sealed {each['seal']}"


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
