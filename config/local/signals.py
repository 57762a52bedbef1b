"""Ctrl-C and its relatives, turned into one exception that unwinds everything that was started."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Final

# Ctrl-C, `kill`, and the terminal's window being closed.
STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequested(BaseException):
    """Not an `Exception`: nothing on its way may take it for a fault and go on."""


@contextlib.contextmanager
def stop_requests() -> Iterator[None]:
    """The first signal raises; those after it change nothing, because everything is ending already."""
    # Under `nohup` the window's end is none of our business; Ctrl-C is, even where a shell starts us in the background.
    heard = [n for n in STOP_SIGNALS if n != signal.SIGHUP or signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.signal(number, _request) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _request(_number: int, _frame: FrameType | None) -> None:
    ignore_further()
    raise StopRequested


def ignore_further() -> None:
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
