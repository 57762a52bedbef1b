"""`manage.py sign_out`: end every token and session of a person at once, as when a phone is lost."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.management.naming import add_by, named_by, person_named
from accounts.services.editing_people import sign_out_everywhere
from kernel.errors import ServiceError


class Command(BaseCommand):
    help = "End every API token and every session of a person. The password stays, and opens the next one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        add_by(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        person = person_named(options["username"])
        try:
            count = sign_out_everywhere(person=person, by=named_by(options))
        except ServiceError as refused:
            raise CommandError(refused.sentence) from refused
        tokens = "1 token" if count == 1 else f"{count} tokens"
        self.stdout.write(f"Signed out {person.get_username()}: {tokens} revoked, and every session ended.")
