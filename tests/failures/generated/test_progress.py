"""A bar for a terminal, lines for a log."""

from __future__ import annotations

from io import StringIO

from failures.generated.progress import Progress
from tests.time_machine import ShiftedClock


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_has_one_line_that_grows(time: ShiftedClock) -> None:
    progress = Progress(screen := Terminal(), wanted=200)

    time.advance(seconds=10)
    progress.tell(100)
    time.advance(seconds=10)
    progress.tell(200)

    first, last = screen.getvalue().strip("\r\n").split("\r")
    assert first.startswith(f"[{'#' * 20}{'.' * 20}] 100 of 200 payments, 10 per second")
    assert last.startswith(f"[{'#' * 40}] 200 of 200 payments")


def test_a_log_has_a_line_every_few_seconds(time: ShiftedClock) -> None:
    progress = Progress(screen := StringIO(), wanted=1_000)

    for done in range(1, 10):
        time.advance(seconds=1)
        progress.tell(done)

    assert screen.getvalue().count("\n") == 1
