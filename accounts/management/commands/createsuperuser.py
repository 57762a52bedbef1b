"""`manage.py createsuperuser`: Django's own, written into the audit as done at the shell."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.management.commands import createsuperuser

from accounts.services.editing_people import making_superusers_at_the_shell


class Command(createsuperuser.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        with making_superusers_at_the_shell():
            super().handle(*args, **options)
