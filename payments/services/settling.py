"""What one settlement works on: the locked bill, the attempt, the evidence, and the journal of what follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from events.services import Journal
from kernel import clock
from kernel.money import Money
from orders.services import set_payment_state
from payments.gateways.contract import GatewayFacts
from payments.models import Attempt, AttemptStatus, NextAction, Payment, PaymentStatus
from payments.services import timing
from payments.services.bill import Bill
from payments.services.evidence import Evidence, Source


@dataclass(slots=True, kw_only=True)
class Settling:
    bill: Bill
    payment: Payment
    attempt: Attempt
    evidence: Evidence
    facts: GatewayFacts
    journal: Journal
    now: datetime

    @property
    def expected(self) -> Money:
        return Money(self.attempt.amount_minor + self.evidence.added_tip_minor, self.attempt.currency)

    @property
    def owns_the_clock(self) -> bool:
        """The payment's next action is about this attempt; a finished payment's leftovers are watched instead."""
        return self.payment.status == PaymentStatus.PROCESSING and self.attempt.is_live

    @property
    def somebody_is_asking(self) -> bool:
        """A message that decides nothing must not take the lease from the worker that is about to know more."""
        asked_for = self.payment.is_leased or self.payment.next_action == NextAction.CANCEL
        return asked_for and self.evidence.source == Source.NOTICE

    @property
    def may_send_again(self) -> bool:
        """The same key, within its lifetime and the bound on sends."""
        key_lasts = clock.now() < self.attempt.key_expires_at - timing.KEY_MARGIN
        return key_lasts and self.attempt.sends < timing.MAX_SENDS and self.bill.is_payable

    def move(self, step: Callable[[], Any], *, reason: str) -> None:
        self.journal.move(self.attempt, step, reason=reason, evidence=self.evidence.for_history())

    def move_payment(self, step: Callable[[], Any], *, reason: str) -> None:
        self.journal.move(self.payment, step, reason=reason, evidence={"attempt": str(self.attempt.pk)})

    def tell_once(self, subject: str) -> bool:
        """Whether a human still has to be told. The same news of every look-up would be noise."""
        if subject in self.attempt.told:
            return False
        self.attempt.told = [*self.attempt.told, subject]
        return True

    def watch(self) -> None:
        """A closed attempt is asked about until money can no longer arrive on it."""
        if self.facts.is_manual or self.attempt.status == AttemptStatus.NOT_SENT:
            return
        self.attempt.watch_until = self.now + self.facts.late_money_window
        self.attempt.watch_at = timing.next_watch(0)

    def release_other_attempts(self) -> None:
        """The first settled is kept; what is still live on this payment is closed at once, by the watch."""
        for other in self.bill.attempts_of(self.payment):
            if other.pk != self.attempt.pk and other.is_live:
                other.watch_at = self.now
                other.watch_until = self.now + self.facts.late_money_window
                other.save(update_fields=["watch_at", "watch_until"])

    def save(self) -> None:
        """Rows first, then what they did, in as few statements as there are rows that changed."""
        payment, order = self.payment, self.bill.order
        attempts = self.bill.attempts_of(payment)
        doubtful = any(attempt.status == AttemptStatus.UNKNOWN for attempt in attempts)
        payment.in_doubt = doubtful and payment.status == PaymentStatus.PROCESSING
        if set_payment_state(order=order, state=self.bill.payment_state, journal=self.journal):
            order.save(update_fields=["payment_state", "version"])
        self.attempt.save()
        payment.save()
        self.journal.write()
