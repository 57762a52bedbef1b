"""The places in a recorded story where each copy has its own: ids, moments, amounts, guests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any, Protocol

from django.db import connection, models

from failures.generated.dice import Dice, Ids, reference
from failures.generated.guests import Bill, Guest

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MILLISECOND = 1_000
PER_MILLE = 1_000
NOTHING = "\\N"  # As COPY calls it.


def microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def as_text(moment: int) -> str:
    return (_EPOCH + timedelta(microseconds=moment)).isoformat()


@dataclass(slots=True, kw_only=True)
class Copy:
    """One telling more, at its own time and with its own people. Moments are microseconds."""

    number: int
    called: str  # The run's name and the number: what its order's client reference is.
    anchor: int
    pace: int  # Thousandths: how fast this evening ran. Latencies and waits are stretched alike.
    until: int  # The end of all: what is planned lies behind it.
    ids: Ids
    dice: Dice
    bill: Bill
    guest: Guest
    table: str

    def at(self, offset: int) -> int:
        return self.anchor + offset * self.pace // PER_MILLE


class Slot(Protocol):
    def of(self, copy: Copy) -> Any: ...


@dataclass(frozen=True, slots=True)
class IdSlot:
    place: int
    offset: int

    def of(self, copy: Copy) -> str:
        return copy.ids.text(self.place, copy.at(self.offset) // _MILLISECOND)


@dataclass(frozen=True, slots=True)
class ReferenceSlot:
    prefix: str
    place: int

    def of(self, copy: Copy) -> str:
        """An order has up to three payments, and none of them is called as it is."""
        return reference(self.prefix, 4 * copy.number + self.place + (self.prefix == "P"))


@dataclass(frozen=True, slots=True)
class MomentSlot:
    offset: int

    def of(self, copy: Copy) -> str:
        return as_text(copy.at(self.offset))


# The clock works on what is generated as on anything else. Nothing is overdue while the copying still runs, nor soon
# after; a day is what the clock itself waits between two late looks.
_SOONEST, _LATEST = 3_600 * 1_000, 24 * 3_600 * 1_000


def _soon(copy: Copy) -> int:
    return copy.until + copy.dice.between(_SOONEST, _LATEST) * _MILLISECOND


@dataclass(frozen=True, slots=True)
class DueSlot:
    """What the clock does next. Where that would have been before now, it has looked since, and looks again."""

    offset: int

    def of(self, copy: Copy) -> str:
        planned = copy.at(self.offset)
        is_past = planned < copy.until + _SOONEST * _MILLISECOND
        return as_text(_soon(copy) if is_past else planned)


@dataclass(frozen=True, slots=True)
class WatchSlot:
    """When a closed attempt is asked about again: never after its window."""

    offset: int
    last: int | None

    def of(self, copy: Copy) -> str:
        planned = copy.at(self.offset)
        if planned >= copy.until + _SOONEST * _MILLISECOND:
            return as_text(planned)
        if self.last is None or copy.at(self.last) <= copy.until:
            return NOTHING
        return as_text(_soon(copy))


@dataclass(frozen=True, slots=True)
class MoneySlot:
    """A sum of the bill's amounts, as many times each."""

    totals: int
    tips: int
    parts: int
    extras: int

    def of(self, copy: Copy) -> int:
        bill = copy.bill
        shares = self.totals * bill.total_minor + self.parts * bill.part_minor
        return shares + self.tips * bill.tip_minor + self.extras * bill.extra_minor


@dataclass(frozen=True, slots=True)
class LatencySlot:
    milliseconds: int

    def of(self, copy: Copy) -> int:
        return self.milliseconds * copy.pace // PER_MILLE


@dataclass(frozen=True, slots=True)
class GuestSlot:
    name: str

    def of(self, copy: Copy) -> Any:
        return getattr(copy.guest, self.name)


@dataclass(frozen=True, slots=True)
class OwnSlot:
    """What the copy itself is called, and where its guests sit."""

    name: str

    def of(self, copy: Copy) -> Any:
        return getattr(copy, self.name)


@dataclass(frozen=True, slots=True)
class Text:
    """Text with holes: filled in one step, which is what makes a million of them cheap."""

    form: str
    holes: Callable[[list[Any]], Any] | None

    @classmethod
    def of(cls, form: str, holes: list[int]) -> Text:
        return cls(form, itemgetter(*holes) if holes else None)

    def filled(self, values: list[Any]) -> str:
        return self.form % (self.holes(values) if self.holes else ())


@dataclass(frozen=True, slots=True)
class Sealed:
    """A column that is encrypted: by its field's own code, after what stands in it is known."""

    field: models.Field[Any, Any]
    text: Text

    def of(self, values: list[Any]) -> str:
        return str(self.field.get_db_prep_save(self.text.filled(values), connection))
