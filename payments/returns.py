"""How much of what a payment brought has gone back since, and what it brought that was not due: read with its row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import JSONObject

from kernel.money import Money
from payments.models import Attempt, Capture, Payment

# A payment keeps one attempt's money at most, and that one is found by a key.
_KEPT = Attempt.objects.filter(payment=OuterRef("pk"), capture=Capture.KEPT).order_by()
# Of what was never due there may be several, which are added up. Two currencies are never one sum: of two, the first.
_NOT_DUE = (
    Attempt.objects.filter(payment=OuterRef("pk"), capture=Capture.SURPLUS)
    .order_by("captured_currency")
    .values("payment", "captured_currency")
    .annotate(
        sums=JSONObject(
            currency="captured_currency",
            came_in=Sum("captured_minor"),
            went_back=Sum("refunded_minor"),
            going_back=Sum("refunding_minor"),
        )
    )
)


def with_what_went_back(payments: QuerySet[Payment]) -> QuerySet[Payment]:
    """What `return_of` and `surplus_of` read, also of many rows of a list."""
    fields = ("captured_minor", "refunded_minor", "captured_currency")
    kept = {f"kept_{field}": Subquery(_KEPT.values(field)) for field in fields}
    return payments.annotate(**kept, not_due=Subquery(_NOT_DUE.values("sums")[:1]))


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Surplus:
    """What came in when it was not due, and what became of it."""

    went_back: Money
    going_back: Money
    still_here: Money
    is_all: bool  # Nothing else of this payment was taken.

    @property
    def words(self) -> str:
        """The worst of it first: it needs somebody."""
        if self.still_here.minor:
            return "money that was not due is still here"
        return "what was not due is on its way back" if self.going_back.minor else "what was not due was given back"

    @property
    def became(self) -> str:
        told = {
            "went back to the guest": self.went_back,
            "is on its way back to the guest": self.going_back,
            "is still here": self.still_here,
        }
        return ", ".join(f"{money.display()} {what}" for what, money in told.items() if money.minor)


def surplus_of(payment: Any) -> Surplus | None:
    """As above. None: all that came in was due."""
    if payment.not_due is None:
        return None
    currency, went, going = (payment.not_due[name] for name in ("currency", "went_back", "going_back"))
    return Surplus(
        went_back=Money(went, currency),
        going_back=Money(going, currency),
        still_here=Money(payment.not_due["came_in"] - went - going, currency),
        is_all=not payment.kept_captured_minor,
    )
