"""Named places where a test may kill the process. Inert unless the environment arms it at start."""

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
    TURN_AFTER_COMMIT = "turn.after_commit"
    RESERVE_BEFORE_COMMIT = "reserve.before_commit"
    RESERVE_AFTER_COMMIT = "reserve.after_commit"
    CASH_BEFORE_COMMIT = "cash.before_commit"
    CASH_AFTER_COMMIT = "cash.after_commit"
    ANSWER_BEFORE_KEPT = "answer.before_kept"
    ANSWER_AFTER_KEPT = "answer.after_kept"


# An order is "name", "name:n" (the n-th hit) or "name:n:stop" (SIGSTOP: a worker that is paused, not dead).
# It stands in the environment, or in a file that the environment names: a server that runs is armed by writing it,
# and whoever carries it out takes it away first, so that it is carried out once.
_ORDER = os.environ.get("STEWARD_CRASH_AT", "")
_FILE = os.environ.get("STEWARD_CRASH_FILE", "")
FIRED = ".fired"  # What the file's name ends in afterwards.
_hits: Counter[str] = Counter()


def _written_order() -> str:
    try:
        return Path(_FILE).read_text(encoding="utf-8") if _FILE else ""
    except FileNotFoundError:
        return ""


def _carry_out(point: CrashPoint) -> None:
    order = _ORDER or _written_order()
    name, hit, how = [*order.split(":"), "", ""][:3]
    if name != point:
        return
    _hits[order] += 1
    if _hits[order] != int(hit or 1):
        return
    if not _ORDER:
        Path(_FILE).rename(_FILE + FIRED)
    os.kill(os.getpid(), signal.SIGSTOP if how == "stop" else signal.SIGKILL)


_handler: Callable[[CrashPoint], None] | None = _carry_out if _ORDER or _FILE else None


def crashpoint(point: CrashPoint) -> None:
    if _handler is not None:
        _handler(point)


def install(handler: Callable[[CrashPoint], None] | None) -> Callable[[CrashPoint], None] | None:
    """Let a test own every crash point; returns what was there."""
    global _handler
    previous, _handler = _handler, handler
    return previous
