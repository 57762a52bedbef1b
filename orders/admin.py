"""Orders in the console."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.admin.houses import RestaurantAdmin
from accounts.models import Restaurant
from kernel.console import ReadOnlyAdmin, ReadOnlyInline, restaurants_seen_by
from kernel.shown import Amount, Column, Meaning, Moment, State, Tone
from kernel.totals import Adds
from orders.models import Order, OrderLine, OrderStatus, PaymentState
from orders.searching import SEARCHED, orders_found

admin.site.unregister(Restaurant)


@admin.register(Restaurant)
class RestaurantWithOrdersAdmin(RestaurantAdmin):
    """Accounts know no orders, so it is here that a restaurant's orders decide what may still be changed of it."""

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Its orders are in the currency that it had: with another one nobody could pay what is left of them."""
        has_orders = obj is not None and Order.objects.filter(restaurant=obj).exists()
        return [*super().get_readonly_fields(request, obj), *(["currency"] if has_orders else [])]


_OF_THE_GUEST = ("customer_name", "customer_phone", "customer_email")
_STATUS_TONES = {OrderStatus.FULFILLED: Tone.GOOD, OrderStatus.CANCELLED: Tone.BAD}
PAID_TONES = {
    PaymentState.PAID: Tone.GOOD,
    PaymentState.PART_PAID: Tone.WAIT,
    PaymentState.UNPAID: Tone.WAIT,
}


_MEANS = {
    OrderStatus.PLACED: "The kitchen has not said yet whether it can be made.",
    OrderStatus.CONFIRMED: "It is being made.",
    OrderStatus.FULFILLED: "It was served or handed over.",
    OrderStatus.CANCELLED: "Nobody makes it any more, and what was paid for it goes back.",
}
_PAID_MEANS = {
    PaymentState.UNPAID: "Nothing of it is paid.",
    PaymentState.PART_PAID: "A part of it is paid, and the rest is due.",
    PaymentState.PAID: "All of it is paid.",
    PaymentState.REFUNDED: "What was paid went back.",
}


def meaning_of_order(order: Order) -> str:
    """Two stories: at a table food is served first and paid later."""
    return f"{_MEANS[OrderStatus(order.status)]} {_PAID_MEANS[PaymentState(order.payment_state)]}"


class OrderLineInline(ReadOnlyInline):
    model = OrderLine
    verbose_name_plural = "What was ordered"
    fields = readonly_fields = ["position", "quantity", "name", "each", "total"]

    each = Amount("unit_minor", "each", currency="order.currency")
    total = Amount("total_minor", currency="order.currency")


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    called = "Orders"
    about = "What guests have ordered, and how much of it is paid."
    nothing = "No orders yet. The platform places them through the API."
    adds = Adds(minor="total_minor")
    list_display = ["reference", "placed", "table", "channel", "total", "state", "paid", "mode"]
    list_filter = ["status", "payment_state", "channel", "mode"]
    search_fields = ["reference"]  # That there is a box. What is looked for, and where, is in `orders/searching.py`.
    search_help_text = SEARCHED
    ordering = ["-id"]  # Ids sort by time, and have an index.
    inlines = [OrderLineInline]
    fieldsets = [
        (None, {"fields": ["state", "paid", "meaning", "total", "table", "channel", "placed", "client_reference"]}),
        # A person's details are shown where the job needs them, and in no list.
        ("Who ordered it", {"classes": ["collapse"], "fields": ["guest", "phone", "email"]}),
        ("For support", {"classes": ["collapse"], "fields": ["id", "mode", "restaurant", "owner", "version"]}),
    ]

    total = Amount("total_minor")
    state = State("status", tones=_STATUS_TONES)
    paid = State("payment_state", "paid", tones=PAID_TONES)
    meaning = Meaning(meaning_of_order)
    placed = Moment("placed_at")
    guest = Column("customer_name", "guest", ordering=None)
    phone = Column("customer_phone", "phone", ordering=None)
    email = Column("customer_email", "e-mail", ordering=None)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Order], search_term: str
    ) -> tuple[QuerySet[Order], bool]:
        if not search_term.strip():
            return queryset, False
        restaurants = list(restaurants_seen_by(request).values_list("pk", flat=True))
        return orders_found(queryset, search_term, restaurants=restaurants), False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Order]:
        """Who ordered is not even read for a list."""
        orders: QuerySet[Order] = super().get_queryset(request)
        return orders.defer(*_OF_THE_GUEST)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Order | None:
        order: Order | None = super().get_object(request, object_id, from_field)
        if order is not None:
            order.refresh_from_db(fields=_OF_THE_GUEST)
        return order
