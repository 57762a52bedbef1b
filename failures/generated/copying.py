"""Copies of stories, written by COPY: one transaction a part, every constraint and every trigger at its post."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db import connection, models, transaction

from events.audit import sealed
from events.models import AuditEntry
from failures.generated.house import House
from failures.generated.recording import COPIED, Model, Take, columns
from failures.generated.slots import Copy
from orders.models import Order, OrderLine

# After the orders, which they point to.
FILLED: tuple[Model, ...] = (Order, OrderLine, *COPIED[1:])


class Part:
    """So many copies in memory as one transaction writes. All or nothing of it is there."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._texts: dict[Model, list[str]] = defaultdict(list)
        self._deeds: list[dict[str, Any]] = []

    def add(self, take: Take, copy: Copy) -> None:
        values = [slot.of(copy) for slot in take.slots]
        # The last one first: their holes are counted from the end.
        values += [each.of(values) for each in reversed(take.sealed)]
        for model, text in take.tables:
            self._texts[model].append(text.filled(values))
        self._texts[OrderLine].extend(_lines(take.order_id.filled(values), copy))
        self._deeds += json.loads(take.audit.filled(values))

    def write(self, *, is_measured: bool) -> None:
        """The chain of the audit is locked last, as by whoever does a single deed.

        At the commit triggers look at each row's neighbours. Where the tables were far smaller when they were measured
        last, the planner would have them read whole tables, row by row.
        """
        with transaction.atomic():
            for model in FILLED:
                _copy(model, self._texts[model])
            if is_measured:
                tidy("ANALYZE")
            entries = sealed(_entries(self._deeds), chain_id=self._house.id)
            _copy(AuditEntry, [_line(_cells(entry)) for entry in entries])


def tidy(how: str) -> None:
    tables = ", ".join(connection.ops.quote_name(model._meta.db_table) for model in FILLED)
    with connection.cursor() as cursor:
        cursor.execute(f"{how} {tables}")


def _lines(order_id: str, copy: Copy) -> Iterator[str]:
    for position, (name, quantity, unit_minor) in enumerate(copy.bill.lines, start=1):
        yield f"{order_id}\t{position}\t{name}\t{quantity}\t{unit_minor}\t{quantity * unit_minor}\n"


def _entries(deeds: list[dict[str, Any]]) -> Iterator[AuditEntry]:
    for deed in sorted(deeds, key=lambda each: each["at"]):
        yield AuditEntry(**{**deed, "at": datetime.fromisoformat(deed["at"])})


def _cells(entry: AuditEntry) -> Iterator[str]:
    for field in columns(AuditEntry):
        value = getattr(entry, field.attname)
        yield json.dumps(value) if isinstance(field, models.JSONField) else str(value)


def _line(cells: Iterator[str]) -> str:
    return "\t".join(cell.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n") for cell in cells) + "\n"


def _copy(model: Model, lines: list[str]) -> None:
    if not lines:
        return
    names = ", ".join(connection.ops.quote_name(str(field.column)) for field in columns(model))
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
        copy.write("".join(lines))
