"""Amounts, states and moments in the console: exact, in the restaurant's own time, and safe to show."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils.html import format_html

from kernel.shown import (
    NOTHING,
    Amount,
    Column,
    Data,
    Itself,
    Link,
    Listed,
    Moment,
    Said,
    State,
    Tone,
    Word,
    Written,
    in_words,
    label,
)
from payments.models import Attempt, AttemptStatus, Method

NOON = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


def row(**fields: Any) -> SimpleNamespace:
    return SimpleNamespace(**fields)


@pytest.mark.parametrize(
    ("minor", "currency", "shown"),
    [(12_345_678, "INR", "₹1,23,456.78"), (840, "JPY", "JP¥840"), (1_234_567, "KWD", "KWD1,234.567")],
)
def test_an_amount_is_written_like_its_currency(minor: int, currency: str, shown: str) -> None:
    amount = Amount("total_minor")

    assert amount(row(total_minor=minor, currency=currency)) == f'<span class="amount">{shown}</span>'
    assert (amount.short_description, amount.admin_order_field) == ("total", "total_minor")


def test_an_amount_that_is_not_there_is_not_nought() -> None:
    captured = Amount("captured_minor", currency="captured_currency", zero=False)

    assert captured(row(captured_minor=0, captured_currency="")) == f'<span class="amount">{NOTHING}</span>'
    assert Amount("min_minor")(row(min_minor=None, currency="INR")) == f'<span class="amount">{NOTHING}</span>'


def test_an_amount_may_have_its_currency_from_another_row() -> None:
    line = row(unit_minor=500, order=row(currency="INR"))

    assert "₹5.00" in Amount("unit_minor", currency="order.currency")(line)


def test_a_moment_is_the_restaurant_s_and_says_utc_on_asking() -> None:
    shown = Moment("created_at")(row(created_at=NOON, console_zone="Asia/Kolkata"))

    assert 'datetime="2026-11-26T12:00:00+00:00"' in shown
    assert 'title="2026-11-26 12:00:00 UTC"' in shown
    assert ">26\xa0Nov\xa02026, 17:30\xa0IST<" in shown


def test_a_moment_of_nobody_s_is_in_utc() -> None:
    assert ">26\xa0Nov\xa02026, 12:00\xa0UTC<" in Moment("at")(row(at=NOON))
    assert in_words(NOON, "Asia/Kolkata") == "26\xa0Nov\xa02026, 17:30\xa0IST"
    assert Moment("at")(row(at=None)) == NOTHING


def test_a_state_is_its_word_in_a_colour() -> None:
    state = State("status", tones={AttemptStatus.UNKNOWN: Tone.DOUBT})

    assert state(Attempt(status=AttemptStatus.UNKNOWN)) == '<span class="state state-doubt">unknown</span>'
    assert state(Attempt(status=AttemptStatus.NOT_SENT)) == '<span class="state state-quiet">not sent</span>'


def test_a_word_is_the_choice_s_own_name() -> None:
    assert Word("method")(Attempt(method=Method.UPI)) == "UPI"
    assert Word("method")(Attempt(method="")) == NOTHING


def test_a_state_of_more_than_one_field_is_said() -> None:
    said = Said(lambda each: (each.word, Tone.BAD), "status", ordering="status")

    assert said(row(word="failed")) == '<span class="state state-bad">failed</span>'
    assert (said.short_description, said.admin_order_field) == ("status", "status")


def test_what_others_said_is_shown_as_text() -> None:
    data = Data("evidence")(row(evidence={"message": "<script>"}))

    assert data.startswith('<pre class="data">')
    assert "<script>" not in data
    assert "&lt;script&gt;" in data
    assert "<b>" not in label("<b>", Tone.GOOD)
    assert Data("evidence")(row(evidence={})) == NOTHING


def test_an_id_in_data_stands_there_by_its_name_where_that_is_known() -> None:
    known, unknown = "01a21743-0dbf-7d25-a0d0-021d69c5bc91", "01a21743-0dbf-7d25-a0d0-021d69c5bc92"
    names = {known: format_html('<a href="/">{}</a>', "P-<1>")}

    data = Data("evidence")(row(evidence={"payment": known, "other": [unknown]}, console_names=names))

    assert '&quot;payment&quot;: &quot;<a href="/">P-&lt;1&gt;</a>&quot;' in data
    assert (known in data, unknown in data) == (False, True)


def test_a_column_may_look_through_another_row() -> None:
    column = Column("payment.reference", "payment")

    assert column(row(payment=row(reference="P-1"))) == "P-1"
    assert column.admin_order_field == "payment__reference"


def test_a_list_of_nothing_says_what_that_means() -> None:
    methods = Listed("methods", none="any")

    assert methods(row(methods=["card", "upi"])) == "card, upi"
    assert methods(row(methods=[])) == "any"


def test_other_rows_are_a_link_away() -> None:
    attempt = Attempt(number=2)
    page = f"/admin/payments/attempt/{attempt.pk}/change/"

    assert Itself(lambda each: f"No. {each.number}", "attempt")(attempt) == f'<a class="link" href="{page}">No. 2</a>'
    assert f'href="{page}"' in Link("attempt")(row(attempt=attempt))


def test_what_people_wrote_is_whole_on_asking_and_runs_nothing() -> None:
    shown = Written("reason")(row(reason='He said "no" <b>'))

    assert shown == (
        '<span class="console-written" title="He said &quot;no&quot; &lt;b&gt;">He said &quot;no&quot; &lt;b&gt;</span>'
    )
    assert Written("reason")(row(reason="")) == NOTHING
