"""`manage.py pay`: take a payment from the terminal, through the same services as everybody else."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import QuerySet

from events.actors import SYSTEM
from kernel.errors import ServiceError
from orders.models import Order, OrderStatus, PaymentState
from payments.management.commands._words import MOST_SHOWN, next_look, of_reference, refusal, shown
from payments.models import Attempt, Method, Payment, PaymentStatus
from payments.services.acceptance import PaymentDraft, wish_of
from payments.services.bill import Bill
from payments.services.payments import pay
from payments.services.providers import candidates_for_payment
from payments.services.routing import fits

# Whoever mistyped means an order of today. Older ones are not worth reading all their payments.
MOST_READ = 50


class Command(BaseCommand):
    help = "Pay an order: manage.py pay O-011BXBSF --token sim_ok"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("order", metavar="ORDER_REFERENCE")
        parser.add_argument("--restaurant", default="", metavar="SLUG", help="Where two have the same reference.")
        parser.add_argument("--token", default="sim_ok", help="What the guest pays with; sandbox tokens: sim_….")
        parser.add_argument("--method", default=Method.CARD, choices=Method.values)
        parser.add_argument("--amount", type=int, help="In minor units: 15000 is 150.00. Default: all that is left.")
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
            raise CommandError(refusal(refused)) from refused
        self.stdout.write(_told(payment))


def _order(reference: str, slug: str) -> Order:
    orders = Order.objects.all()
    order = of_reference(orders, reference, slug=slug)
    if order is None:
        mine = orders.filter(restaurant__slug=slug) if slug else orders
        raise CommandError(f"There is no order {reference}. Unpaid ones: {_unpaid(mine)}")
    return order


def _unpaid(orders: QuerySet[Order]) -> str:
    """What could be paid right now: an order that somebody is paying would only be refused."""
    open_ones = orders.filter(payment_state__in=[PaymentState.UNPAID, PaymentState.PART_PAID])
    open_ones = open_ones.exclude(status=OrderStatus.CANCELLED).order_by("-placed_at")
    return ", ".join(islice(_with_something_free(open_ones), MOST_SHOWN)) or "none"


def _with_something_free(orders: QuerySet[Order]) -> Iterator[str]:
    for order in orders[:MOST_READ]:
        free = _free_minor(order)
        if free > 0:
            yield f"{order.reference} ({shown(free, order.currency)})"


def _free_minor(order: Order) -> int:
    """Read without a lock: it is only shown, and whoever pays is checked again."""
    payments, attempts = Payment.objects.filter(order=order), Attempt.objects.filter(payment__order=order)
    return Bill(order=order, payments=list(payments), attempts=list(attempts)).free_minor


def _told(payment: Payment) -> str:
    amount = shown(payment.charge_minor, payment.currency)
    words = [f"Payment {payment.reference} of {amount}: {payment.status}"]
    attempt = payment.attempts.order_by("number").last()
    if payment.in_doubt:
        words.append("in doubt")
    if attempt is not None and attempt.mismatch:
        words.append(f"another amount than asked was captured, {_captured(attempt)}")
    if payment.status == PaymentStatus.PENDING:
        words.append(f"{_resting(payment)} at the moment")
    if attempt is not None and attempt.is_live and attempt.next_step:
        words.append(_guest_acts(attempt.next_step))
    elif payment.holds_its_share:
        words.append(next_look(payment.next_action, payment.next_action_at))
    if payment.failure_code:
        words.append(payment.failure_code)
    return "; ".join(words) + "."


def _captured(attempt: Attempt) -> str:
    return shown(attempt.captured_minor, attempt.captured_currency)


def _resting(payment: Payment) -> str:
    """Nothing was begun, so everybody who fits rests: by a circuit, or because the account was told to wait."""
    wish = wish_of(payment.order, payment)
    candidates = [each for each in candidates_for_payment(payment.pk) if fits(each, wish)]
    names = sorted({each.account.provider for each in candidates if each.breaker_open or each.paused})
    return f"{' and '.join(names)} {'rest' if len(names) > 1 else 'rests'}" if names else "the provider rests"


def _guest_acts(step: dict[str, str]) -> str:
    if step.get("kind") == "wait_for_waiter":
        return "a waiter confirms it when the cash is on the table"
    return f"the guest has to act: {step.get('url', step.get('kind', ''))}"
