"""`run.json`: what a second terminal or a script has to know about the run that is going on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from config.local.processes import Handle
from config.local.state import is_own, read_private, write_private


def run_file(state: Path) -> Path:
    return state / "run.json"


@dataclass
class RunRecord:
    addresses: dict[str, str]
    database_url: str
    redis_url: str | None
    environment: dict[str, str]
    logins: list[dict[str, str]] = field(default_factory=list)
    api_keys: list[dict[str, str]] = field(default_factory=list)
    open_orders: list[str] = field(default_factory=list)

    def write(self, state: Path, *, processes: Mapping[str, int]) -> None:
        runner = Handle.of(os.getpid()).as_record()
        value = {"state": str(state), **vars(self), "processes": dict(processes), "runner": runner}
        write_private(run_file(state), value)


def living_run(state: Path) -> dict[str, Any] | None:
    """What the run wrote, unless it was killed before it could remove its file."""
    record = read_private(run_file(state)) or {}
    runner = Handle.read(record.get("runner"))
    return record if runner and runner.is_alive() and is_own(record, folder=state) else None
