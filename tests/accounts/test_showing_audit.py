"""What a deed changed, line by line: only what differs, under the name of where it stands, and people by name."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.showing_audit import SAME, amount_of, changes_in, in_words
from events.models import AuditEntry
from kernel.money import Money
from tests.factories import UserFactory


def told(before: dict[str, Any], after: dict[str, Any]) -> str:
    return str(changes_in(AuditEntry(before=before, after=after)))


def row(what: str, before: str, after: str) -> str:
    return f'<tr><th scope="row">{what}</th><td>{before}</td><td>{after}</td></tr>'


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ({"role": None}, {"role": "waiter"}, row("role", "–", "waiter")),
        ({"is_active": True}, {"is_active": False}, row("is active", "yes", "no")),
        ({"groups": []}, {"groups": ["a", "b"]}, row("groups", "–", "a, b")),
        ({"case": {"owner": "x"}}, {"case": {"owner": "y"}}, row("case owner", "x", "y")),
        ({"refund": None}, {"refund": [9100, "INR"]}, row("refund", "–", "₹91.00")),
        (
            {"refunds": [{"amount_minor": 4000, "currency": "INR"}]},
            {"refunds": [{"amount_minor": 9100, "currency": "INR"}]},
            row("refunds no. 1 amount", "₹40.00", "₹91.00"),
        ),
        ({"captured_minor": 0, "captured_currency": ""}, {}, row("captured", "0", "–")),
        ({"status": "open"}, {"status": "waiting_second_person"}, row("status", "open", "waiting second person")),
        ({"username": "asha_k"}, {}, row("username", "asha_k", "–")),
        ({"refunds": []}, {"refunds": [{"status": "sent"}]}, row("refunds no. 1 status", "–", "sent")),
    ],
)
def test_what_differs_is_a_line(before: dict[str, Any], after: dict[str, Any], line: str) -> None:
    same = {"mode": "test"}

    text = told({**same, **before}, {**same, **after})

    assert line in text
    assert "mode" not in text


def test_a_first_row_of_a_kind_is_told_by_its_fields_alone() -> None:
    text = told({"asked": []}, {"asked": [{"status": "pending"}]})

    assert row("asked no. 1 status", "–", "pending") in text
    assert text.count("<tr>") == 2


def test_where_nothing_differs_it_says_so() -> None:
    assert told({"rows": 3}, {"rows": 3}) == SAME


@pytest.mark.django_db
def test_an_id_of_a_person_is_a_name() -> None:
    asha = UserFactory.create(username="asha")
    unknown = "01a219ac-6cc0-7e24-b34e-e6b97eb0cc86"

    text = told({"owner": unknown}, {"owner": str(asha.pk)})

    assert row("owner", unknown, "asha") in text


def test_what_stands_in_a_picture_is_never_markup() -> None:
    assert "<script>" not in told({"reason": ""}, {"reason": "<script>"})


def test_a_deed_is_read_like_a_sentence() -> None:
    assert in_words("take_off_second_factor") == "Take off second factor"


def picture(status: str, *refunds: int, captured: int = 84_000, currency: str = "INR") -> dict[str, Any]:
    attempt = {"id": "a", "captured_minor": captured, "captured_currency": currency if captured else ""}
    rows = [
        {"id": f"r{number}", "status": status, "amount_minor": minor, "tip_minor": 500, "currency": currency}
        for number, minor in enumerate(refunds)
    ]
    return {"attempts": [attempt], "refunds": rows}


@pytest.mark.parametrize(
    ("before", "after", "minor"),
    [
        (picture("x"), picture("requested", 30_000), 30_500),
        (picture("waiting", 30_000), picture("requested", 30_000), 30_500),
        (picture("requested", 30_000), picture("requested", 30_000, 10_000), 10_500),
        (picture("x", captured=0), picture("x"), 84_000),
        (picture("x", 30_000), picture("x", 30_000), None),
        ({"role": "waiter"}, {"role": "admin"}, None),
    ],
)
def test_the_amount_of_a_deed_is_what_it_moved(
    before: dict[str, Any], after: dict[str, Any], minor: int | None
) -> None:
    money = amount_of(AuditEntry(before=before, after=after))

    assert money == (Money(minor, "INR") if minor else None)


def test_two_currencies_are_no_amount() -> None:
    after = {"refunds": [*picture("x", 100)["refunds"], {"id": "k", "amount_minor": 5, "currency": "KWD"}]}

    assert amount_of(AuditEntry(before={}, after=after)) is None
