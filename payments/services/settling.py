"""What one settlement works on: the locked bill, the attempt, the evidence, and the journal of what follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from events.services import Journal
from kernel import clock
from kernel.money import Money
from kernel.statements import Rewriting
from orders.services import set_payment_state
from payments.gateways.contract import GatewayFacts
from payments.models import Attempt, AttemptStatus, NextAction, Payment, PaymentStatus
from payments.models.attempt import CLOSED_UNSURE
from payments.services import timing
from payments.services.bill import Bill
from payments.services.evidence import Evidence, Source
from payments.services.facts import PaymentEvent
from payments.services.providers import facts_of

# What a human was told about an attempt whose doubt did not end within its bound.
PROLONGED_DOUBT = "prolonged doubt"

_ATTEMPTS, _PAYMENTS = Rewriting(Attempt), Rewriting(Payment)


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
    def is_last_look_overdue(self) -> bool:
        """The window for late money is over, and whether some came was asked and not answered since."""
        until = self.attempt.watch_until
        is_over = until is not None and self.now >= until + timing.DOUBT_BOUND
        return is_over and self.attempt.status in CLOSED_UNSURE and self.evidence.source == Source.LOOK_UP

    @property
    def is_to_be_closed(self) -> bool:
        """The guest or the restaurant took it back, or the guest's time is over."""
        withdrawn = self.payment.close_wanted or not self.bill.is_payable
        return withdrawn or self.now >= self.attempt.expires_at

    @property
    def may_send_again(self) -> bool:
        """The same key, within its lifetime and the bound on sends, as long as anybody wants it."""
        key_lasts = clock.now() < self.attempt.key_expires_at - timing.KEY_MARGIN
        wanted = self.bill.wants(self.payment) and self.payment.is_in_time and self.attempt.account.enabled
        return wanted and key_lasts and self.attempt.sends < timing.MAX_SENDS

    def move(self, step: Callable[[], Any], *, reason: str) -> None:
        self.journal.move(self.attempt, step, reason=reason, evidence=self.evidence.for_history())

    def move_payment(self, step: Callable[[], Any], *, reason: str) -> None:
        self.journal.move(self.payment, step, reason=reason, evidence={"attempt": str(self.attempt.pk)})

    def watch(self) -> None:
        """A closed attempt is asked about until money can no longer arrive on it."""
        if self.facts.is_manual or self.attempt.status == AttemptStatus.NOT_SENT:
            return
        self.attempt.watches = 0
        self.attempt.watch_until = self.now + self.facts.late_money_window
        self.attempt.watch_at = timing.next_watch(0)

    def release_other_attempts(self) -> None:
        """The first settled is kept; what is still live on this payment is closed at once, by the watch."""
        for other in self.bill.attempts_of(self.payment):
            if other.pk != self.attempt.pk and other.is_live:
                other.watch_at = self.now
                other.watch_until = self.now + facts_of(other.account).late_money_window
                other.save(update_fields=["watch_at", "watch_until"])

    def save(self) -> None:
        """Rows first, then what they did, in as few statements as there are rows that changed."""
        payment, order = self.payment, self.bill.order
        attempts = self.bill.attempts_of(payment)
        doubtful = any(attempt.status == AttemptStatus.UNKNOWN for attempt in attempts)
        payment.in_doubt = doubtful and payment.status == PaymentStatus.PROCESSING
        self._tell_end_of_doubt()
        if set_payment_state(order=order, state=self.bill.payment_state, journal=self.journal, money_came=True):
            order.save(update_fields=["payment_state", "version"])
        _ATTEMPTS.write(self.attempt)
        _PAYMENTS.write(payment)
        self.journal.write()

    def _tell_end_of_doubt(self) -> None:
        """Whoever was told that a doubt goes on hears that it is over, whatever it turned out to be."""
        attempt = self.attempt
        unknown = attempt.status == AttemptStatus.UNKNOWN and not attempt.mismatch
        overdue = attempt.status == AttemptStatus.PENDING and self.now >= attempt.expires_at
        if attempt.was_told(PROLONGED_DOUBT) and not unknown and not overdue:
            attempt.forget(PROLONGED_DOUBT)
            self.journal.happened(PaymentEvent.DOUBT_ENDED, self.payment, attempt=str(attempt.pk))
