"""Who waits for whom: asked of PostgreSQL itself, over a connection that takes part in no race."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import TracebackType

from tests.sim.database import Reader


class Locks:
    """The third connection. Between two cuts it reads no table of ours: it can neither wait nor be waited for."""

    def __init__(self) -> None:
        self.reader = Reader()

    def __enter__(self) -> Locks:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.reader.close()

    def holders(self, waiting: Iterable[int]) -> Mapping[int, frozenset[int]]:
        """For each of these backends those that hold what it waits for; none where it does not wait."""
        question = "SELECT pid, pg_blocking_pids(pid) FROM unnest(%s::int[]) AS pid"
        return {pid: frozenset(holders) for pid, holders in self.reader.rows(question, [list(waiting)])}

    def end(self, backends: Iterable[int]) -> None:
        """Only after the stage gave up: whoever still waits in the database would wait for the next trial, too."""
        self.reader.rows("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) AS pid", [list(backends)])
