"""Starting a process with exactly the environment that a test gives it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

from tests.architecture.source import ROOT

# A start takes half a second; a machine under load takes ten times as long.
START_SECONDS = 30

COMPLETE = {
    "STEWARD_SECRET_KEY": "secret-key-that-must-never-be-echoed",
    "STEWARD_FIELD_KEYS": "ZmllbGQta2V5LXRoYXQtbXVzdC1ub3QtYmUtZWNob2U=",
    "STEWARD_HASH_KEY": "hash-key-that-must-never-be-echoed-1",
    "STEWARD_PUBLIC_URL": "https://pay.example.com",
    "DATABASE_URL": "postgres://steward:database-password@db.example.com:5432/steward",
}


def run_python(code: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT), "DJANGO_SETTINGS_MODULE": "config.settings", **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )


def start(environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return run_python("from django.conf import settings; settings.SECRET_KEY", environment)
