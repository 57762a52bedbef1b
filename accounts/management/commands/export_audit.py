"""`manage.py export_audit`: the audit as lines of JSON, to keep where whoever owns the database cannot reach it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import Restaurant
from events.audit import INSTALLATION
from events.audit_files import lines_of, with_previous
from events.models import AuditEntry
from kernel.downloads import ROWS_AT_A_TIME

_INSTALLATION = "installation"


class Command(BaseCommand):
    help = (
        "Print the audit, an entry a line, each with its seal and the one before. "
        "manage.py verify_audit --file FILE checks it without the database."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--restaurant",
            metavar="SLUG",
            help=f"Its chain alone; {_INSTALLATION}: what belongs to none. Default: all.",
        )
        parser.add_argument("--from", dest="since", type=date.fromisoformat, metavar="DAY", help="2026-11-01, in UTC.")
        parser.add_argument("--to", dest="until", type=date.fromisoformat, metavar="DAY", help="That day included.")

    def handle(self, *args: Any, **options: Any) -> None:
        entries = with_previous(AuditEntry.objects.order_by("chain", "number"))
        if options["restaurant"]:
            entries = entries.filter(chain=_chain_of(options["restaurant"]))
        if options["since"]:
            entries = entries.filter(at__gte=_midnight(options["since"]))
        if options["until"]:
            entries = entries.filter(at__lt=_midnight(options["until"] + timedelta(days=1)))
        for line in lines_of(entries.iterator(chunk_size=ROWS_AT_A_TIME)):
            self.stdout.write(line, ending="")


def _chain_of(slug: str) -> UUID:
    if slug == _INSTALLATION:
        return INSTALLATION
    restaurant = Restaurant.objects.filter(slug=slug).first()
    if restaurant is None:
        raise CommandError(f"There is no restaurant {slug}.")
    return restaurant.pk


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)
