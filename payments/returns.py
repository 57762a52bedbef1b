"""How much of what a payment brought has gone back since, for whoever adds up what came in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery

from kernel.money import Money
from payments.models import Attempt, Capture, Payment

# A payment keeps one attempt's money at most, and that one is found by a key.
_KEPT = Attempt.objects.filter(payment=OuterRef("pk"), capture=Capture.KEPT).order_by()


def with_what_went_back(payments: QuerySet[Payment]) -> QuerySet[Payment]:
    """What `return_of` reads, also of many rows of a list."""
    fields = ("captured_minor", "refunded_minor", "captured_currency")
    return payments.annotate(**{f"kept_{field}": Subquery(_KEPT.values(field)) for field in fields})


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """Of money that was kept. What was never due and went back is none of it."""

    money: Money
    is_all: bool

    @property
    def words(self) -> str:
        return "all of it given back" if self.is_all else "a part given back"

    @property
    def sentence(self) -> str:
        if self.is_all:
            return "All of it went back to the guest since."
        return f"Of that, {self.money.display()} went back to the guest since."


def return_of(payment: Any) -> Return | None:
    """Of one that was read with what went back. None: nothing did."""
    if not payment.kept_refunded_minor:
        return None
    return Return(
        money=Money(payment.kept_refunded_minor, payment.kept_captured_currency),
        is_all=payment.kept_refunded_minor >= payment.kept_captured_minor,
    )
