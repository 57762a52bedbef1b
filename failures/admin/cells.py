"""Cells of the queue: what one row says of its case."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils.html import format_html, format_html_join

from failures.models import Case, CaseStatus
from failures.showing.causes import cause_of
from failures.showing.certainty import certainty_of, in_words
from failures.showing.deadlines import waiting_of
from failures.showing.tries import dots
from failures.sums import money_of
from kernel import clock
from kernel.shown import NOTHING, Column, Link, Tone, label, moment
from payments.models import Attempt, Refund

# What everybody takes for granted of a case that waits, and what stands in the column of who has it.
_EXPECTED = (CaseStatus.OPEN, CaseStatus.ASSIGNED)
_TONES = {CaseStatus.REOPENED: Tone.WAIT, CaseStatus.WAITING_SECOND_PERSON: Tone.WAIT}
_to_payment = Link("payment", ordering=None)


class Cell(Column):
    """Said of the whole case, which some are without a payment."""

    def __init__(self, says: Callable[[Case], str], title: str, *, ordering: str | None = None) -> None:
        super().__init__("", title, ordering=ordering)
        self.says = says

    def __call__(self, row: Case) -> str:
        return self.says(row)


def step(case: Case) -> str:
    """Of one that has ended: how it did."""
    if case.status == CaseStatus.WAITING_SECOND_PERSON:
        return "Approve or reject it"
    return cause_of(case).step if case.is_waiting else case.get_outcome_display() or NOTHING


def waits(case: Case) -> str:
    waiting = waiting_of(case, now=clock.now())
    opened = moment(case.opened_at, case.restaurant.time_zone)
    pill = label(waiting.words, waiting.tone)
    return format_html('<div>{}<span class="desk-under">opened {}</span></div>', pill, opened)


def amount(case: Case) -> str:
    money = money_of(case)
    shown = money.display() if money else NOTHING
    return format_html('<span class="amount">{}</span>', shown)


def sure(case: Case) -> str:
    """What may have come in stands out: it is what somebody has to find out."""
    if case.payment is None:
        return NOTHING
    certainty = certainty_of(attempts_of(case), waiting_refunds_of(case))
    tone = "desk-may" if certainty.possible else "desk-is"
    parts = ((tone if at == 0 else "desk-is", words) for at, words in enumerate(in_words(certainty)))
    return format_html("<div>{}</div>", format_html_join("", '<span class="{}">{}</span>', parts))


def tries(case: Case) -> str:
    return dots(attempts_of(case))


def payment(case: Case) -> str:
    """With its table, where there is one: it is what people call it by."""
    named = table_in_words(case.payment.order.table if case.payment else "")
    return format_html('<div>{}<span class="desk-under">{}</span></div>', _to_payment(case), named)


def table_in_words(table: str) -> str:
    """What is more than a number or a letter, as "Terrace 3", says itself that it is one."""
    return f"Table {table}" if table and " " not in table else table


def has(case: Case) -> str:
    owner = case.owner.get_username() if case.owner else "nobody"
    if case.status in _EXPECTED:
        return owner
    tone = _TONES.get(CaseStatus(case.status), Tone.QUIET)
    return format_html('<div>{}<span class="desk-under">{}</span></div>', owner, label(case.get_status_display(), tone))


def attempts_of(case: Case) -> list[Attempt]:
    return list(case.payment.attempts.all()) if case.payment else []


def waiting_refunds_of(case: Case) -> list[Refund]:
    """Of one that was read for a list."""
    payment: Any = case.payment
    return list(payment.waiting_refunds) if payment else []
