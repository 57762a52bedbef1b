"""`manage.py rotate_keys`: everything that is encrypted is written anew under the first of STEWARD_FIELD_KEYS."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kernel.rotation import Column, rotate_keys


class Command(BaseCommand):
    help = (
        "Put a new key in front of STEWARD_FIELD_KEYS, restart every process, run this, and take the old key away."
        " It can be interrupted, and run again while everybody works."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        unreadable = 0
        for column in rotate_keys(told=self._progress):
            unreadable += column.unreadable
            self.stdout.write(_told(column))
        if unreadable:
            raise CommandError(f"{unreadable} values are read by none of the keys. Keep the key that wrote them.")
        self.stdout.write("Everything is under the first key. The others can be taken away.")

    def _progress(self, column: Column) -> None:
        if self.stderr.isatty():
            self.stderr.write(_told(column), ending="\r")


def _told(column: Column) -> str:
    lost = f", {column.unreadable} unreadable" if column.unreadable else ""
    return f"{column.name}: {column.written} written anew{lost}"
