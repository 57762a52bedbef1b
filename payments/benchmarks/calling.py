"""Requests to a web process from many connections at once, by the program in `callers`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from payments.benchmarks.figures import Measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What every answer has to be, so that no refusal is counted as quick work."""

    status: int
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Called:
    measured: Measured
    cpu_seconds: float
    """Of the callers themselves, who share the machine."""


def request_text(method: str, path: str, *, headers: Mapping[str, str], body: str = "") -> str:
    all_headers = {"Host": "localhost", **headers, "Content-Length": str(len(body.encode()))}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in all_headers.items())]
    return "\r\n".join([*lines, "", body])


def call_from_many(*, port: int, connections: int, requests: Sequence[str], expected: Expected) -> Called:
    plan = {"port": port, "connections": connections, "requests": [*requests]}
    plan |= {"status": expected.status, "expected": dict(expected.fields)}
    answer = subprocess.run(
        [sys.executable, "-m", "payments.benchmarks.callers"],
        input=json.dumps(plan),
        capture_output=True,
        text=True,
        check=False,
        cwd=settings.BASE_DIR,
    )
    if answer.returncode:
        raise CommandError(f"The callers ended early: {answer.stderr}")
    said = json.loads(answer.stdout)
    if "wrong" in said:
        raise CommandError(f"Not the answer that is measured here: {said['wrong']}")
    measured = Measured(seconds=said["seconds"], elapsed_seconds=said["elapsed_seconds"])
    return Called(measured, said["cpu_seconds"])
