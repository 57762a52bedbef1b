"""A recorded row as text with holes: what of it is the story's, and what every copy has of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import models

from failures.generated.guests import EMAIL, NAME, PHONE, TABLE
from failures.generated.slots import (
    NOTHING,
    DueSlot,
    GuestSlot,
    IdSlot,
    LatencySlot,
    MomentSlot,
    MoneySlot,
    OwnSlot,
    ReferenceSlot,
    Sealed,
    Slot,
    Text,
    WatchSlot,
    microseconds,
)
from failures.generated.telling import CLIENT, EXTRA, PART, TIP, TOTAL, is_told_then
from kernel.fields import EncryptedField, SearchHashField
from payments.models import Attempt, AttemptStatus

# Signs that no text of ours has: they stand around a hole's number until the whole text is known.
_OPEN, _OPEN_NUMBER, _CLOSE = "\ue000", "\ue001", "\ue002"
_HOLE = re.compile(f"{_OPEN}(-?\\d+){_CLOSE}")
_QUOTED_NUMBER = re.compile(f'"{_OPEN_NUMBER}(\\d+){_CLOSE}"')
_ID = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?\+00:00"
_REFERENCE = r"\b[OP]-[0-9A-HJKMNP-TV-Z]{8}\b"
_FOUND = re.compile("|".join((_ID, _TIME, _REFERENCE, CLIENT, "«[a-z]+»")))
_MARKS: dict[str, Slot] = {
    NAME: GuestSlot("name"),
    PHONE: GuestSlot("phone"),
    EMAIL: GuestSlot("email"),
    TABLE: OwnSlot("table"),
    CLIENT: OwnSlot("called"),
}
_BASES = (TOTAL, TIP, PART, EXTRA)
_MOST_TIMES = 3  # A sum of more is no sum, but a number that is not about money.
_PLANNED = ("next_action_at",)
_LIVE = (AttemptStatus.SENT, AttemptStatus.PENDING, AttemptStatus.UNKNOWN)
_MINOR, _LATENCY = "_minor", "latency_ms"
_PAIR = 2  # An amount and its currency.


class Writer:
    """Of one story. Each thing that copies have of their own has one hole, wherever it stands."""

    def __init__(self, anchor: datetime) -> None:
        self._anchor = microseconds(anchor)
        self.slots: list[Slot] = []
        self.sealed: list[Sealed] = []
        self._holes: dict[Any, int] = {}
        self._ids = 0
        self._references: dict[str, int] = {}

    # --- Rows -----------------------------------------------------------------------------------------------------

    def rows(self, rows: Iterable[models.Model], fields: Iterable[models.Field[Any, Any]]) -> str:
        """As COPY reads them, with holes that `finish` turns into a text."""
        fields = list(fields)
        return "".join("\t".join(_escaped(self._cell(row, field)) for field in fields) + "\n" for row in rows)

    def objects(self, rows: Iterable[models.Model], names: Iterable[str]) -> str:
        """As one JSON list of objects."""
        names = list(names)
        return self._json([{name: getattr(row, name) for name in names} for row in rows])

    def finish(self, text: str) -> Text:
        holes = [int(each) for each in _HOLE.findall(text)]
        return Text.of(_HOLE.sub("%s", text.replace("%", "%%")), holes)

    # --- Cells ----------------------------------------------------------------------------------------------------

    def _cell(self, row: models.Model, field: models.Field[Any, Any]) -> str:
        value = getattr(row, field.attname)
        if isinstance(field, SearchHashField):
            return self._hole(GuestSlot(f"{field.source.removeprefix('customer_')}_hash")) if value else ""
        if isinstance(field, EncryptedField):
            return self._encrypted(field, value)
        if isinstance(field, models.JSONField):
            return self._json(value)
        if isinstance(value, datetime):
            return self._time(row, field.attname, value)
        return self._plain(field.attname, value)

    def _plain(self, name: str, value: Any) -> str:
        if isinstance(value, list):
            return "{" + ",".join(json.dumps(self.text(str(each)), ensure_ascii=False) for each in value) + "}"
        if isinstance(value, int) and name.endswith(_MINOR):
            return self._money(value)
        if name == _LATENCY and value is not None:
            return self._hole(LatencySlot(value))
        return NOTHING if value is None else self.text(str(value))

    def _encrypted(self, field: EncryptedField, value: str) -> str:
        """A guest's own columns were encrypted with the guest; the rest is, copy by copy."""
        if not value or value in _MARKS:
            return self.text(value)
        # After all others in a copy: what stands in it is known by then.
        self.sealed.append(Sealed(field, self.finish(self.text(value))))
        return f"{_OPEN}{-len(self.sealed)}{_CLOSE}"

    def _time(self, row: models.Model, name: str, value: datetime) -> str:
        offset = microseconds(value) - self._anchor
        if name in _PLANNED or (name == "watch_at" and isinstance(row, Attempt) and row.status in _LIVE):
            return self._hole(DueSlot(offset))
        if name == "watch_at" and isinstance(row, Attempt):
            last = microseconds(row.watch_until) - self._anchor if row.watch_until else None
            return self._hole(WatchSlot(offset, last))
        return self._hole(MomentSlot(offset))

    def _json(self, value: Any) -> str:
        return _QUOTED_NUMBER.sub(rf"{_OPEN}\1{_CLOSE}", json.dumps(self._walked(value), ensure_ascii=False))

    def _walked(self, value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {self.text(key): self._walked(each, key) for key, each in value.items()}
        if isinstance(value, list | tuple):
            if len(value) == _PAIR and type(value[0]) is int and isinstance(value[1], str):
                return [self._money_in_json(value[0]), value[1]]
            return [self._walked(each) for each in value]
        if type(value) is int and name.endswith(_MINOR):
            return self._money_in_json(value)
        if isinstance(value, datetime):
            value = value.isoformat()
        return self.text(str(value)) if isinstance(value, str | UUID) else value

    def text(self, text: str) -> str:
        return _FOUND.sub(lambda found: self._own(found[0]), text)

    def _own(self, found: str) -> str:
        if found in _MARKS:
            return self._hole(_MARKS[found])
        if re.fullmatch(_REFERENCE, found):
            place = self._references.setdefault(found, sum(each[0] == found[0] for each in self._references))
            return self._hole(ReferenceSlot(found[0], place))
        if re.fullmatch(_TIME, found):
            return self._hole(MomentSlot(microseconds(datetime.fromisoformat(found)) - self._anchor))
        return self._id(UUID(found))

    def _id(self, found: UUID) -> str:
        """People and accounts were there before, and stay who they are."""
        if not is_told_then(found):
            return str(found)
        if found not in self._holes:
            self._holes[found] = self._new(IdSlot(self._ids, 1_000 * (found.int >> 80) - self._anchor))
            self._ids += 1
        return f"{_OPEN}{self._holes[found]}{_CLOSE}"

    # --- Amounts --------------------------------------------------------------------------------------------------

    def _money(self, minor: int) -> str:
        return self._hole(slot) if (slot := _as_sum(minor)) else str(minor)

    def _money_in_json(self, minor: int) -> Any:
        slot = _as_sum(minor)
        return self._hole(slot).replace(_OPEN, _OPEN_NUMBER) if slot else minor

    # --- Holes ----------------------------------------------------------------------------------------------------

    def _hole(self, slot: Slot) -> str:
        if slot not in self._holes:
            self._holes[slot] = self._new(slot)
        return f"{_OPEN}{self._holes[slot]}{_CLOSE}"

    def _new(self, slot: Slot) -> int:
        self.slots.append(slot)
        return len(self.slots) - 1


def _as_sum(minor: int) -> MoneySlot | None:
    """Read from its digits. A total less a part is a sum, too: digits go up to the middle, and then below zero."""
    if not minor:
        return None
    rest, times = minor, []
    for base in _BASES:
        many = (rest + base // 2) // base if base > 1 else rest
        times.append(many)
        rest -= many * base
    if rest or any(abs(many) > _MOST_TIMES for many in times):
        raise ValueError(f"{minor} is not a sum of the amounts that stories are told with.")
    return MoneySlot(*times)


def _escaped(cell: str) -> str:
    return cell if cell == NOTHING else cell.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
