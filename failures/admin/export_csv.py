"""The queue as CSV: it leaves row by row, and its last line is the control total."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

from failures.admin.export_rows import COLUMNS, TOTAL, Table, Value
from kernel.money import Money

CONTENT_TYPE = "text/csv; charset=utf-8"
# By this sign a spreadsheet knows that names may be in any script.
_BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
# With one of these at its beginning a cell is a formula to a spreadsheet, and formulas can send what they see.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class _Line:
    """What the writer of CSV takes for a file: the line that it wrote is the answer."""

    def write(self, line: str) -> str:
        return line


def csv_lines(table: Table) -> Iterator[str]:
    writer: Any = csv.writer(_Line())  # Its `writerow` gives what `write` gave, which its type does not know.
    yield _BYTE_ORDER_MARK + writer.writerow(COLUMNS)
    for row in table.rows():
        yield writer.writerow([_plain(cell) for cell in row])
    amounts = [cell for money in table.totals() for cell in (money.currency, money.plain())]
    yield writer.writerow([TOTAL, "rows", table.count, *amounts])


def _plain(cell: Value) -> str:
    if isinstance(cell, Money):
        return cell.plain()
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
