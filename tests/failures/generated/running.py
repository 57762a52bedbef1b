"""How tests run the command, and for how small a restaurant."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO
from typing import Any

from django.core.management import call_command

PAYMENTS, CASES, DAYS = 400, 60, 6
UNTIL = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)


def generate(**changes: Any) -> str:
    wish = {"payments": PAYMENTS, "cases": CASES, "days": DAYS, "seed": 7, "until": UNTIL.isoformat(), **changes}
    said = StringIO()
    call_command("generate", *(word for name, value in wish.items() for word in _option(name, value)), stdout=said)
    return said.getvalue()


def _option(name: str, value: Any) -> list[str]:
    return [f"--{name}"] if value is True else [f"--{name}", str(value)]
