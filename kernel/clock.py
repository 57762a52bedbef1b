"""The one source of time, randomness and ids, so that a simulation can own all three."""

from __future__ import annotations

import random as _random
import re
import time as _time
import uuid
from datetime import UTC, datetime
from typing import Protocol


class Source(Protocol):
    """What a simulation replaces."""

    def now(self) -> datetime: ...
    def near_now(self) -> datetime: ...
    def keep_true(self) -> None: ...
    def monotonic(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...
    def random(self) -> float: ...
    def random_bits(self, count: int) -> int: ...


class SystemSource:
    """The machine's own clock: for programs without a database, and before one is reached."""

    _randomness = _random.SystemRandom()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def near_now(self) -> datetime:
        """Good enough for the order of ids, and never the reason to ask another machine."""
        return self.now()

    def keep_true(self) -> None:
        """A source that follows another clock asks it again here, where its caller can afford to wait."""

    def monotonic(self) -> float:
        return _time.monotonic()

    def sleep(self, seconds: float) -> None:
        _time.sleep(seconds)

    def random(self) -> float:
        return self._randomness.random()

    def random_bits(self, count: int) -> int:
        return self._randomness.getrandbits(count)


_source: Source = SystemSource()


def install(source: Source) -> Source:
    """Replace the source; returns the one that was there, so that it can be put back."""
    global _source
    previous, _source = _source, source
    return previous


def now() -> datetime:
    return _source.now()


def keep_true() -> None:
    _source.keep_true()


def monotonic() -> float:
    return _source.monotonic()


def sleep(seconds: float) -> None:
    _source.sleep(seconds)


def random() -> float:
    return _source.random()


def new_id() -> uuid.UUID:
    """A UUIDv7: 48 bits of milliseconds, then randomness, so that ids sort by creation."""
    at = _source.near_now()
    return _id_of(at, _source.random_bits(12), _source.random_bits(62))


def earliest_id(at: datetime) -> uuid.UUID:
    """No id that is made then, or later, is smaller. By it a table is asked, at its end, for what came in since."""
    return _id_of(at, 0, 0)


def _id_of(at: datetime, high: int, low: int) -> uuid.UUID:
    milliseconds = int(at.timestamp() * 1000)
    value = (milliseconds & (2**48 - 1)) << 80
    value |= 0x7 << 76
    value |= high << 64
    value |= 0b10 << 62
    value |= low
    return uuid.UUID(int=value)


# Crockford's alphabet without I, L, O and U: nothing that is misheard or misread at a table.
_READABLE = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
REFERENCE_LENGTH = 8  # 40 bits: a clash within one restaurant and mode is refused by a constraint.
_REFERENCE = re.compile(rf"[OP]-[0-9A-Z]{{{REFERENCE_LENGTH}}}", re.IGNORECASE)


def new_reference(prefix: str) -> str:
    """A short reference that a human can read aloud, such as P-4K7M2Q9X."""
    bits = _source.random_bits(5 * REFERENCE_LENGTH)
    letters = (_READABLE[(bits >> (5 * place)) & 31] for place in range(REFERENCE_LENGTH))
    return f"{prefix}-{''.join(letters)}"


def is_reference(text: str) -> bool:
    """Whether somebody wrote one, whole, in letters of either size."""
    return _REFERENCE.fullmatch(text) is not None
