"""An append-only file of JSON lines that survives the death of its process. It knows nothing of payments."""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


class Journal:
    """A line is in the file when `append` returns, and on the disk when `sync` returns."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._unsynced = False
        self._syncing = threading.Lock()
        # Two processes with one set of books would each forget half of it.
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._drop_torn_line()

    def lines(self) -> Iterator[Mapping[str, Any]]:
        """Everything ever written. A damaged line that is not the last is an error: these are books."""
        with os.fdopen(os.dup(self._file), "rb") as file:
            file.seek(0)
            for number, line in enumerate(file, start=1):
                try:
                    yield json.loads(line)
                except ValueError as error:
                    raise ValueError(f"The books are damaged in line {number}.") from error

    def append(self, line: Mapping[str, Any]) -> None:
        os.write(self._file, json.dumps(line, separators=(",", ":")).encode() + b"\n")
        self._unsynced = True

    def sync(self) -> None:
        """One thread writes the disk for all that wait here."""
        with self._syncing:
            if self._unsynced:
                self._unsynced = False
                os.fsync(self._file)

    def close(self) -> None:
        self.sync()
        os.close(self._file)

    def _drop_torn_line(self) -> None:
        """A process that dies while writing leaves half a line: nobody was told of it, so it never was."""
        size = os.fstat(self._file).st_size
        content = os.pread(self._file, size, 0)
        os.ftruncate(self._file, content.rfind(b"\n") + 1)
