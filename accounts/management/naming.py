"""Who works at the server's shell: by name where one is given, so that the audit has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts.models import User


def add_by(parser: CommandParser) -> None:
    parser.add_argument(
        "--by", metavar="NAME", help="Who does it: it stands in the audit. Without it: somebody at the shell."
    )


def named_by(options: Mapping[str, Any]) -> User | None:
    return person_named(options["by"]) if options["by"] else None


def person_named(username: str) -> User:
    person = User.objects.filter(username=username).first()
    if person is None:
        raise CommandError(f"There is nobody named {username}.")
    return person
