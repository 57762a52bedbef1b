"""What a client knows after an answer: done, refused, perhaps done, or something that nobody expects."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.chaos.desk import Result, understood
from tests.clients import STILL_RUNNING, Tells


def _said(**said: Any) -> bytes:
    return json.dumps(said).encode()


def test_one_row_and_a_page_of_rows_are_both_heard() -> None:
    one = understood(201, _said(id="p", status="processing"), Tells.PAYMENT)
    page = understood(200, _said(items=[{"id": "p"}, {"id": "q"}], page={}), Tells.PAYMENT)

    assert (one.result, [row["id"] for row in one.rows]) == (Result.OK, ["p"])
    assert (page.result, [row["id"] for row in page.rows]) == (Result.OK, ["p", "q"])


def test_only_what_is_completed_is_compared_byte_for_byte() -> None:
    completed = understood(201, _said(id="p", status="completed"), Tells.PAYMENT)
    spaced = understood(201, _said(id="p", status="completed") + b" ", Tells.PAYMENT)

    assert completed.digest != spaced.digest
    assert not understood(201, _said(id="p", status="failed"), Tells.PAYMENT).digest
    assert not understood(201, _said(id="o", status="placed"), Tells.ORDER).digest


@pytest.mark.parametrize(
    ("status", "code", "result"),
    [
        (409, "order_being_paid", Result.REFUSED),
        (422, "invalid_request", Result.REFUSED),
        (429, "rate_limited", Result.REFUSED),
        (409, STILL_RUNNING, Result.DONT_KNOW),
        (503, "unavailable", Result.DONT_KNOW),
        (500, "internal", Result.STRANGE),
        (404, "not_found", Result.STRANGE),
        (401, "bad_credentials", Result.STRANGE),
    ],
)
def test_what_a_problem_means(status: int, code: str, result: Result) -> None:
    answer = understood(status, _said(code=code), Tells.PAYMENT)

    assert (answer.result, answer.status, answer.code) == (result, status, code)


def test_what_was_cut_on_its_way_may_have_been_done() -> None:
    assert understood(201, b'{"id": "p", "sta', Tells.PAYMENT).result == Result.DONT_KNOW
