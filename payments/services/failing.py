"""How a payment fails: its code, its step and its event, always together."""

from __future__ import annotations

from typing import Any

from events.services import Journal
from payments.models import Payment
from payments.services.facts import PaymentEvent


def fail_payment(*, payment: Payment, code: str, reason: str, journal: Journal, **facts: Any) -> None:
    """For a locked payment of which every attempt has its evidence of non-charge; the caller saves and writes."""
    payment.failure_code = str(code)
    journal.move(payment, payment.fail, reason=reason, evidence=facts)
    journal.happened(PaymentEvent.FAILED, payment, code=str(code), **facts)
