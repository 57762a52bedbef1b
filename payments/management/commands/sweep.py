"""`manage.py sweep`: the second clock. The same functions that Celery calls, without Celery and without a broker."""

from __future__ import annotations

import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import OperationalError, connection

from accounts.services.idempotency import purge_old_calls
from accounts.services.people import purge_old_tokens
from kernel import clock
from payments.services.sweeps import ALSO, SWEEPS

PURGE_SECONDS = 3600.0  # As often as beat does it.


class Command(BaseCommand):
    help = "Do what is due now; with --loop go on until told to stop."
    _stopping = False
    _purged_at = -PURGE_SECONDS

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--loop", action="store_true", help="Go on until SIGTERM or Ctrl-C.")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["loop"]:
            self.stdout.write(f"{sum(sweep() for sweep in (*SWEEPS, *ALSO))} rows were due.")
            return
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, self._stop)
        self.stdout.write(f"Sweeping every {settings.STEWARD_SWEEP_SECONDS} s.")
        while not self._stopping:
            self._round()
            clock.sleep(settings.STEWARD_SWEEP_SECONDS)

    def _round(self) -> None:
        """A database that is away comes back; this clock must be there then."""
        try:
            for sweep in (*SWEEPS, *ALSO):
                if not self._stopping:
                    sweep()
            if clock.monotonic() >= self._purged_at + PURGE_SECONDS:
                self._purged_at = clock.monotonic()
                purge_old_calls()
                purge_old_tokens()
        except OperationalError as error:
            self.stderr.write(f"The database does not answer ({type(error).__name__}); trying again.")
            connection.close()

    def _stop(self, *_: Any) -> None:
        self._stopping = True
