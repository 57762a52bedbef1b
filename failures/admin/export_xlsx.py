"""The queue as a workbook: text is only text, amounts are numbers, and what they add up to stands below as values."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from tempfile import TemporaryDirectory
from typing import IO

from xlsxwriter import Workbook
from xlsxwriter.format import Format

from failures.admin.export_rows import COLUMNS, TOTAL, Table, Value
from kernel import clock
from kernel.money import Money, minor_digits

CONTENT_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# A row is on the disk when the next one begins. No text is ever taken for a formula, a link or a number.
_OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
# Of a spreadsheet's numbers no more digits are sure. A longer sum is written out, and right.
_MOST_DIGITS = 15
_UNUSUAL = 18  # As wide as most words.
# In characters: ids and moments are read whole, what may be long is wrapped by whoever reads it.
_WIDTHS = {
    "case": 38,
    "opened (UTC)": 26,
    "opened (restaurant's time)": 26,
    "restaurant": 24,
    "mode": 8,
    "table": 10,
    "currency": 10,
    "certainty": 36,
    "provider references": 40,
}
_AMOUNT = COLUMNS.index("amount")


def write_xlsx(table: Table, file: IO[bytes]) -> None:
    """What it is put together from lies in a folder that goes with it, unless the process is killed on the way."""
    with TemporaryDirectory() as pieces, Workbook(file, {**_OPTIONS, "tmpdir": pieces}) as book:
        book.set_properties({"created": clock.now()})
        sheet = _Sheet(book)
        sheet.add(COLUMNS, is_bold=True)
        for row in table.rows():
            sheet.add(row)
        sheet.add((TOTAL, "rows", table.count), is_bold=True)
        for money in table.totals():
            # Below the amounts that they add up.
            sheet.add((TOTAL, *[""] * (_AMOUNT - 1), money, money.currency), is_bold=True)


class _Sheet:
    """Written from top to bottom, with the names of the columns always in sight."""

    def __init__(self, book: Workbook) -> None:
        self._book, self._sheet = book, book.add_worksheet("Cases")
        self._bold = book.add_format({"bold": True})
        self._formats: dict[tuple[int, bool], Format] = {}
        self._rows = 0
        for place, name in enumerate(COLUMNS):
            self._sheet.set_column(place, place, _WIDTHS.get(name, _UNUSUAL))
        self._sheet.freeze_panes(1, 0)

    def add(self, cells: Iterable[Value | int], *, is_bold: bool = False) -> None:
        for place, cell in enumerate(cells):
            if isinstance(cell, Money):
                self._add_money(place, cell, is_bold=is_bold)
            elif isinstance(cell, int):
                self._sheet.write_number(self._rows, place, cell, self._bold if is_bold else None)
            elif cell:
                self._sheet.write_string(self._rows, place, cell, self._bold if is_bold else None)
        self._rows += 1

    def _add_money(self, place: int, money: Money, *, is_bold: bool) -> None:
        style = self._format_of(money.currency, is_bold=is_bold)
        if len(str(abs(money.minor))) > _MOST_DIGITS:
            self._sheet.write_string(self._rows, place, money.plain(), style)
        else:
            self._sheet.write_number(self._rows, place, Decimal(money.plain()), style)

    def _format_of(self, currency: str, *, is_bold: bool) -> Format:
        digits = minor_digits(currency)
        known = self._formats.get((digits, is_bold))
        if known is None:
            decimals = "." + "0" * digits if digits else ""
            known = self._book.add_format({"num_format": f"#,##0{decimals}", "bold": is_bold})
            self._formats[digits, is_bold] = known
        return known
