"""How a payment or a refund stands, in the few words and the tone in which every page of the console says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kernel.shown import Tone
from payments.models import Payment, PaymentStatus, Refund, RefundStatus
from payments.returns import return_of, surplus_of

IN_DOUBT: Final = ("in doubt: money may have moved", Tone.DOUBT)
_PAYMENT: Final[Mapping[PaymentStatus, Tone]] = {
    PaymentStatus.COMPLETED: Tone.GOOD,
    PaymentStatus.FAILED: Tone.BAD,
    PaymentStatus.PROCESSING: Tone.WAIT,
}
_REFUND: Final[Mapping[RefundStatus, Tone]] = {
    RefundStatus.COMPLETED: Tone.GOOD,
    RefundStatus.FAILED: Tone.BAD,
    RefundStatus.PROCESSING: Tone.WAIT,
    RefundStatus.REQUESTED: Tone.WAIT,
    RefundStatus.WAITING_APPROVAL: Tone.WAIT,
}


def payment_in_words(payment: Payment) -> tuple[str, Tone]:
    """Of one that was read with what went back of it."""
    if payment.in_doubt:
        return IN_DOUBT
    returned, surplus, says = return_of(payment), surplus_of(payment), payment.get_status_display()
    if surplus and (surplus.is_all or surplus.still_here.minor):
        return f"{says}, {surplus.words}", Tone.BAD if surplus.still_here.minor else Tone.QUIET
    if returned is None:
        return says, _PAYMENT.get(PaymentStatus(payment.status), Tone.QUIET)
    return f"{says}, {returned.words}", Tone.QUIET if returned.is_all else Tone.GOOD


def refund_in_words(refund: Refund) -> tuple[str, Tone]:
    if refund.in_doubt:
        return IN_DOUBT
    return refund.get_status_display(), _REFUND[RefundStatus(refund.status)]
