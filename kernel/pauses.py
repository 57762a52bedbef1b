"""What did not answer is left alone for a moment: its absence is not found out by everybody anew."""

from __future__ import annotations

from kernel import clock


class Pause:
    def __init__(self, *, seconds: float) -> None:
        self._seconds = seconds
        self._until = 0.0

    def begin(self) -> None:
        self._until = clock.monotonic() + self._seconds

    @property
    def is_on(self) -> bool:
        return clock.monotonic() < self._until
