"""Orders in the console."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from accounts.admin.people import RestaurantAdmin
from accounts.models import Restaurant
from kernel.console import ReadOnlyAdmin
from kernel.money import Money
from orders.models import Order, OrderLine

admin.site.unregister(Restaurant)


@admin.register(Restaurant)
class RestaurantWithOrdersAdmin(RestaurantAdmin):
    """Accounts know no orders, so it is here that a restaurant's orders decide what may still be changed of it."""

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Its orders are in the currency that it had: with another one nobody could pay what is left of them."""
        has_orders = obj is not None and Order.objects.filter(restaurant=obj).exists()
        return [*super().get_readonly_fields(request, obj), *(["currency"] if has_orders else [])]


class OrderLineInline(admin.TabularInline):  # type: ignore[type-arg]  # Not subscriptable at run time.
    model = OrderLine
    fields = ["position", "quantity", "name", "unit_minor", "total_minor"]
    can_delete = False
    extra = 0

    def has_add_permission(self, *_: Any) -> bool:
        return False

    def has_change_permission(self, *_: Any) -> bool:
        return False


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    list_display = ["reference", "placed_at", "table", "channel", "total", "status", "payment_state", "mode"]
    list_filter = ["status", "payment_state", "channel", "mode"]
    search_fields = ["reference", "client_reference", "table"]
    ordering = ["-placed_at"]
    list_select_related = ["restaurant"]
    # A person's details are shown where the job needs them, not on every list and page.
    exclude = ["customer_name", "customer_phone", "customer_email", "customer_phone_hash", "customer_email_hash"]
    inlines = [OrderLineInline]

    @admin.display(ordering="total_minor")
    def total(self, order: Order) -> str:
        return Money(order.total_minor, order.currency).display()
