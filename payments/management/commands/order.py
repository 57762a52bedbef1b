"""`manage.py order`: place an order of one line, so that there is something to pay in a demo."""

from __future__ import annotations

import shlex
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import Restaurant
from events.actors import SYSTEM
from kernel.errors import ServiceError
from kernel.modes import Mode
from orders.services import LineDraft, OrderDraft, place_order
from payments.management.commands._words import MOST_SHOWN, amount, refusal, restaurant_called, shown

DISH = "Dish of the day"


class Command(BaseCommand):
    help = "Place an order of one line in test mode: manage.py order 280.00 --table 7"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("amount", help="Such as 280.00, in the restaurant's currency.")
        parser.add_argument("--restaurant", default="", metavar="SLUG", help="Needed where there are several.")
        parser.add_argument("--table", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        restaurant = restaurant_called(options["restaurant"]) if options["restaurant"] else _only_restaurant()
        money = amount(options["amount"], restaurant.currency)
        draft = OrderDraft(
            restaurant=restaurant,
            mode=Mode.TEST,
            currency=restaurant.currency,
            lines=(LineDraft(name=DISH, quantity=1, unit_minor=money.minor),),
            table=options["table"],
        )
        try:
            order = place_order(draft=draft, actor=SYSTEM)
        except ServiceError as refused:
            raise CommandError(refusal(refused)) from refused
        self.stdout.write(f"Order {order.reference} of {shown(order.total_minor, order.currency)}: {order.status}.")
        self.stdout.write(f"Pay it: {_typed()} pay {order.reference} --token sim_ok")


def _typed() -> str:
    """This program as the person called it, so that the next command can be copied."""
    return shlex.join(sys.orig_argv[: len(sys.orig_argv) - len(sys.argv) + 1])


def _only_restaurant() -> Restaurant:
    restaurants = list(Restaurant.objects.order_by("slug")[: MOST_SHOWN + 1])
    if len(restaurants) == 1:
        return restaurants[0]
    known = ", ".join(each.slug for each in restaurants[:MOST_SHOWN]) or "none yet"
    raise CommandError(f"Say which restaurant with --restaurant. There are: {known}")
