"""What came in for an order and what went back of it, added up over its payments: read for a page of its own."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet, Sum

from kernel.money import Money
from orders.models import Order
from orders.standings import standings_of
from payments.models import Attempt, Capture


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyOfOrder:
    """Of money that is kept, with its tips. What was never due is told of the payment that brought it."""

    currency: str
    paid_minor: int
    returned_minor: int
    returning_minor: int
    due_minor: int

    @property
    def words(self) -> str:
        """Behind its state; empty: nothing went back."""
        if not self.returned_minor:
            return ""
        return "all of it given back" if self.returned_minor >= self.paid_minor else "a part given back"

    @property
    def sentence(self) -> str:
        told = ""
        if self.returned_minor:
            told = f"Of what was paid, {self._part(self.returned_minor)} went back to the guest since."
        if self.returning_minor:
            told = f"{told} {self._shown(self.returning_minor)} is on its way back to the guest."
        return told.strip()

    def _part(self, minor: int) -> str:
        return "all" if minor >= self.paid_minor else self._shown(minor)

    def _shown(self, minor: int) -> str:
        return Money(minor, self.currency).display()


def money_of_order(order: Order) -> MoneyOfOrder:
    kept: QuerySet[Attempt] = Attempt.objects.filter(payment__order=order, capture=Capture.KEPT)
    sums = kept.aggregate(paid=Sum("captured_minor"), returned=Sum("refunded_minor"), returning=Sum("refunding_minor"))
    return MoneyOfOrder(
        currency=order.currency,
        due_minor=standings_of([order])[order.pk].due_minor,
        **{f"{name}_minor": sums[name] or 0 for name in ("paid", "returned", "returning")},
    )
