"""`manage.py credentials`: enter those of an account from the terminal, through the same service as everybody else."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from kernel.errors import ServiceError
from payments.management.commands._words import refusal
from payments.models import ProviderAccount
from payments.services.credential_changes import ask_to_change_credentials
from payments.services.credential_entries import Entered, hints_of
from payments.services.providers import PROVIDERS, facts_of


class Command(BaseCommand):
    help = (
        "Enter credentials of an account, one name=value a line on standard input: they stand in no shell's history."
        " A second person agrees in the console. Without --by: what the account has, without its secrets."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("account", metavar="ACCOUNT_ID", type=UUID)
        parser.add_argument("--by", default="", metavar="USERNAME", help="Who enters them: an admin of the restaurant.")
        parser.add_argument("--reason", default="")
        parser.add_argument(
            "--end", action="append", default=[], metavar="NAME", help="Of a signing secret: the one before it ends."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        account = ProviderAccount.objects.filter(pk=options["account"]).first()
        if account is None or account.provider not in PROVIDERS:
            raise CommandError(f"There is no account {options['account']}.")
        if not options["by"]:
            for label, hint in hints_of(account, account.credentials).items():
                self.stdout.write(f"{label}: {hint}")
            return
        person = User.objects.filter(username=options["by"]).first()
        if person is None:
            raise CommandError(f"There is nobody called {options['by']}.")
        entered = Entered(values=_values(sys.stdin, account), ended=frozenset(options["end"]))
        try:
            ask_to_change_credentials(account_id=account.pk, entered=entered, person=person, reason=options["reason"])
        except ServiceError as refused:
            raise CommandError(refusal(refused)) from refused
        self.stdout.write(f"{account.provider} takes them. They are in use when a second person agrees.")


def _values(lines: Iterable[str], account: ProviderAccount) -> dict[str, str]:
    known = [entry.name for entry in facts_of(account).entries]
    said = [line.strip().partition("=") for line in lines if line.strip()]
    unknown = sorted({name for name, _, _ in said} - set(known))
    if unknown:
        # Not the line itself: a value may stand where its name should.
        raise CommandError(f"{len(unknown)} of the lines begin with none of: {', '.join(known)}")
    return {name: value for name, _, value in said}
