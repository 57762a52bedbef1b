"""`manage.py circuit`: an operator's word over a circuit, with a reason and an end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from kernel.errors import ServiceError
from kernel.modes import Mode
from payments.services.circuit_overrides import OPERATIONS, WORDS, force_circuit

DEFAULT_MINUTES = 60


class Command(BaseCommand):
    help = "Open or close a provider's circuit by hand: manage.py circuit sandbox_a charge open --reason '…'"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("provider")
        parser.add_argument("operation", choices=OPERATIONS)
        parser.add_argument("word", choices=WORDS, help="release takes an earlier word back.")
        parser.add_argument("--reason", required=True)
        parser.add_argument("--person", required=True, metavar="USERNAME", help="Who says so: somebody of staff.")
        parser.add_argument("--minutes", type=int, default=DEFAULT_MINUTES, help="How long it lasts.")
        parser.add_argument("--mode", default=Mode.LIVE, choices=Mode.values)

    def handle(self, *args: Any, **options: Any) -> None:
        person = User.objects.filter(username=options["person"]).first()
        if person is None:
            raise CommandError(f"There is nobody called {options['person']}.")
        try:
            override = force_circuit(
                provider=options["provider"],
                mode=Mode(options["mode"]),
                operation=OPERATIONS[options["operation"]],
                state=WORDS[options["word"]],
                person=person,
                reason=options["reason"],
                lasts=timedelta(minutes=options["minutes"]),
            )
        except ServiceError as refused:
            raise CommandError(f"{refused.sentence} ({refused.code})") from refused
        self.stdout.write(f"{override.provider} {override.operation}: {options['word']} until {override.expires_at}.")
