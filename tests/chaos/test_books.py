"""What clients were told is read from their journal: the rows, which of them had ended well, and the silences."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.books import read_told
from tests.chaos.journal import Journal


def test_answers_and_silences_are_counted(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "clients.jsonl")
    paid = {"payment": "p", "status": "completed"}
    refunds = [{"refund": "r", "status": "completed"}, {"refund": "s", "status": "processing"}]
    journal.append(n=1, what="ask", act="pay_now")
    journal.append(n=2, what="ask", act="pay_again")
    journal.append(n=1, what="told", result="ok", answer={**paid, "status": "processing"})
    journal.append(n=2, what="told", result="dont_know", answer={})
    journal.append(n=3, what="ask", act="look")
    journal.append(
        n=3, what="told", result="ok", answer={"order": "o", "reference": "O-1", "payments": [paid], "refunds": refunds}
    )
    journal.append(n=4, what="ask", act="give_back")  # The run ended before anything came back.
    journal.close()

    told = read_told(tmp_path / "clients.jsonl")

    assert (told.asked, told.payments_tried, told.dont_know) == (4, 2, 2)
    assert (told.orders, told.payments, told.refunds) == ({"o"}, {"p"}, {"r", "s"})
    assert told.completed == {"p", "r"}


def test_what_once_was_completed_stays_told(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "clients.jsonl")
    for number, status in enumerate(["processing", "completed", "failed"]):
        journal.append(n=number, what="ask", act="look")
        journal.append(n=number, what="told", result="ok", answer={"refunds": [{"refund": "r", "status": status}]})
    journal.close()

    assert read_told(tmp_path / "clients.jsonl").completed == {"r"}


def test_a_refusal_tells_of_no_row(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "clients.jsonl")
    journal.append(n=1, what="ask", act="pay_now")
    journal.append(n=1, what="told", result="refused", answer={"code": "being_paid", "detail": "Wait."})
    journal.close()

    told = read_told(tmp_path / "clients.jsonl")

    assert (told.payments_tried, told.dont_know) == (1, 0)
    assert not told.payments
