"""`manage.py changepassword`: Django's own, written into the audit as done at the shell."""

from __future__ import annotations

import getpass
from typing import Any

from django.contrib.auth.management.commands import changepassword

from accounts.management.naming import person_named
from accounts.services.editing_people import setting_password_at_the_shell


class Command(changepassword.Command):
    def handle(self, *args: Any, **options: Any) -> str:
        options["username"] = options["username"] or getpass.getuser()  # As Django's own does.
        with setting_password_at_the_shell(person_id=person_named(options["username"]).pk):
            return str(super().handle(*args, **options))
