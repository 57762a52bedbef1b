"""What of a payment could go back now, and through whom; or in one sentence why nothing can. Asked for by pages."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from kernel.money import Money
from kernel.shown import in_words
from payments.models import Attempt, Capture, Payment, Refund
from payments.services.providers import facts_of
from payments.services.refund_requests import asked_about, refusal_of_what_may_be_back, tip_left_in

NOTHING_CAME_IN = "Nothing came in: there is nothing to give back."
NOTHING_YET = "Nothing came in so far: there is nothing to give back."
IN_DOUBT = "Nobody knows yet what came in. Nothing goes back before that is known."
ALL_GONE = "Everything went back already or is on its way."


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundOutlook:
    """As it is read without a lock. What is then asked for is decided anew."""

    attempt: Attempt | None
    locked: str = ""  # Why nothing can go back now; empty: it can.
    share_minor: int = 0
    tip_minor: int = 0
    is_surplus: bool = False
    is_manual: bool = False

    @property
    def currency(self) -> str:
        return self.attempt.captured_currency if self.attempt else ""

    @property
    def whole(self) -> Money:
        return Money(self.share_minor + self.tip_minor, self.currency)

    @property
    def share(self) -> Money:
        return Money(self.share_minor, self.currency)

    @property
    def tip(self) -> Money:
        return Money(self.tip_minor, self.currency)


def refund_outlook_of(payment: Payment, *, zone: str) -> RefundOutlook:
    """What is kept comes first; a surplus is there only where its own refund did not find its way."""
    captures = (Capture.KEPT, Capture.SURPLUS)
    taken = list(payment.attempts.filter(capture__in=captures).select_related("account").order_by("pk"))
    taken.sort(key=lambda attempt: captures.index(Capture(attempt.capture)))
    attempt = next((each for each in taken if each.refundable_minor > 0), None)
    if attempt is None:
        return RefundOutlook(attempt=None, locked=ALL_GONE if taken else _nothing_in(payment))
    is_surplus = attempt.capture == Capture.SURPLUS
    refunds = list(Refund.objects.filter(attempt=attempt))
    tip_left = 0 if is_surplus else tip_left_in(attempt, refunds)
    return RefundOutlook(
        attempt=attempt,
        locked=_being_asked(attempt, refunds, zone) or _may_be_back(attempt, refunds),
        share_minor=attempt.refundable_minor - tip_left,
        tip_minor=tip_left,
        is_surplus=is_surplus,
        is_manual=facts_of(attempt.account).is_manual,
    )


def _nothing_in(payment: Payment) -> str:
    if payment.in_doubt:
        return IN_DOUBT
    return NOTHING_YET if payment.holds_its_share else NOTHING_CAME_IN


def _may_be_back(attempt: Attempt, refunds: Collection[Refund]) -> str:
    refusal = refusal_of_what_may_be_back(attempt, refunds)
    return refusal.sentence if refusal else ""


def _being_asked(attempt: Attempt, refunds: Iterable[Refund], zone: str) -> str:
    times = [each.next_action_at for each in asked_about(refunds) if each.next_action_at is not None]
    if not times:
        return ""
    at = in_words(min(times), zone)
    return f"An earlier refund may have been made after all. {attempt.account.label} is asked about it next at {at}."
