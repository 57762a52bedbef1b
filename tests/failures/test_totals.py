"""A filtered list says what it adds up to, or that it was too much; and what only a page filters can be taken away."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Restaurant
from kernel import clock, totals
from tests.failures.days import TOTAL, page_of, read

PAYMENTS = "/admin/payments/payment/"


def test_a_list_adds_up_only_what_somebody_filtered(boss: Client) -> None:
    assert not TOTAL.search(page_of(boss, PAYMENTS))
    assert TOTAL.search(page_of(boss, PAYMENTS, status__exact="failed"))
    assert TOTAL.search(page_of(boss, PAYMENTS, q="P-"))


def test_what_is_too_much_is_not_added_up_and_says_so(boss: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(totals, "MOST_ADDED", 17)

    with CaptureQueriesContext(connection) as queries:
        page = page_of(boss, PAYMENTS, day="today", mode__exact="live")

    assert "they were not added up" in page
    (added,) = [each["sql"] for each in queries if "SUM(minor)" in each["sql"]]
    assert "LIMIT 18" in added
    assert read(TOTAL.findall(page_of(boss, PAYMENTS, day="yesterday", mode__exact="live"))[0]).count == "3"


def test_what_makes_no_sense_is_no_filter(boss: Client) -> None:
    assert boss.get(PAYMENTS, {"day": "never"}).headers["location"].endswith("?e=1")
    for began in ("now", "2026-11-27/x", "9999-12-31T23:59-12:00/x"):
        assert boss.get("/admin/payments/attempt/", {"began": began}).headers["location"].endswith("?e=1"), began


def test_a_filter_that_only_a_page_sets_can_be_taken_away(boss: Client) -> None:
    page = page_of(boss, PAYMENTS, failure_code="card_declined", day="today")

    assert "Reason of failure: the guest&#x27;s bank said no" in page
    assert 'href="?day=today"' in page
    assert "Reason of failure" not in page_of(boss, PAYMENTS, day="today").split("result_list")[0]


def test_a_day_may_be_any_date(boss: Client, restaurants: list[Restaurant]) -> None:
    """Where it is a new day already, today's payments are of another date."""
    date = f"{clock.now():%Y-%m-%d}"

    assert read(TOTAL.findall(page_of(boss, PAYMENTS, day=date, mode__exact="live"))[0]).count == "13"


def test_what_no_column_can_hold_is_no_error_of_ours(boss: Client) -> None:
    held_by_none = ("day=%00", "currency=%00", "failure_code=a%00b", "statuses=failed,%00", "paid_on=%00")
    for query in ("day=9999-12-31", *held_by_none):
        assert boss.get(f"/admin/payments/payment/?{query}").status_code == 302, query
