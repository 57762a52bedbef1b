"""Orders as the API takes and tells them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from accounts.models import Restaurant
from api.serializers import Flag, Identifier, MoneyField, OneOf, PlainText, StrictSerializer, WholeNumber
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


class LineIn(StrictSerializer):
    name = PlainText(longest=MAX_LINE_NAME, shortest=1)
    quantity = WholeNumber(low=1, high=MAX_QUANTITY)
    unit_price = MoneyField(help_text="Of one, in minor units.")


class CustomerIn(StrictSerializer):
    name = PlainText(longest=MAX_CUSTOMER_TEXT, required=False)
    phone = PlainText(longest=MAX_CUSTOMER_TEXT, required=False)
    email = PlainText(longest=MAX_CUSTOMER_TEXT, required=False)


class OrderIn(StrictSerializer):
    lines = serializers.ListField(child=LineIn(), min_length=1, max_length=MAX_LINES)
    channel = OneOf(Channel.values, required=False)
    table = PlainText(longest=MAX_TABLE, required=False)
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
    lines = serializers.ListField(child=LineIn(), min_length=1, max_length=MAX_LINES)
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
    position = serializers.IntegerField()
    name = serializers.CharField()
    quantity = serializers.IntegerField()
    unit_price = MoneyField()
    total = MoneyField()


class CustomerOut(serializers.Serializer[Any]):
    name = serializers.CharField()
    phone = serializers.CharField()
    email = serializers.CharField()


class OrderSummary(serializers.Serializer[Any]):
    """An order in a list."""

    id = serializers.UUIDField()
    reference = serializers.CharField(help_text="Short, to read aloud.")
    client_reference = serializers.CharField()
    restaurant = serializers.CharField()
    mode = serializers.ChoiceField(Mode.choices)
    channel = serializers.ChoiceField(Channel.choices)
    table = serializers.CharField()
    status = serializers.ChoiceField(OrderStatus.choices)
    payment_state = serializers.ChoiceField(PaymentState.choices)
    safe_to_serve = serializers.ChoiceField(SAFE_TO_SERVE, help_text="For the kitchen: is it paid?")
    total = MoneyField()
    due = MoneyField(help_text="What nobody has paid yet.")
    free = MoneyField(help_text="What of that nobody is paying right now.")
    version = serializers.IntegerField()
    placed_at = serializers.DateTimeField()


class OrderOut(OrderSummary):
    lines = LineOut(many=True)
    customer = CustomerOut()


def told_order(order: Order, standing: Standing) -> dict[str, Any]:
    customer = {"name": order.customer_name, "phone": order.customer_phone, "email": order.customer_email}
    lines = [_told_line(line, order.currency) for line in order.lines.order_by("position")]
    return dict(OrderOut({**_summary(order, standing), "lines": lines, "customer": customer}).data)


def told_summary(order: Order, standing: Standing) -> dict[str, Any]:
    return dict(OrderSummary(_summary(order, standing)).data)


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
    }


def _told_line(line: OrderLine, currency: str) -> dict[str, Any]:
    return {
        "position": line.position,
        "name": line.name,
        "quantity": line.quantity,
        "unit_price": Money(line.unit_minor, currency),
        "total": Money(line.total_minor, currency),
    }
