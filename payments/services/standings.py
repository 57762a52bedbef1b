"""How orders stand with their money, for whoever shows orders: read without a lock, two statements for a whole list."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from orders.models import Order
from orders.standings import Standing
from payments.models import Attempt, Payment
from payments.services.bill import Bill


def standings(orders: Sequence[Order]) -> Mapping[UUID, Standing]:
    payments: dict[UUID, list[Payment]] = defaultdict(list)
    for payment in Payment.objects.filter(order__in=[order.pk for order in orders]):
        payments[payment.order_id].append(payment)
    order_of = {payment.pk: order_id for order_id, mine in payments.items() for payment in mine}
    attempts: dict[UUID, list[Attempt]] = defaultdict(list)
    for attempt in Attempt.objects.filter(payment__in=list(order_of)):
        attempts[order_of[attempt.payment_id]].append(attempt)
    return {order.pk: _standing(order, payments[order.pk], attempts[order.pk]) for order in orders}


def _standing(order: Order, payments: list[Payment], attempts: list[Attempt]) -> Standing:
    bill = Bill(order=order, payments=payments, attempts=attempts)
    return Standing(
        due_minor=bill.due_minor,
        free_minor=bill.free_minor if bill.is_payable else 0,
        in_doubt=any(payment.in_doubt for payment in payments),
    )
