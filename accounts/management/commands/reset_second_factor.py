"""`manage.py reset_second_factor`: take a lost second factor off, in somebody's name and with a reason."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.management.naming import person_named
from accounts.services.second_factor import remove
from kernel.errors import ServiceError


class Command(BaseCommand):
    help = "Take a person's second factor off, as when a phone is lost. Their sessions and tokens end."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--by", required=True, metavar="NAME", help="Who does it: it stands in the audit.")
        parser.add_argument("--reason", required=True, help="Why: a colleague will read it.")

    def handle(self, *args: Any, **options: Any) -> None:
        person, by = person_named(options["username"]), person_named(options["by"])
        try:
            remove(person=person, by=by, reason=options["reason"])
        except ServiceError as refused:
            raise CommandError(refused.sentence) from refused
        self.stdout.write(f"{person.get_username()} signs in with the password alone now.")
