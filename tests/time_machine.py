"""A clock that a test can move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from kernel.clock import SystemSource


class ShiftedClock(SystemSource):
    def __init__(self) -> None:
        self.offset = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def monotonic(self) -> float:
        return super().monotonic() + self.offset.total_seconds()

    def advance(self, **span: float) -> None:
        self.offset += timedelta(**span)

    def jump_to(self, moment: datetime) -> None:
        """Never back: time does not run backwards for the code under test."""
        self.offset += max(timedelta(), moment - self.now())


class StrayClock(ShiftedClock):
    """One whose database moved to a host with another idea of the time: wrong until it is made true."""

    def __init__(self, **ahead: float) -> None:
        super().__init__()
        self.advance(**ahead)

    def keep_true(self) -> None:
        self.offset = timedelta()
