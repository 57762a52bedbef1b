"""How tests run the command and read what it prints."""

from __future__ import annotations

import json
import re
from io import StringIO
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.db import connection


def bench(*words: str) -> str:
    answer = StringIO()
    call_command("bench", *words, stdout=answer)
    return answer.getvalue()


def bench_to_file(file: Path, *words: str) -> tuple[str, dict[str, Any]]:
    said = bench(*words, "--json", str(file))
    figures: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return said, figures


def databases() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database")
        return {name for (name,) in cursor.fetchall()}


def cells(said: str, name: str) -> list[str]:
    """What stands behind the name in its line of a table."""
    found = re.search(rf"^ *{re.escape(name)} {{2,}}(.+)$", said, re.MULTILINE)
    assert found, said
    return re.split(r" {2,}", found[1].strip())
