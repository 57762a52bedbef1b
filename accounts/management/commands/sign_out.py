"""`manage.py sign_out`: end every token of a person at once, as when a phone is lost."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from accounts.services.people import revoke_all_tokens_of


class Command(BaseCommand):
    help = "End every API token of a person. The password stays, and opens the next one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, **options: Any) -> None:
        person = User.objects.filter(username=options["username"]).first()
        if person is None:
            raise CommandError(f"There is nobody named {options['username']}.")
        count = revoke_all_tokens_of(person=person)
        tokens = "1 token" if count == 1 else f"{count} tokens"
        self.stdout.write(f"Signed out {person.get_username()}: {tokens} revoked.")
