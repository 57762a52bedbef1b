"""What clients were told is read from their journal: rows, which of them had ended well, keys, and the silences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.chaos.books import read_told
from tests.chaos.desk import Answer, Result
from tests.chaos.journal import Journal
from tests.clients import Tells

COMPLETED = {"id": "p", "status": "completed"}


class Clients(Journal):
    """Who asks, and is told at once."""

    def hear(self, number: int, act: str, tells: Tells, answer: Answer, *, key: str = "") -> None:
        self.ask(number, act, key=key)
        self.append(n=number, what="told", act=act, tells=tells, key=key, **answer.told())

    def ask(self, number: int, act: str, *, key: str = "") -> None:
        self.append(n=number, what="ask", act=act, key=key)


def _ok(*rows: dict[str, Any], digest: str = "") -> Answer:
    return Answer(Result.OK, rows, 200, digest=digest)


def test_answers_and_silences_are_counted(tmp_path: Path) -> None:
    clients = Clients(tmp_path / "clients.jsonl")
    clients.hear(1, "place", Tells.ORDER, _ok({"id": "o", "status": "placed"}))
    clients.hear(2, "pay", Tells.PAYMENT, _ok({**COMPLETED, "status": "processing"}))
    clients.hear(3, "pay_again", Tells.PAYMENT, Answer(Result.DONT_KNOW))
    clients.hear(4, "payments_of", Tells.PAYMENT, _ok(COMPLETED))
    clients.hear(
        5, "refunds_of", Tells.REFUND, _ok({"id": "r", "status": "completed"}, {"id": "s", "status": "failed"})
    )
    clients.ask(6, "give_back")  # The run ended before anything came back.
    clients.close()

    told = read_told(tmp_path / "clients.jsonl")

    assert (told.asked, told.payments_tried, told.dont_know) == (6, 2, 2)
    assert (told.orders, told.payments, told.refunds) == ({"o"}, {"p"}, {"r", "s"})
    assert told.completed == {"p", "r"}
    assert told.pressed == {}


def test_what_once_was_completed_stays_told(tmp_path: Path) -> None:
    clients = Clients(tmp_path / "clients.jsonl")
    for number, status in enumerate(["processing", "completed", "failed"]):
        clients.hear(number, "refunds_of", Tells.REFUND, _ok({"id": "r", "status": status}))
    clients.close()

    assert read_told(tmp_path / "clients.jsonl").completed == {"r"}


def test_what_is_heard_under_one_key_is_kept_together(tmp_path: Path) -> None:
    clients = Clients(tmp_path / "clients.jsonl")
    clients.hear(1, "pay", Tells.PAYMENT, Answer(Result.DONT_KNOW), key="k")
    clients.hear(2, "pay", Tells.PAYMENT, _ok(COMPLETED, digest="d"), key="k")
    clients.hear(3, "pay", Tells.PAYMENT, Answer(Result.REFUSED, status=409, code="being_paid"), key="k")
    clients.close()

    (pressed,) = read_told(tmp_path / "clients.jsonl").pressed.values()

    assert (pressed.ids, pressed.digests) == ({"p"}, {"d"})
    assert [why for _, why in pressed.refused] == ["being_paid"]


def test_a_refusal_tells_of_no_row_and_a_fault_is_strange(tmp_path: Path) -> None:
    clients = Clients(tmp_path / "clients.jsonl")
    clients.hear(1, "pay", Tells.PAYMENT, Answer(Result.REFUSED, status=409, code="being_paid"))
    clients.hear(2, "pay", Tells.PAYMENT, Answer(Result.STRANGE, status=500, code="internal"))
    clients.close()

    told = read_told(tmp_path / "clients.jsonl")

    assert (told.payments_tried, told.dont_know) == (2, 0)
    assert not told.payments
    assert told.strange == ["pay: 500 internal"]
