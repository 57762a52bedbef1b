"""`manage.py pay`: take a payment from the terminal, through the same services as everybody else."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from events.actors import SYSTEM
from kernel.errors import ServiceError
from kernel.money import Money
from orders.models import Order, PaymentState
from payments.models import Method, Payment
from payments.services.acceptance import PaymentDraft
from payments.services.payments import pay


class Command(BaseCommand):
    help = "Pay an order: manage.py pay O-4K7M2Q9X --token sim_ok"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("order", metavar="ORDER_REFERENCE")
        parser.add_argument("--restaurant", default="", metavar="SLUG", help="Where two have the same reference.")
        parser.add_argument("--token", default="sim_ok", help="What the guest pays with; sandbox tokens: sim_….")
        parser.add_argument("--method", default=Method.CARD, choices=Method.values)
        parser.add_argument("--amount", type=int, help="In minor units. Default: all that is left.")
        parser.add_argument("--tip", type=int, default=0, help="In minor units.")

    def handle(self, *args: Any, **options: Any) -> None:
        order = _order(options["order"], options["restaurant"])
        draft = PaymentDraft(
            order_id=order.pk,
            method=options["method"],
            amount_minor=options["amount"],
            tip_minor=options["tip"],
            instrument=options["token"],
        )
        try:
            payment = pay(draft=draft, actor=SYSTEM)
        except ServiceError as refused:
            raise CommandError(f"{refused.sentence} ({refused.code})") from refused
        self.stdout.write(_told(payment))


def _order(reference: str, restaurant: str) -> Order:
    """References are a restaurant's own: whoever means one of two has to say whose."""
    orders = Order.objects.filter(reference=reference.upper()).select_related("restaurant")
    found = list(orders.filter(restaurant__slug=restaurant) if restaurant else orders)
    if len(found) == 1:
        return found[0]
    if not found:
        raise CommandError(f"There is no order {reference}. Unpaid ones: {_unpaid()}")
    slugs = ", ".join(order.restaurant.slug for order in found)
    raise CommandError(f"{reference} is an order of several restaurants. Add --restaurant with one of: {slugs}")


def _unpaid() -> str:
    return (
        ", ".join(Order.objects.filter(payment_state=PaymentState.UNPAID).values_list("reference", flat=True)[:5])
        or "none"
    )


def _told(payment: Payment) -> str:
    amount = Money(payment.charge_minor, payment.currency).display()
    words = [f"Payment {payment.reference} of {amount}: {payment.status}"]
    if payment.in_doubt:
        words.append(f"in doubt; the provider is asked again at {payment.next_action_at:%H:%M:%S} UTC")
    if payment.failure_code:
        words.append(payment.failure_code)
    attempt = payment.attempts.order_by("number").last()
    if attempt is not None and attempt.next_step:
        words.append(f"the guest has to act: {attempt.next_step.get('url', attempt.next_step.get('kind', ''))}")
    return "; ".join(words) + "."
