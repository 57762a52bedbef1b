"""Dice and ids that any row's number throws alone: the same seed and number are the same row, in any order."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from hashlib import blake2b
from itertools import accumulate
from typing import TypeVar

Some = TypeVar("Some")
_BYTES_AT_ONCE, _THROW_BYTES = 64, 4
_THROWS_AT_ONCE = _BYTES_AT_ONCE // _THROW_BYTES
# Of a UUIDv7 beside its time: three digits, the variant, fifteen digits.
_ID_DIGITS = 19
_IDS_AT_ONCE = 2 * _BYTES_AT_ONCE // _ID_DIGITS
_VARIANT = "89ab"


class Dice:
    """Whole numbers only: nothing here is near enough to a float to become money."""

    __slots__ = ("_bytes", "_name", "_round", "_thrown")

    def __init__(self, name: str) -> None:
        self._name, self._round, self._thrown = name, 0, _THROWS_AT_ONCE
        self._bytes = b""

    def below(self, limit: int) -> int:
        if self._thrown == _THROWS_AT_ONCE:
            self._bytes = blake2b(f"{self._name} {self._round}".encode(), digest_size=_BYTES_AT_ONCE).digest()
            self._round, self._thrown = self._round + 1, 0
        start = self._thrown * _THROW_BYTES
        self._thrown += 1
        return int.from_bytes(self._bytes[start : start + _THROW_BYTES], "big") % limit

    def between(self, least: int, most: int) -> int:
        return least + self.below(most - least + 1)

    def one_of(self, some: Sequence[Some]) -> Some:
        return some[self.below(len(some))]


class Weighted:
    """Places that come as often as their weights say."""

    def __init__(self, weights: Sequence[int]) -> None:
        self._sums = list(accumulate(weights))

    def place(self, dice: Dice) -> int:
        return bisect_right(self._sums, dice.below(self._sums[-1]))


class Ids:
    """The ids of one copy: their times are the rows', the rest is of the copy's name."""

    __slots__ = ("_digits", "_name")

    def __init__(self, name: str) -> None:
        self._name, self._digits = name, list[str]()

    def text(self, place: int, milliseconds: int) -> str:
        draw, within = divmod(place, _IDS_AT_ONCE)
        while draw >= len(self._digits):
            named = f"{self._name} ids {len(self._digits)}".encode()
            self._digits.append(blake2b(named, digest_size=_BYTES_AT_ONCE).hexdigest())
        some = self._digits[draw][within * _ID_DIGITS : (within + 1) * _ID_DIGITS]
        time = f"{milliseconds:012x}"
        variant = _VARIANT[int(some[3], 16) & 3]
        return f"{time[:8]}-{time[8:]}-7{some[:3]}-{variant}{some[4:7]}-{some[7:]}"


_READABLE = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_REFERENCES = 1 << 40
# Odd, so that no two numbers below 2^40 have the same product: a million references drawn by lot would clash.
_SCATTER, _FIRST = 693_381_702_341, 271_828_182_845


def reference(prefix: str, number: int) -> str:
    """Short enough to read aloud, in no visible order, and never the same for two numbers."""
    bits = (number * _SCATTER + _FIRST) % _REFERENCES
    return f"{prefix}-{''.join(_READABLE[(bits >> (5 * place)) & 31] for place in range(8))}"
