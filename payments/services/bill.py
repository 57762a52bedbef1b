"""The bill: an order with all its money, read under the locks in their one order: order, payments, attempts."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from kernel import clock
from kernel.money import Money
from kernel.statements import Statement
from orders.models import Order, OrderStatus, PaymentState
from payments.models import Attempt, Capture, Payment, ProviderAccount
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

    def shown(self, minor: int) -> str:
        """In its currency, as whoever is refused reads it."""
        return Money(minor, self.order.currency).display()

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


# Read in three steps, never in one: who has waited for the order has to see what was committed meanwhile.
_ORDER = "SELECT {{o}} FROM orders_order o WHERE o.id = {} FOR UPDATE"
_ORDER_BY_ID = Statement(_ORDER.format("%s"), o=Order)
# Which order a payment belongs to never changes, so that it may be read before the lock.
_ORDER_OF_PAYMENT = Statement(_ORDER.format("(SELECT order_id FROM payments_payment WHERE id = %s)"), o=Order)
_ORDER_OF_ATTEMPT = Statement(
    _ORDER.format(
        "(SELECT p.order_id FROM payments_payment p JOIN payments_attempt a ON a.payment_id = p.id WHERE a.id = %s)"
    ),
    o=Order,
)
_PAYMENTS = Statement("SELECT {p} FROM payments_payment p WHERE p.order_id = %s ORDER BY p.id FOR UPDATE", p=Payment)
_ATTEMPTS = Statement(
    """SELECT {a}, {c} FROM payments_attempt a JOIN payments_provideraccount c ON c.id = a.account_id
        WHERE a.payment_id = ANY(%s) ORDER BY a.id FOR UPDATE OF a""",
    a=Attempt,
    c=ProviderAccount,
)


def lock_bill(order: Order) -> Bill:
    """For an order that is locked already."""
    bill = Bill(order=order)
    # One object a row: two that count versions apart would overwrite each other.
    for (payment,) in _PAYMENTS.read([order.pk]):
        payment.order = order
        bill.payments.append(payment)
    for attempt, account in _ATTEMPTS.read([[payment.pk for payment in bill.payments]]) if bill.payments else ():
        attempt.account = account
        attempt.payment = bill.payment(attempt.payment_id)
        bill.attempts.append(attempt)
    return bill


def lock_bill_of_order(order_id: UUID) -> Bill:
    return _lock(_ORDER_BY_ID, order_id, "order")


def lock_bill_of_payment(payment_id: UUID) -> Bill:
    return _lock(_ORDER_OF_PAYMENT, payment_id, "payment")


def lock_bill_of_attempt(attempt_id: UUID) -> Bill:
    return _lock(_ORDER_OF_ATTEMPT, attempt_id, "attempt")


def _lock(order_of: Statement, row_id: UUID, wanted: str) -> Bill:
    clock.keep_true()  # What is decided under the lock asks whether leases and keys still last.
    found = order_of.read([row_id])
    if not found:
        raise PaymentRefused(f"There is no such {wanted}.", field=wanted, code="not_found")
    return lock_bill(found[0][0])
