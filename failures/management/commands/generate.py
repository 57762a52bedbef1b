"""`manage.py generate`: a restaurant full of made-up payments and cases, the same ones for the same seed."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from failures.generated.filling import Filled, fill
from failures.generated.house import GenerationRefused
from failures.generated.planning import Wish
from failures.generated.progress import Progress
from kernel import clock

PAYMENTS, CASES, SEED, DAYS, SLUG = 1_000_000, 10_000, 7, 365, "generated-table"


class Command(BaseCommand):
    help = "Fill a restaurant of its own with made-up payments and cases, in test mode. Never beside live payments."

    def add_arguments(self, parser: CommandParser) -> None:
        for name, default, about in (
            ("payments", PAYMENTS, f"how many ({PAYMENTS:,})"),
            ("cases", CASES, f"how many are open ({CASES:,}); as many have ended"),
            ("seed", SEED, f"the same seed and the same --until leave the same rows ({SEED})"),
            ("days", DAYS, f"how many they are spread over ({DAYS})"),
        ):
            parser.add_argument(f"--{name}", type=_count, default=default, help=about)
        parser.add_argument("--restaurant", default=SLUG, metavar="SLUG", help=f"made if it is not there ({SLUG})")
        parser.add_argument("--until", type=_moment, metavar="TIME", help="when the last day ends (now)")
        parser.add_argument("--more", action="store_true", help="add to what an earlier run has left")

    def handle(self, *args: Any, **options: Any) -> None:
        wish = Wish(
            payments=options["payments"],
            cases=options["cases"],
            seed=options["seed"],
            days=options["days"],
            until=options["until"] or clock.now(),
            slug=options["restaurant"],
            is_more=options["more"],
        )
        progress = Progress(self.stdout, wanted=wish.payments)
        try:
            filled = fill(wish, say=self.stdout.write, told=progress.tell)
        except GenerationRefused as refused:
            raise CommandError(str(refused)) from refused
        self.stdout.write(_said(wish, filled, progress.seconds))


def _said(wish: Wish, filled: Filled, seconds: float) -> str:
    if not filled.payments:
        return f"They are there already, up to {filled.until:%Y-%m-%d %H:%M:%S} UTC. Say --more to add as many again."
    return (
        f"{filled.payments:,} payments and {wish.cases:,} open cases in {seconds:.0f} s, up to "
        f"{filled.until:%Y-%m-%d %H:%M:%S} UTC. Sign in as {wish.slug}-finance, once it has a password: "
        f"manage.py changepassword {wish.slug}-finance"
    )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text} is no whole number above zero.")
    return int(text)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text} is no time, such as 2026-01-31T21:00.") from error
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
