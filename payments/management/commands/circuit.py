"""`manage.py circuit`: an operator's word over a circuit, with a reason and an end; without arguments, how all are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from kernel import clock
from kernel.errors import ServiceError
from kernel.modes import Mode
from payments.management.commands._words import refusal
from payments.models import BreakerOverride, ProviderAccount
from payments.services.circuit_overrides import LONGEST, OPERATIONS, WORDS, force_circuit
from payments.services.providers import PROVIDERS, circuits_of

DEFAULT_MINUTES = 60
_WHO = "Who says so: a finance lead or an admin of a restaurant with an account in use there, or a superuser."
MOST_MINUTES = LONGEST // timedelta(minutes=1)


class Command(BaseCommand):
    help = (
        "Open or close a provider's circuit by hand: manage.py circuit sandbox_a charge open --person admin"
        " --reason '…'. Without arguments: the words that last, and how the circuits are."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("provider", nargs="?")
        parser.add_argument("operation", nargs="?", choices=OPERATIONS)
        parser.add_argument("word", nargs="?", choices=WORDS, help="release takes an earlier word back.")
        parser.add_argument("--reason", default="")
        parser.add_argument("--person", default="", metavar="USERNAME", help=_WHO)
        parser.add_argument("--minutes", type=int, default=DEFAULT_MINUTES, help="How long it lasts.")
        parser.add_argument("--mode", default=Mode.LIVE, choices=Mode.values)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["provider"] is None:
            for line in (*_lasting_words(), *_states()):
                self.stdout.write(line)
            return
        _check(options)
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
            raise CommandError(refusal(refused)) from refused
        self.stdout.write(_told(override))


def _check(options: dict[str, Any]) -> None:
    """What argparse would ask for, if it were not allowed to say nothing at all."""
    if options["word"] is None:
        raise CommandError("Say provider, operation and word; or nothing, to see how the circuits are.")
    missing = [f"--{name}" for name in ("person", "reason") if not options[name]]
    if missing:
        raise CommandError(f"A word over a circuit also needs {' and '.join(missing)}.")
    if not 0 < options["minutes"] <= MOST_MINUTES:
        raise CommandError(f"--minutes is above zero, up to a day ({MOST_MINUTES}).")
    provider = PROVIDERS.get(options["provider"])
    if provider is not None and provider.facts.is_manual:
        raise CommandError(f"{options['provider']} has no circuit: a person takes it.")


def _told(override: BreakerOverride) -> str:
    if not override.state:
        return f"{_circuit(override)}: earlier words are taken back, and the circuit decides by itself again."
    return f"{_circuit(override)}: {_forced(override)}."


def _circuit(override: BreakerOverride) -> str:
    return f"{override.provider} {override.operation} ({override.mode})"


def _forced(override: BreakerOverride) -> str:
    return f"forced {override.state} until {_moment(override.expires_at)}"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _lasting_words() -> Iterator[str]:
    """The newest of each circuit that still lasts; one that took a word back is no word."""
    lasting = BreakerOverride.objects.filter(expires_at__gt=clock.now()).order_by("created_at")
    newest = {_circuit(override): override for override in lasting}
    words = [override for override in newest.values() if override.state]
    names = {
        str(person.pk): person.username for person in User.objects.filter(pk__in=[word.actor_id for word in words])
    }
    for word in words:
        yield f"{_circuit(word)}: {_forced(word)}, by {names.get(word.actor_id, 'nobody known')}: {word.reason}"
    if not words:
        yield "No word over a circuit lasts."


def _states() -> Iterator[str]:
    if not settings.REDIS_URL:
        yield 'Without Redis every process has circuits of its own: look for "Circuit" in the logs of web and worker.'
        return
    accounts = ProviderAccount.objects.filter(enabled=True).order_by("provider", "mode").distinct("provider", "mode")
    for account in accounts:
        provider = PROVIDERS.get(account.provider)
        if provider is not None and not provider.facts.is_manual:
            states = (f"{operation} {breaker.peek()}" for operation, breaker in circuits_of(account).items())
            yield f"{account.provider} ({account.mode}) by itself: {', '.join(states)}"
