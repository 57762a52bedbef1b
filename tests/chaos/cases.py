"""Which rows are a human's by now, in the words of SQL: the run's own process has no Django that could be asked."""

from __future__ import annotations

from typing import Final

# As `failures.models.WAITING`, which a test compares them with.
WAITING: Final = ("open", "assigned", "waiting_second_person", "reopened")
_HAS_CASE: Final = "EXISTS (SELECT 1 FROM failures_case c WHERE c.payment_id = {payment} AND c.status IN ({waiting}))"


def has_case(payment: str) -> str:
    """Whether a case waits for the payment whose id is in that column."""
    return _HAS_CASE.format(payment=payment, waiting=", ".join(f"'{status}'" for status in WAITING))
