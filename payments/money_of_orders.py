"""What came in for an order and what went back of it, added up over its payments: for its page, and for lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import F, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import JSONObject

from kernel.money import Money
from orders.models import Order
from orders.standings import standings_of
from payments.models import Attempt, Capture, Refund, RefundStatus

# Of one order: its payments are few, and found by a key.
_KEPT = (
    Attempt.objects.filter(payment__order=OuterRef("pk"), capture=Capture.KEPT)
    .order_by()
    .values("payment__order")
    .annotate(sums=JSONObject(paid=Sum("captured_minor"), returned=Sum("refunded_minor")))
)


def with_what_went_back(orders: QuerySet[Order]) -> QuerySet[Order]:
    """What `return_in_words` reads, also of many rows of a list."""
    return orders.annotate(kept=Subquery(_KEPT.values("sums")))


def return_in_words(order: Any) -> str:
    """Behind the state of one that was read with what went back. Empty: nothing did."""
    if order.kept is None or not order.kept["returned"]:
        return ""
    return "all of it given back" if order.kept["returned"] >= order.kept["paid"] else "a part given back"


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyOfOrder:
    """Of money that is kept, with its tips. What was never due is told of the payment that brought it."""

    currency: str
    paid_minor: int
    returned_minor: int
    returning_minor: int
    waiting_minor: int  # Set aside to go back: nothing is sent until a second person agrees.
    due_minor: int

    @property
    def sentence(self) -> str:
        told = ""
        if self.returned_minor:
            told = f"Of what was paid, {self._part(self.returned_minor)} went back to the guest since."
        if self.returning_minor:
            told = f"{told} {self._shown(self.returning_minor)} is on its way back to the guest."
        if self.waiting_minor:
            told = f"{told} {self._shown(self.waiting_minor)} waits for approval before it goes back."
        return told.strip()

    def _part(self, minor: int) -> str:
        return "all" if minor >= self.paid_minor else self._shown(minor)

    def _shown(self, minor: int) -> str:
        return Money(minor, self.currency).display()


def money_of_order(order: Order) -> MoneyOfOrder:
    kept: QuerySet[Attempt] = Attempt.objects.filter(payment__order=order, capture=Capture.KEPT)
    sums = kept.aggregate(paid=Sum("captured_minor"), returned=Sum("refunded_minor"), set_aside=Sum("refunding_minor"))
    paid, returned, set_aside = (sums[name] or 0 for name in ("paid", "returned", "set_aside"))
    waiting = _waiting(order) if set_aside else 0
    return MoneyOfOrder(
        currency=order.currency,
        paid_minor=paid,
        returned_minor=returned,
        returning_minor=max(0, set_aside - waiting),
        waiting_minor=waiting,
        due_minor=standings_of([order])[order.pk].due_minor,
    )


def _waiting(order: Order) -> int:
    mine = Refund.objects.filter(payment__order=order, attempt__capture=Capture.KEPT)
    whole = Sum(F("amount_minor") + F("tip_minor"))
    waiting: int | None = mine.filter(status=RefundStatus.WAITING_APPROVAL).aggregate(sum=whole)["sum"]
    return waiting or 0
