"""The bill: an order with all its money, read under the locks in their one order: order, payments, attempts."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from django.db.models import QuerySet

from orders.models import Order, OrderStatus, PaymentState
from payments.models import Attempt, Capture, Payment
from payments.services.refusals import PaymentRefused


@dataclass(slots=True)
class Bill:
    order: Order
    payments: list[Payment] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)

    def payment(self, payment_id: UUID) -> Payment:
        return next(payment for payment in self.payments if payment.pk == payment_id)

    def attempt(self, attempt_id: UUID) -> Attempt:
        return next(attempt for attempt in self.attempts if attempt.pk == attempt_id)

    def attempts_of(self, payment: Payment) -> list[Attempt]:
        return [attempt for attempt in self.attempts if attempt.payment_id == payment.pk]

    def live_attempt_of(self, payment: Payment) -> Attempt | None:
        return next((attempt for attempt in self.attempts_of(payment) if attempt.is_live), None)

    def has_kept(self, payment: Payment) -> bool:
        return any(attempt.capture == Capture.KEPT for attempt in self.attempts_of(payment))

    @property
    def is_payable(self) -> bool:
        return bool(self.order.status != OrderStatus.CANCELLED)

    def wants(self, payment: Payment) -> bool:
        """Still to be paid, with the share that this payment holds beside all others that are not on their way out."""
        return self.is_payable and payment.is_wanted and self.due_minor >= self.wanted_minor

    @property
    def due_minor(self) -> int:
        """What no kept capture covers yet. A refund counts only where it made the order payable again."""
        return self.order.total_minor - sum(attempt.kept_share_minor for attempt in self.attempts)

    @property
    def wanted_minor(self) -> int:
        return sum(payment.amount_minor for payment in self.payments if payment.is_wanted)

    @property
    def free_minor(self) -> int:
        """What is due and not reserved by another share."""
        reserved = sum(payment.amount_minor for payment in self.payments if payment.holds_its_share)
        return self.due_minor - reserved

    @property
    def payment_state(self) -> PaymentState:
        kept = [attempt for attempt in self.attempts if attempt.capture == Capture.KEPT]
        captured = sum(attempt.captured_minor for attempt in kept)
        if captured and captured == sum(attempt.refunded_minor for attempt in kept):
            return PaymentState.REFUNDED
        if self.due_minor <= 0:
            return PaymentState.PAID
        return PaymentState.UNPAID if self.due_minor >= self.order.total_minor else PaymentState.PART_PAID


def lock_bill(order: Order) -> Bill:
    """For an order that is locked already."""
    payments = list(Payment.objects.select_for_update().filter(order=order).order_by("id"))
    attempts: list[Attempt] = []
    if payments:
        attempts = list(
            Attempt.objects.select_for_update(of=("self",))
            .select_related("account")
            .filter(payment__in=payments)
            .order_by("id")
        )
    bill = Bill(order=order, payments=payments, attempts=attempts)
    # One object a row: two that count versions apart would overwrite each other.
    for payment in payments:
        payment.order = order
    for attempt in attempts:
        attempt.payment = bill.payment(attempt.payment_id)
    return bill


def lock_bill_of_order(order_id: UUID) -> Bill:
    return lock_bill(_locked(Order.objects.select_for_update().filter(pk=order_id), "order"))


def lock_bill_of_payment(payment_id: UUID) -> Bill:
    """Which order a payment belongs to never changes, so that it may be read before the lock."""
    return lock_bill(_locked(Order.objects.select_for_update(of=("self",)).filter(payments=payment_id), "payment"))


def _locked(orders: QuerySet[Order], wanted: str) -> Order:
    order = orders.first()
    if order is None:
        raise PaymentRefused(f"There is no such {wanted}.", field=wanted, code="not_found")
    return order


def lock_bill_of_attempt(attempt_id: UUID) -> Bill:
    return lock_bill(Order.objects.select_for_update(of=("self",)).get(payments__attempts=attempt_id))
