"""`manage.py describe_api`: write the description of the API and what it promises, or compare them."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from api.pages_for_people import DESCRIPTION
from api.promises import PROMISES, promises


class Command(BaseCommand):
    help = "Write api/openapi.json and api/promises.txt from the routes. With --check nothing is written."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="fail where the committed files are others")
        parser.add_argument("--breaking", action="store_true", help="take promises back: clients will break")

    def handle(self, *args: Any, **options: Any) -> None:
        description = described()
        text, promised = as_text(description), promises(description)
        broken = sorted(set(_committed_promises()) - set(promised))
        if broken and not options["breaking"]:
            raise CommandError("Clients may rely on what would go (--breaking takes it away):\n" + "\n".join(broken))
        if not options["check"]:
            DESCRIPTION.write_text(text, encoding="utf-8")
            PROMISES.write_text("\n".join(promised) + "\n", encoding="utf-8")
            self.stdout.write(f"{DESCRIPTION.name} and {PROMISES.name} are written: {len(promised)} promises.")
        elif not DESCRIPTION.exists() or DESCRIPTION.read_text(encoding="utf-8") != text:
            raise CommandError("The routes and api/openapi.json differ. Run: manage.py describe_api")
        elif _committed_promises() != promised:
            raise CommandError("The routes and api/promises.txt differ. Run: manage.py describe_api")


def described() -> dict[str, Any]:
    schema: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    validate_schema(schema)
    return schema


def as_text(description: dict[str, Any]) -> str:
    return json.dumps(description, indent=1, ensure_ascii=False) + "\n"


def _committed_promises() -> list[str]:
    return PROMISES.read_text(encoding="utf-8").splitlines() if PROMISES.exists() else []
