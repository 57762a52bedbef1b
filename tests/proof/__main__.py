"""`make proof`: everything that tries to make Steward lose money, in full, and the sheet that says what came of it."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from config.local.signals import StopRequested, stop_requests
from tests.proof.parts import PARTS, Part, Wanted
from tests.proof.records import FOLDER
from tests.proof.sheet import Ended, Proof, as_markdown, commit_of, file_name, is_clean, smaller
from tests.proof.size import LOAD_SECONDS, SEEDS
from tests.throw_away import throw_away_servers

ROOT = Path(__file__).resolve().parents[2]
SHEETS = ROOT / "docs" / "proof"
INTERRUPTED = 130
# No proof plays more, so that two that begin in different minutes share no seed.
SEEDS_A_MINUTE = 100_000


def main(arguments: list[str]) -> int:
    wanted = wanted_by(arguments)
    try:
        with stop_requests(), tempfile.TemporaryDirectory(prefix="steward-proof-") as folder, throw_away_servers():
            os.environ[FOLDER] = folder
            return _conclude(_prove(wanted, folder=Path(folder)), wanted)
    except StopRequested:
        return INTERRUPTED


def wanted_by(arguments: list[str]) -> Wanted:
    parser = argparse.ArgumentParser(prog="make proof", description=__doc__)
    fresh = fresh_seed(at=datetime.now(UTC))
    parser.add_argument("--seed", type=int, default=fresh, help="the first seed (default: one that nobody has played)")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how many seeds of 40 steps (default: %(default)s)")
    minutes = LOAD_SECONDS // 60
    parser.add_argument("--minutes", type=int, default=minutes, help="how long the chaos lasts (default: %(default)s)")
    parser.add_argument("--only", nargs="*", choices=[part.name for part in PARTS], help="some parts; writes no sheet")
    wanted = Wanted(**vars(parser.parse_args(arguments)))
    if wanted.seeds > SEEDS_A_MINUTE:
        parser.error(f"--seeds is at most {SEEDS_A_MINUTE}: those after them belong to a proof of the next minute.")
    return wanted


def fresh_seed(*, at: datetime) -> int:
    return int(at.timestamp()) // 60 * SEEDS_A_MINUTE


def _prove(wanted: Wanted, *, folder: Path) -> Proof:
    began, commit = datetime.now(UTC), commit_of(ROOT)  # Before the first part: HEAD may move while they run.
    ended = [_run(part, wanted) for part in PARTS if not wanted.only or part.name in wanted.only]
    return Proof.of(ended, began=began, commit=commit, commit_at_end=commit_of(ROOT), folder=folder)


def _run(part: Part, wanted: Wanted) -> Ended:
    sys.stdout.write(f"\n== {part.name}: {part.sentence}\n")
    sys.stdout.flush()
    began = time.monotonic()
    command = [sys.executable, *part.command(wanted)]
    code = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, check=False).returncode  # Its own words.
    return Ended(part=part, code=code, seconds=time.monotonic() - began)


def _conclude(proof: Proof, wanted: Wanted) -> int:
    text = as_markdown(proof)
    sys.stdout.write(f"\n{text}")
    clean = is_clean(proof)
    if wanted.only or (clean and smaller(proof)):
        sys.stdout.write("\nNot written to docs/proof: proofs are kept there, and what a whole run has found.\n")
    else:
        _keep(text, SHEETS / file_name(proof))
    return 0 if clean else 1


def _keep(text: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    sys.stdout.write(f"\nWritten to {path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
