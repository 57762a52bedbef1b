"""Which rows are a human's by now, in the words of SQL: the run's own process has no Django that could be asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

# As `failures.models.WAITING`, which a test compares them with.
WAITING: Final = ("open", "assigned", "waiting_second_person", "reopened")
# The kinds that tell a human of a payment in doubt. Its other cases are about something else that happened to it.
OF_A_DOUBT: Final = ("in_doubt", "amount_mismatch", "quarantined")
MISMATCH: Final = "amount_mismatch"


def waits(case: str) -> str:
    """Whether the case of that alias waits for a human."""
    return f"{case}.status IN ({_listed(WAITING)})"


def doubt_has_case(payment: str) -> str:
    """Whether a human was told of the doubt of the payment whose id is in that column."""
    return f"{_has_case(payment)} AND c.kind IN ({_listed(OF_A_DOUBT)}))"


def refund_has_case(refund: str) -> str:
    """Whether a case waits for the refund whose id is in that column. One of its payment's is another worry."""
    return f"{_has_case(refund)})"


def _has_case(subject: str) -> str:
    return f"EXISTS (SELECT 1 FROM failures_case c WHERE c.subject_id = {subject} AND {waits('c')}"  # noqa: S608  Ours.


def _listed(words: Sequence[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)
