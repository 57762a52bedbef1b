"""Files of JSON lines that the run writes: the clients' journal, the monkey's log."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


class Journal:
    """Append-only, from any thread: a line is in the file when `append` returns."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._lock = threading.Lock()

    def append(self, **line: Any) -> None:
        text = json.dumps({"at": round(time.time(), 3), **line}, default=str)
        with self._lock:
            self._file.write(f"{text}\n")
            self._file.flush()

    def close(self) -> None:
        self._file.close()


def lines(path: Path) -> Iterator[Mapping[str, Any]]:
    if path.exists():
        with path.open(encoding="utf-8") as file:
            yield from map(json.loads, file)
