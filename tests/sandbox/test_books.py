"""The provider's books: what was written is there after any death, and the sums are right."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.behaviours import ChargeStatus, RefundStatus
from sandbox.books import Books, Charge, Entry, Origin, Received, Refund
from sandbox.journal import Journal
from sandbox.till import Till
from tests.sandbox.running import PLAIN

CHARGE = Charge(
    id="ch_1",
    key="key-1",
    fingerprint="f",
    order_reference="order-1",
    method="card",
    token="sim_ok",
    amount=84000,
    currency="INR",
    return_url="",
    notify_url="",
    created=1.0,
    status=ChargeStatus.SUCCEEDED,
    moved_amount=84000,
    moved_currency="INR",
)


def refund(status: RefundStatus, amount: int = 1000) -> Refund:
    made = Till(PLAIN, Books()).new_refund(CHARGE, amount=amount, origin=Origin.API, key="refund-1")
    return replace(made, status=status)


def test_what_was_written_is_there_again(tmp_path: Path):
    books = Books(tmp_path)
    entries: list[Entry] = [
        CHARGE,
        refund(RefundStatus.SUCCEEDED),
        Received(at=1.0, method="POST", path="/v1/charges", key="key-1"),
    ]
    for entry in entries:
        books.write(entry)
    books.close()
    again = Books(tmp_path)
    assert again.charge_of_key("key-1") == CHARGE
    assert again.refund_of_key("refund-1") == entries[1]
    assert again.sends("key-1") == 1
    assert isinstance(again.charges["ch_1"].status, ChargeStatus)
    again.close()


def test_the_last_version_counts_and_every_version_stays(tmp_path: Path):
    books = Books(tmp_path)
    books.write(replace(CHARGE, status=ChargeStatus.PENDING, due_at=5.0, due_status=ChargeStatus.SUCCEEDED))
    assert books.due(5.0)
    books.write(CHARGE)
    assert books.due(5.0) == []
    books.close()
    assert len((tmp_path / "books.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize("torn", ['{"what": "charge", "entry": {"id"', "{", '{"what": "charge", "entry": {}}', "\x00"])
def test_half_a_last_line_never_was(tmp_path: Path, torn: str):
    books = Books(tmp_path)
    books.write(CHARGE)
    books.close()
    with (tmp_path / "books.jsonl").open("a") as file:
        file.write(torn)
    again = Books(tmp_path)
    again.write(replace(CHARGE, id="ch_2", key="key-2"))
    again.close()
    last = Books(tmp_path)
    assert list(last.charges) == ["ch_1", "ch_2"]
    last.close()


def test_a_damaged_line_in_the_middle_is_not_passed_over(tmp_path: Path):
    (tmp_path / "books.jsonl").write_text('{"what": "charge", "en\n{}\n')
    with pytest.raises(ValueError, match="line 1"):
        Books(tmp_path)


def test_two_processes_cannot_have_the_same_books(tmp_path: Path):
    books = Journal(tmp_path / "books.jsonl")
    with pytest.raises(BlockingIOError):
        Journal(tmp_path / "books.jsonl")
    books.close()


def test_only_the_owner_may_read_them(tmp_path: Path):
    Books(tmp_path).close()
    assert (tmp_path / "books.jsonl").stat().st_mode & 0o777 == 0o600


def test_what_went_back_is_what_succeeded():
    books = Books()
    books.write(CHARGE)
    for status in RefundStatus:
        books.write(refund(status))
    assert books.captured("order-1") == {"INR": 84000}
    assert books.refunded("order-1") == {"INR": 1000}
    assert books.refundable(CHARGE) == 84000 - 2 * 1000
    assert json.dumps(books.captured("no such order")) == "{}"


def test_of_two_charges_with_one_key_the_paid_one_is_found():
    """It happens where the provider forgot the key between them."""
    books = Books()
    books.write(replace(CHARGE, status=ChargeStatus.PENDING, moved_amount=0))
    books.write(replace(CHARGE, id="ch_2"))
    books.write(replace(CHARGE, id="ch_3", status=ChargeStatus.FAILED, moved_amount=0))
    found = books.charge_of_key("key-1")
    assert found
    assert found.id == "ch_2"
