"""Work done by another process, so that it can be killed, paused and raced like a real one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

ROOT = Path(__file__).resolve().parents[2]


# The same proportions as in production, at a tenth.
SHORT = {
    "STEWARD_PROVIDER_DEADLINE_SECONDS": "1",
    "STEWARD_REQUEST_BUDGET_SECONDS": "2",
    "STEWARD_LEASE_SECONDS": "7",
}


def start(
    job: str,
    *,
    crash_at: str = "",
    redis_url: str = "none",
    environment: Mapping[str, str] | None = None,
    **arguments: Any,
) -> subprocess.Popen[str]:
    """A process of this program, on the test's database unless the environment names another."""
    variables = {
        **os.environ,
        "DATABASE_URL": database_url(),
        "REDIS_URL": redis_url,
        "STEWARD_CRASH_AT": crash_at,
        **SHORT,
        **(environment or {}),
    }
    command = [sys.executable, "-m", "tests.scenarios.other_process", job, json.dumps(arguments, default=str)]
    return subprocess.Popen(
        command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def database_url() -> str:
    """The test database, under the address that the servers gave."""
    from django.db import connection  # noqa: PLC0415  Not at hand in the other process, before it is set up.

    base, _, _ = os.environ["DATABASE_URL"].rpartition("/")
    return f"{base}/{connection.settings_dict['NAME']}"


def _main() -> None:
    import django  # noqa: PLC0415  The environment is read here, in the other process only.

    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    django.setup()
    from tests.scenarios import jobs  # noqa: PLC0415  Models exist only now.

    job: Callable[..., None] = getattr(jobs, sys.argv[1])
    job(**{name: _value(value) for name, value in json.loads(sys.argv[2]).items()})


def _value(value: Any) -> Any:
    try:
        return UUID(value)
    except (ValueError, AttributeError, TypeError):
        return value


if __name__ == "__main__":
    _main()
