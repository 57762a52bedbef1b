"""`bench pay`: a payment through the services next to the same rows in bare SQL, one by one."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from typing import Any

from django.core.management.base import CommandError

from accounts.models import Restaurant
from events.actors import SYSTEM
from orders.models import Order
from payments.benchmarks.database import bare_connection, commits_in, said_during, statements_in
from payments.benchmarks.figures import TITLES, Measured, Row, Say, seconds_of, table
from payments.benchmarks.floor import COMMITS, floor_of
from payments.benchmarks.kinds import Outcome, at_least
from payments.benchmarks.restaurant import new_order, new_restaurant
from payments.benchmarks.written import written_during
from payments.models import Method, Payment, PaymentStatus
from payments.services.acceptance import PaymentDraft
from payments.services.payments import pay

ABOUT = "payments through the services, next to bare SQL"
DEFAULT_PAYMENTS = 500  # Enough for a 99th percentile that is more than one payment.
# The first calls connect, prepare and import; they are no part of what a payment costs.
WARM_UP = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--payments", type=at_least(1), default=DEFAULT_PAYMENTS, help="default: %(default)s")


def measure(say: Say, options: Mapping[str, Any]) -> Outcome:
    restaurant, count = new_restaurant(), options["payments"]
    services, floor = measure_payments(restaurant, count)
    done = Payment.objects.filter(restaurant=restaurant, status=PaymentStatus.COMPLETED).count()
    say(f"\n{count} payments, each next to one in bare SQL, one client; with warm-up {done} are completed.")
    say(table(TITLES, services.cells(), floor.cells()))
    ratio = services.per_second.median / floor.per_second.median
    say(f"The services reach {ratio:.2f} of bare SQL.")
    return Outcome({"services": services.as_json(), "floor": floor.as_json(), "ratio": ratio, "payments": count})


def measure_payments(restaurant: Restaurant, count: int) -> tuple[Row, Row]:
    """In turns, one by one, so that whatever else the machine does falls on both alike."""
    pay_at_once(new_order(restaurant))  # What is only written once is written.
    said = said_during(partial(pay_at_once, new_order(restaurant)))
    floor = floor_of(written_during(partial(pay_at_once, new_order(restaurant))))
    floor.copy_orders(first=0, count=WARM_UP + count)
    orders = [new_order(restaurant) for _ in range(WARM_UP + count)]
    with closing(bare_connection()) as bare:
        times = [
            (seconds_of(partial(pay_at_once, order)), seconds_of(partial(floor.pay, bare, number)))
            for number, order in enumerate(orders)
        ]
    ours, bares = (Measured.one_by_one(each) for each in zip(*times[WARM_UP:], strict=True))
    return (
        Row(name="services", runs=[ours], statements=statements_in(said), commits=commits_in(said)),
        Row(name="bare SQL", runs=[bares], statements=floor.statements, commits=COMMITS),
    )


def pay_at_once(order: Order) -> None:
    payment = pay(draft=PaymentDraft(order_id=order.pk, method=Method.CARD, instrument="bench"), actor=SYSTEM)
    if payment.status != PaymentStatus.COMPLETED:
        raise CommandError(f"Payment {payment.reference} is {payment.status}, not completed.")
