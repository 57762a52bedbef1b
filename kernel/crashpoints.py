"""Named places where a test may kill the process. Inert unless the environment arms one at start."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path


class CrashPoint(StrEnum):
    ACCEPT_BEFORE_COMMIT = "accept.before_commit"
    ACCEPT_AFTER_COMMIT = "accept.after_commit"
    CLAIM_AFTER_COMMIT = "claim.after_commit"
    CHARGE_BEFORE_COMMIT = "charge.before_commit"
    CHARGE_AFTER_COMMIT = "charge.after_commit"
    CHARGE_AFTER_ANSWER = "charge.after_answer"
    SETTLE_BEFORE_COMMIT = "settle.before_commit"
    SETTLE_AFTER_COMMIT = "settle.after_commit"
    LOOK_UP_AFTER_ANSWER = "look_up.after_answer"
    CANCEL_AFTER_ANSWER = "cancel.after_answer"
    REFUND_BEFORE_COMMIT = "refund.before_commit"
    REFUND_AFTER_COMMIT = "refund.after_commit"
    REFUND_AFTER_ANSWER = "refund.after_answer"
    REFUND_SETTLE_BEFORE_COMMIT = "refund.settle_before_commit"
    REFUND_SETTLE_AFTER_COMMIT = "refund.settle_after_commit"
    NOTICE_AFTER_STORE = "notice.after_store"


# "name", "name:n" (the n-th hit) or "name:n:stop" (SIGSTOP: a worker that is paused, not dead), and a file whose
# existence says that the shot was already fired, so that the same environment serves a process that starts again.
_ARMED, _HIT, _HOW = [*os.environ.get("STEWARD_CRASH_AT", "").split(":"), "", ""][:3]
_FIRED = os.environ.get("STEWARD_CRASH_FIRED", "")
_hits: Counter[str] = Counter()


def _kill(point: CrashPoint) -> None:
    if point != _ARMED:
        return
    _hits[point] += 1
    if _hits[point] != int(_HIT or 1) or (_FIRED and Path(_FIRED).exists()):
        return
    if _FIRED:
        Path(_FIRED).write_text(point, encoding="utf-8")
    os.kill(os.getpid(), signal.SIGSTOP if _HOW == "stop" else signal.SIGKILL)


_handler: Callable[[CrashPoint], None] | None = _kill if _ARMED else None


def crashpoint(point: CrashPoint) -> None:
    if _handler is not None:
        _handler(point)


def install(handler: Callable[[CrashPoint], None] | None) -> Callable[[CrashPoint], None] | None:
    """Let a test own every crash point; returns what was there."""
    global _handler
    previous, _handler = _handler, handler
    return previous
