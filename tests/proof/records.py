"""What each part of the proof writes down for the sheet: one line of figures a run, from however many processes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# Named by `make proof`. Nobody collects the figures of a plain test run.
FOLDER = "STEWARD_PROOF_RECORDS"


def record(part: str, /, **figures: Any) -> None:
    folder = os.environ.get(FOLDER)
    if not folder:
        return
    # One write below the size of a pipe's buffer: lines of parallel processes do not mix.
    with (Path(folder) / f"{part}.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(figures, sort_keys=True, default=str) + "\n")


def records(part: str, folder: Path) -> Iterator[Mapping[str, Any]]:
    path = folder / f"{part}.jsonl"
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)
