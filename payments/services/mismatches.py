"""Another amount came in than was asked for: what may be decided about it, how much each decision moves, or why not."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kernel.money import Money
from payments.models import Attempt, Payment
from payments.services.bill import Bill
from payments.services.refund_limits import Limit
from payments.services.refusals import PaymentRefused


class MismatchChoice(StrEnum):
    KEEP = "keep"
    REFUND_ALL = "refund_all"
    REFUND_DIFFERENCE = "refund_difference"


# By these something of what came in stays here.
KEEPING = (MismatchChoice.KEEP, MismatchChoice.REFUND_DIFFERENCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Undecided:
    asked: Money
    captured: Money
    held: Money  # What of it the provider has not given back by itself.
    tip_minor: int
    due_minor: int  # What this payment may still pay for.

    @property
    def is_comparable(self) -> bool:
        return self.captured.currency == self.asked.currency

    @property
    def due_part(self) -> Money:
        """Of what came in: a refund like any other. Nothing where none of it could be kept."""
        if not any(self.can_be_kept(choice) for choice in KEEPING):
            return Money(0, self.asked.currency)
        return min(self.captured, self.asked, key=lambda money: money.minor)

    def can_be_kept(self, choice: MismatchChoice) -> bool:
        return self._refusal_to_keep(choice) is None

    def refusal(self, choice: MismatchChoice, *, limit: Limit | None) -> PaymentRefused | None:
        """The one rule, for who decides and for the page that offers it, with what they may give back alone."""
        if choice == MismatchChoice.REFUND_ALL:
            return self._refusal_above(limit)
        return self._refusal_to_keep(choice)

    def _refusal_above(self, limit: Limit | None) -> PaymentRefused | None:
        """What was not due goes back at any height: it is the guest's. What was due is a refund like any other."""
        due = self.due_part
        if limit is None or not due.minor or not limit.is_passed_by(due.minor):
            return None
        first = "give the difference back" if self._is_difference_possible else "keep the amount"
        return PaymentRefused(
            f"{due.display()} of it was due, and that is more than you may give back alone. First {first}; then give "
            "the rest back on the payment's page, where a second person agrees.",
            code="above_limit",
        )

    def _refusal_to_keep(self, choice: MismatchChoice) -> PaymentRefused | None:
        if not self.is_comparable:
            return PaymentRefused(
                "Another currency was captured: only giving it all back is possible.", code="currency"
            )
        if choice == MismatchChoice.REFUND_DIFFERENCE and self.captured.minor <= self.asked.minor:
            return PaymentRefused(
                "Less than asked was captured: there is no difference to give back.", code="too_little"
            )
        if not self._fits(choice):
            return PaymentRefused(self._not_due(choice), code="not_due")
        return None

    def _fits(self, choice: MismatchChoice) -> bool:
        return 0 < self._share(choice) <= self.due_minor

    def _share(self, choice: MismatchChoice) -> int:
        kept = self.asked if choice == MismatchChoice.REFUND_DIFFERENCE else self.captured
        return kept.minor - self.tip_minor

    def _not_due(self, choice: MismatchChoice) -> str:
        due = Money(max(self.due_minor, 0), self.asked.currency)
        if not due.minor:
            return "Nothing is due any more: give it all back."
        if self._share(choice) <= 0:
            return "What came in does not even cover the tip: give it all back."
        way_out = "give the difference back, or all of it" if self._is_difference_possible else "give it all back"
        return f"Only {due.display()} of the bill is due: {way_out}."

    @property
    def _is_difference_possible(self) -> bool:
        return self.captured.minor > self.asked.minor and self._fits(MismatchChoice.REFUND_DIFFERENCE)


def undecided_in(bill: Bill, payment: Payment, attempt: Attempt, *, is_being_cancelled: bool = False) -> Undecided:
    """A page reads its bill without a lock. Whoever then decides reads it again under one.

    Of an order `is_being_cancelled`, as it was before.
    """
    is_open = (bill.is_payable or is_being_cancelled) and not bill.has_kept(payment)
    return Undecided(
        asked=Money(attempt.amount_minor, attempt.currency),
        captured=Money(attempt.captured_minor, attempt.captured_currency),
        held=Money(attempt.refundable_minor, attempt.captured_currency),
        tip_minor=attempt.tip_minor,
        due_minor=bill.due_minor if is_open else 0,
    )
