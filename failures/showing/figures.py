"""A figure of the console, and the list that has exactly its rows and its money."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlencode

from django.urls import reverse

from kernel.modes import Mode
from kernel.totals import Total


class List(StrEnum):
    """The pages of the console that a figure may lead to."""

    CASES = "failures_case"
    APPROVALS = "accounts_approval"
    PAYMENTS = "payments_payment"
    ATTEMPTS = "payments_attempt"
    REFUNDS = "payments_refund"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    total: Total
    list: List
    asked: Mapping[str, str]  # What the list is asked for, by its own filters.

    @property
    def address(self) -> str:
        return f"{reverse(f'admin:{self.list}_changelist')}?{urlencode(self.asked)}"


def figure(total: Total, of: List, mode: Mode, **asked: str) -> Figure:
    return Figure(total=total, list=of, asked={"mode__exact": mode.value, **asked})
