"""`manage.py seed_demo`: the demo restaurant, with its days of orders. Safe to repeat."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from failures.demo.seed import Sandbox, Secrets, seed_demo

FEE_A_BPS, FEE_B_BPS = 190, 240  # Two providers with different fees, so that the order of routes means something.


class Command(BaseCommand):
    help = "Fill in the demo restaurant: staff of each role, orders of several days, something to resolve."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--sandbox-a", required=True, metavar="URL")
        parser.add_argument("--sandbox-b", required=True, metavar="URL")
        parser.add_argument("--summary", type=Path, metavar="PATH", help="Write logins and API keys here (mode 600).")

    def handle(self, *args: Any, **options: Any) -> None:
        summary = seed_demo(
            sandboxes=[
                Sandbox(provider="sandbox_a", url=options["sandbox_a"], fee_bps=FEE_A_BPS),
                Sandbox(provider="sandbox_b", url=options["sandbox_b"], fee_bps=FEE_B_BPS),
            ],
            secrets=_secrets(),
            say=self.stdout.write,
        )
        if options["summary"]:
            _write_private(options["summary"], json.dumps(summary))


def _secrets() -> Secrets:
    """The sandboxes read the same two variables, so that nothing secret stands in a process list."""
    try:
        return Secrets(api_key=os.environ["SANDBOX_API_KEY"], webhook_secret=os.environ["SANDBOX_WEBHOOK_SECRET"])
    except KeyError as missing:
        raise CommandError(f"Set {missing.args[0]} to what the sandbox providers were started with.") from missing


def _write_private(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
