"""The queue as a workbook: the cells of the CSV, as text and numbers that no program takes for anything else."""

from __future__ import annotations

import csv
import io
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from openpyxl import load_workbook

from accounts.models import Membership, Restaurant, Role, User
from events.models import AuditEntry
from failures.admin import export_xlsx
from failures.admin.export import _one_workbook
from failures.admin.export_rows import COLUMNS
from failures.models import Case, CaseKind
from failures.services import exporting
from kernel.modes import Mode
from kernel.money import Money
from payments.services.facts import PaymentEvent
from tests.factories import accepted, staff
from tests.failures.days import order_in, restaurant_with
from tests.failures.test_desk import desk_of
from tests.failures.test_exporting import EXPORT, case_of
from tests.failures.test_services import happened
from tests.failures.world import orphan_of

pytestmark = pytest.mark.django_db
AMOUNT, CURRENCY = COLUMNS.index("amount"), COLUMNS.index("currency")
# Of what a spreadsheet would make a formula, a link, a number or a moment of its own.
NAMED = ("=cmd|' /C calc'!A0", "https://example.com", "007", "+1", "{=1+1}", "2026-11-01", "  wide  ")


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


@pytest.fixture
def desk(finance: User) -> Client:
    return desk_of(finance)


@pytest.fixture
def elsewhere(restaurant: Restaurant, finance: User) -> list[Restaurant]:
    """Where amounts have no decimals, and where they have three."""
    houses = [restaurant_with("JPY"), restaurant_with("KWD")]
    for house in houses:
        Membership.objects.create(user=finance, restaurant=house, role=Role.FINANCE_LEAD)
        happened(PaymentEvent.CONTRADICTED, accepted(order_in(house, Mode.LIVE)))
    return houses


def sheet_of(client: Client, query: str = "") -> Any:
    answer = client.post(EXPORT + query, {"form": "xlsx"})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == export_xlsx.CONTENT_TYPE
    assert answer.headers["Content-Disposition"].endswith('.xlsx"')
    book = load_workbook(io.BytesIO(answer.getvalue()))
    assert book.sheetnames == ["Cases"]
    return book.active


def rows_of(client: Client, query: str = "") -> list[list[Any]]:
    return [[cell.value for cell in row] for row in sheet_of(client, query).rows]


def csv_of(client: Client, query: str = "") -> list[list[str]]:
    text = client.post(EXPORT + query, {"form": "csv"}).getvalue().decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))


def as_in_csv(row: list[Any]) -> list[str]:
    """A number as it is written; and what begins like a formula with the sign that CSV needs before it."""
    said = ["" if cell is None else str(cell) for cell in row]
    if isinstance(row[AMOUNT], (int, float)):
        digits = Money(0, row[CURRENCY]).plain()
        said[AMOUNT] = str(Decimal(str(row[AMOUNT])).quantize(Decimal(digits)))
    return [f"'{cell}" if cell.startswith(tuple("=+-@")) else cell for cell in said]


@pytest.mark.parametrize("name", NAMED)
def test_it_has_the_cells_of_the_csv_in_the_same_order(
    restaurant: Restaurant, desk: Client, elsewhere: list[Restaurant], name: str
) -> None:
    Restaurant.objects.filter(pk=restaurant.pk).update(name=name)
    case_of(restaurant, 12_345_650, table="T4")
    case_of(restaurant, 5)
    orphan_of(restaurant)

    header, *rows, total, inr, jpy, kwd = rows_of(desk, "?o=3")
    expected, *lines, control = csv_of(desk, "?o=3")

    assert header == expected
    assert [as_in_csv(row) for row in rows] == lines
    assert len(rows) == 5
    assert name in {row[COLUMNS.index("restaurant")] for row in rows}
    assert total[:3] == ["# total", "rows", 5]
    assert [row[0] for row in (inr, jpy, kwd)] == ["# total"] * 3
    sums = [cell for row in (inr, jpy, kwd) for cell in (row[CURRENCY], as_in_csv(row)[AMOUNT])]
    assert ["# total", "rows", "5", *sums] == control


def test_text_is_text_and_an_amount_is_a_number_with_the_decimals_of_its_currency(
    restaurant: Restaurant, desk: Client, elsewhere: list[Restaurant]
) -> None:
    Restaurant.objects.filter(pk=restaurant.pk).update(name="=1+1")
    case_of(restaurant, 12_345_650)

    sheet = sheet_of(desk)

    cells = [cell for row in sheet.rows for cell in row if cell.value is not None]
    assert {cell.data_type for cell in cells} == {"s", "n"}  # No formula, no moment, no truth value.
    assert not [cell for cell in cells if cell.hyperlink]
    formats = {row[CURRENCY].value: row[AMOUNT].number_format for row in list(sheet.rows)[1:] if row[AMOUNT].value}
    assert formats == {"INR": "#,##0.00", "JPY": "#,##0", "KWD": "#,##0.000"}
    assert {cell.data_type for row in list(sheet.rows)[1:] for cell in row[AMOUNT : AMOUNT + 1] if cell.value} == {"n"}


