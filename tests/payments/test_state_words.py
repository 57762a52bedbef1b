"""How a payment or a refund stands is said in one way, whichever page of the console says it."""

from __future__ import annotations

from typing import Any

import pytest

from kernel.shown import Tone
from payments.models import Payment, PaymentStatus, Refund, RefundStatus
from payments.state_words import IN_DOUBT, payment_in_words, refund_in_words

pytestmark = pytest.mark.django_db  # Whose time a row's own moments are.


@pytest.mark.parametrize(
    ("status", "in_doubt", "went_back", "said"),
    [
        (PaymentStatus.PENDING, False, 0, ("pending", Tone.QUIET)),
        (PaymentStatus.PROCESSING, False, 0, ("processing", Tone.WAIT)),
        (PaymentStatus.PROCESSING, True, 0, IN_DOUBT),
        (PaymentStatus.FAILED, False, 0, ("failed", Tone.BAD)),
        (PaymentStatus.COMPLETED, False, 0, ("completed", Tone.GOOD)),
        (PaymentStatus.COMPLETED, False, 4_000, ("completed, a part given back", Tone.GOOD)),
        (PaymentStatus.COMPLETED, False, 84_000, ("completed, all of it given back", Tone.QUIET)),
    ],
)
def test_a_payment(status: PaymentStatus, in_doubt: bool, went_back: int, said: tuple[str, Tone]) -> None:
    read: Any = Payment(status=status, in_doubt=in_doubt)
    read.not_due = None
    read.kept_captured_minor, read.kept_refunded_minor, read.kept_captured_currency = 84_000, went_back, "INR"

    assert payment_in_words(read) == said


@pytest.mark.parametrize("status", RefundStatus)
def test_a_refund(status: RefundStatus) -> None:
    ended = {RefundStatus.COMPLETED: Tone.GOOD, RefundStatus.FAILED: Tone.BAD}

    assert refund_in_words(Refund(status=status)) == (status.label, ended.get(status, Tone.WAIT))
    assert refund_in_words(Refund(status=status, in_doubt=True)) == IN_DOUBT
