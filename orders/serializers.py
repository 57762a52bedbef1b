"""Orders as the API takes and tells them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.conf import settings
from rest_framework import serializers

from accounts.models import Restaurant
from api.serializers import Flag, Identifier, MoneyField, OneOf, PlainText, StrictSerializer, WholeNumber
from api.vocabulary import name_words
from kernel.modes import Mode
from kernel.money import Money
from orders.models import Channel, Order, OrderLine, OrderStatus, PaymentState
from orders.services import (
    MAX_CLIENT_REFERENCE,
    MAX_CUSTOMER_TEXT,
    MAX_LINE_NAME,
    MAX_LINES,
    MAX_QUANTITY,
    MAX_TABLE,
    Amendment,
    LineDraft,
    OrderDraft,
)
from orders.standings import Standing

SAFE_TO_SERVE = ("yes", "no", "in_doubt")

name_words("Channel", Channel.values, "How an order reaches the guest.")
name_words(
    "OrderStatus",
    OrderStatus.values,
    "`placed`: the kitchen has it. `confirmed`: it can be cooked. `fulfilled`: served or handed over. `cancelled`: "
    "nothing is made, and what was paid goes back.",
)
name_words(
    "PaymentState",
    PaymentState.values,
    "`unpaid`; `part_paid`: something is still due; `paid`; `refunded`: what was paid has gone back.",
)
name_words(
    "SafeToServe",
    SAFE_TO_SERVE,
    "`yes`: it is paid. `no`: it is not. `in_doubt`: money may have moved, and nobody knows yet.",
)


class LineIn(StrictSerializer):
    name = PlainText(longest=MAX_LINE_NAME, shortest=1, help_text="What it is, as the guest reads it.")
    quantity = WholeNumber(low=1, high=MAX_QUANTITY, help_text="How many of it.")
    unit_price = MoneyField(help_text="Of one, in minor units.")


class CustomerIn(StrictSerializer):
    name = PlainText(longest=MAX_CUSTOMER_TEXT, required=False, help_text="How to call the guest.")
    phone = PlainText(longest=MAX_CUSTOMER_TEXT, required=False, help_text="Where to call.")
    email = PlainText(longest=MAX_CUSTOMER_TEXT, required=False, help_text="Where to write.")


class OrderIn(StrictSerializer):
    lines = serializers.ListField(child=LineIn(), min_length=1, max_length=MAX_LINES, help_text="What is ordered.")
    channel = OneOf(Channel.values, required=False, help_text="How it reaches the guest. Default: `dine_in`.")
    table = PlainText(longest=MAX_TABLE, required=False, help_text="Where the guest sits.")
    client_reference = PlainText(
        longest=MAX_CLIENT_REFERENCE,
        is_reference=True,
        required=False,
        help_text="Your own number for it, unique in the restaurant.",
    )
    customer = CustomerIn(required=False, help_text="Stored encrypted.")
    owner = Identifier(required=False, help_text="A person with the role of a customer here, who then sees the order.")

    def draft(self, *, restaurant: Restaurant, mode: Mode) -> OrderDraft:
        said: dict[str, Any] = self.validated_data
        return OrderDraft(
            restaurant=restaurant,
            mode=mode,
            currency=restaurant.currency,
            lines=_lines(said["lines"]),
            channel=Channel(said.get("channel", Channel.DINE_IN)),
            table=said.get("table", ""),
            client_reference=said.get("client_reference", ""),
            customer=dict(said.get("customer", {})),
            owner_id=said.get("owner"),
        )


class AmendmentIn(StrictSerializer):
    lines = serializers.ListField(
        child=LineIn(), min_length=1, max_length=MAX_LINES, help_text="All lines, as they are from now on."
    )
    version = WholeNumber(help_text="That you have seen.")
    refund_surplus = Flag(required=False, help_text="Give back what is paid above the new total.")

    def amendment(self) -> Amendment:
        said: dict[str, Any] = self.validated_data
        return Amendment(
            lines=_lines(said["lines"]), version=said["version"], refund_surplus=said.get("refund_surplus", False)
        )


def _lines(said: list[Mapping[str, Any]]) -> tuple[LineDraft, ...]:
    return tuple(
        LineDraft(
            name=line["name"],
            quantity=line["quantity"],
            unit_minor=line["unit_price"].minor,
            currency=line["unit_price"].currency,
        )
        for line in said
    )


class LineOut(serializers.Serializer[Any]):
    position = serializers.IntegerField(help_text="From 1.")
    name = serializers.CharField(help_text="What it is.")
    quantity = serializers.IntegerField(help_text="How many of it.")
    unit_price = MoneyField(help_text="Of one.")
    total = MoneyField(help_text="Of all of them.")


class CustomerOut(serializers.Serializer[Any]):
    name = serializers.CharField(help_text="How to call the guest.")
    phone = serializers.CharField(help_text="Where to call.")
    email = serializers.CharField(help_text="Where to write.")


class OrderLinksOut(serializers.Serializer[Any]):
    self = serializers.URLField(help_text="The order itself.")
    payments = serializers.URLField(help_text="Those of this order.")
    payment_methods = serializers.URLField(help_text="How it can be paid now.")


class OrderSummary(serializers.Serializer[Any]):
    """An order in a list."""

    id = serializers.UUIDField(help_text="In addresses and in other objects.")
    reference = serializers.CharField(help_text="Short, to read aloud.")
    client_reference = serializers.CharField(help_text="Your own number for it. Empty: none was said.")
    restaurant = serializers.CharField(help_text="Its slug.")
    mode = serializers.ChoiceField(Mode.choices, help_text="Whether it is real.")
    channel = serializers.ChoiceField(Channel.choices, help_text="How it reaches the guest.")
    table = serializers.CharField(help_text="Where the guest sits. Empty: nowhere here.")
    status = serializers.ChoiceField(OrderStatus.choices, help_text="Where it stands in the kitchen.")
    payment_state = serializers.ChoiceField(PaymentState.choices, help_text="What is paid of it.")
    safe_to_serve = serializers.ChoiceField(SAFE_TO_SERVE, help_text="For the kitchen: is it paid?")
    total = MoneyField(help_text="The sum of its lines.")
    due = MoneyField(help_text="What nobody has paid yet.")
    free = MoneyField(help_text="What of that nobody is paying right now.")
    version = serializers.IntegerField(help_text="Of its last change. Needed to change its lines.")
    placed_at = serializers.DateTimeField(help_text="When it was placed.")
    links = OrderLinksOut(help_text="Where to go from here.")


class OrderOut(OrderSummary):
    lines = LineOut(many=True, help_text="What is ordered.")
    customer = CustomerOut(help_text="Who ordered it. Empty texts: not known.")


def told_order(order: Order, standing: Standing) -> dict[str, Any]:
    customer = {"name": order.customer_name, "phone": order.customer_phone, "email": order.customer_email}
    lines = [_told_line(line, order.currency) for line in order.lines.order_by("position")]
    return dict(OrderOut({**_summary(order, standing), "lines": lines, "customer": customer}).data)


def told_summary(order: Order, standing: Standing) -> dict[str, Any]:
    return dict(OrderSummary(_summary(order, standing)).data)


def links_of(order_id: UUID) -> dict[str, str]:
    api = f"{settings.STEWARD_PUBLIC_URL}/api/v1"
    mine = f"{api}/orders/{order_id}"
    return {"self": mine, "payments": f"{api}/payments?order={order_id}", "payment_methods": f"{mine}/payment-methods"}


def safe_to_serve(order: Order, standing: Standing) -> str:
    if order.status == OrderStatus.CANCELLED:
        return "no"
    if order.payment_state == PaymentState.PAID:
        return "yes"
    return "in_doubt" if standing.in_doubt else "no"


def _summary(order: Order, standing: Standing) -> dict[str, Any]:
    names = ("id", "reference", "client_reference", "mode", "channel", "table", "status", "payment_state")
    return {
        **{name: getattr(order, name) for name in (*names, "version", "placed_at")},
        "restaurant": order.restaurant.slug,
        "safe_to_serve": safe_to_serve(order, standing),
        "total": Money(order.total_minor, order.currency),
        "due": Money(max(0, standing.due_minor), order.currency),
        "free": Money(max(0, standing.free_minor), order.currency),
        "links": links_of(order.pk),
    }


def _told_line(line: OrderLine, currency: str) -> dict[str, Any]:
    return {
        "position": line.position,
        "name": line.name,
        "quantity": line.quantity,
        "unit_price": Money(line.unit_minor, currency),
        "total": Money(line.total_minor, currency),
    }
