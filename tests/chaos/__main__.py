"""`python -m tests.chaos --minutes N [--seed S]`: reads the command line, runs one evening, prints its sheet."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from config.local.signals import StopRequested, stop_requests
from config.local.state import STATE_FOLDER, CannotStart
from tests.chaos.evening import Evening
from tests.chaos.sheet import SECONDS_A_MINUTE, Sheet, printed
from tests.proof import records

INTERRUPTED: Final = 130
LARGEST_SEED: Final = 10**6


def arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, metavar="N", help="how long (default: %(default)s)")
    parser.add_argument("--seed", type=int, metavar="S", help="of guests and faults (default: another each time)")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="where logs and books are left (default: a new one)")
    return parser.parse_args(words)


def main() -> int:
    given = arguments(sys.argv[1:])
    seed = secrets.randbelow(LARGEST_SEED) if given.seed is None else given.seed
    _forget_the_callers_settings()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="steward-chaos-"))
    # As root the database belongs to another user, who has to pass through.
    folder.chmod(STATE_FOLDER)
    _say(f"Seed {seed}; everything is written to {folder}")
    try:
        with stop_requests():
            sheet = Evening(seed=seed, seconds=given.minutes * SECONDS_A_MINUTE, folder=folder, say=_say).run()
    except StopRequested:
        _say("Stopped. Nothing is left running.")
        return INTERRUPTED
    except CannotStart as error:
        _say(str(error))
        return 1
    return _show(sheet, folder)


def _show(sheet: Sheet, folder: Path) -> int:
    sys.stdout.write(f"{printed(sheet)}\nLogs, journals and findings: {folder}\n")
    records.record("chaos", **sheet.figures, is_clean=sheet.is_clean)
    return 0 if sheet.is_clean else 1


def _forget_the_callers_settings() -> None:
    """The run has servers of its own and production's settings, whatever a test's environment says."""
    for name in [*os.environ]:
        if name in {"DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE"} or _is_setting(name):
            del os.environ[name]


def _is_setting(name: str) -> bool:
    return name.startswith(("STEWARD_", "SANDBOX_")) and name != records.FOLDER


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
