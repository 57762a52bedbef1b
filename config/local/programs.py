"""Programs that some tests need and a machine may lack: named, so that a skipped test is never a silent one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from config.local.binaries import find_redis


class Program(StrEnum):
    REDIS = "redis-server"
    CHROMIUM = "chromium"
    NPM = "npm"


@dataclass(frozen=True, slots=True)
class Need:
    is_here: Callable[[], bool]
    remedy: str


def find_chromium() -> str | None:
    """Debian's own: nothing is downloaded for a test."""
    return shutil.which("chromium")


NEEDS: dict[Program, Need] = {
    Program.REDIS: Need(lambda: find_redis() is not None, "apt-get install redis-server"),
    Program.CHROMIUM: Need(lambda: find_chromium() is not None, "apt-get install chromium"),
    Program.NPM: Need(lambda: shutil.which("npm") is not None, "apt-get install npm"),
}


def missing_programs() -> list[Program]:
    return [program for program, need in NEEDS.items() if not need.is_here()]


def may_be_skipped(program: Program) -> bool:
    """For a test that needs it: not here, and nobody insists."""
    return not NEEDS[program].is_here() and not all_are_required()


def all_are_required() -> bool:
    """In CI a missing program is a failure: there a skipped test would look like a passed one."""
    return os.environ.get("STEWARD_REQUIRE_ALL") == "1"