def test_the_names_of_the_columns_stay_in_sight_and_each_has_room(restaurant: Restaurant, desk: Client) -> None:
    case_of(restaurant, 84_000)

    sheet = sheet_of(desk)

    assert sheet.freeze_panes == "A2"
    assert {cell.font.bold for cell in sheet[1]} == {True}
    assert sheet.column_dimensions["A"].width > len(str(Case.objects.get().pk))


def test_it_has_the_filters_the_search_and_every_page_of_the_list(
    restaurant: Restaurant, desk: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "ROWS_AT_A_TIME", 2)
    cases = [case_of(restaurant, 1_000 * (n + 1), table="T4") for n in range(5)]
    case_of(restaurant, 900_000, table="T5")

    _, *rows, _, total = rows_of(desk, f"?q=T4&kind__exact={CaseKind.CONTRADICTION}&o=3")

    assert [row[0] for row in rows] == [str(case.pk) for case in cases]
    assert total[AMOUNT] == 150
    assert [row[:3] for row in rows_of(desk, "?kind__exact=in_doubt")[1:]] == [["# total", "rows", 0]]


def test_a_sum_of_more_digits_than_a_spreadsheet_has_is_written_out(
    restaurant: Restaurant, desk: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_xlsx, "_MOST_DIGITS", 4)
    case_of(restaurant, 9_999)
    case_of(restaurant, 1)

    *_, total = rows_of(desk)

    assert total[AMOUNT] == "100.00"


@pytest.mark.parametrize("role", list(Role))
def test_whoever_takes_the_csv_takes_it_and_it_is_written_down_as_what_it_was(
    restaurant: Restaurant, role: Role
) -> None:
    case_of(restaurant, 84_000)
    person = staff(restaurant, role)
    client = desk_of(person)
    may = role in {Role.FINANCE, Role.FINANCE_LEAD, Role.ADMIN, Role.AUDITOR}

    answer = client.post(f"{EXPORT}?which=all", {"form": "xlsx"})
    answer.getvalue()  # To its end, which closes its file.

    assert answer.status_code == (200 if may else 403)
    assert ('value="xlsx"' in client.get(reverse("admin:failures_case_changelist")).content.decode()) == may
    entries = [(entry.actor_id, entry.action, entry.after) for entry in AuditEntry.objects.all()]
    chosen = {"filters": {"which": ["all"]}, "searched_as": []}
    picture = {"list": "cases", "form": "xlsx", "chosen": chosen, "rows": 1}
    assert entries == ([(str(person.pk), "export", picture)] if may else [])


def test_one_that_is_too_long_is_refused_and_the_csv_is_offered(
    restaurant: Restaurant, desk: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "MOST_ROWS_AT_ONCE", 1)
    case_of(restaurant, 84_000)
    case_of(restaurant, 84_000)

    answer = desk.post(EXPORT, {"form": "xlsx"}, follow=True)

    assert "As XLSX a list has at most 1 rows. Choose fewer, or take it as CSV." in answer.content.decode()
    assert not AuditEntry.objects.exists()
    assert len(csv_of(desk)) == 4


def test_one_process_makes_one_workbook_at_a_time(restaurant: Restaurant, desk: Client) -> None:
    case_of(restaurant, 84_000)

    with _one_workbook():
        answer = desk.post(EXPORT, {"form": "xlsx"}, follow=True)
        assert len(csv_of(desk)) == 3

    assert "A workbook is being made right now. Press again in a moment, or take the CSV." in answer.content.decode()
    afterwards = desk.post(EXPORT, {"form": "xlsx"})
    afterwards.close()
    assert afterwards["Content-Type"] == export_xlsx.CONTENT_TYPE


def test_a_form_that_is_none_takes_nothing(restaurant: Restaurant, desk: Client) -> None:
    case_of(restaurant, 84_000)

    answer = desk.post(f"{EXPORT}?which=all", {"form": "jsonl"})

    assert answer["Location"] == "../?which=all"
    assert "A list is taken away as CSV or XLSX." in desk.get(EXPORT.removesuffix("export/")).content.decode()
    assert not AuditEntry.objects.exists()


def test_nothing_of_it_stays_on_the_disk(
    restaurant: Restaurant, desk: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    case_of(restaurant, 84_000)

    sheet_of(desk)
    assert list(tmp_path.iterdir()) == []

    monkeypatch.setattr(export_xlsx, "minor_digits", lambda _: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        desk.post(EXPORT, {"form": "xlsx"})
    assert list(tmp_path.iterdir()) == []
