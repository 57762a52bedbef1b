"""Orders with their money, on a page and in a list: they know no payments, so that it is here that both meet."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from kernel.console import ReadOnlyInline
from kernel.shown import Amount, Itself, Meaning, Moment, Said, Tone, Word
from orders.admin import PAID_TONES, OrderAdmin, meaning_of_order
from orders.models import Order, PaymentState
from payments.models import Payment
from payments.money_of_orders import money_of_order, return_in_words, with_what_went_back
from payments.state_words import payment_in_words

admin.site.unregister(Order)


def _paid_says(order: Any) -> tuple[str, Tone]:
    says, went_back = order.get_payment_state_display(), return_in_words(order)
    if not went_back or order.payment_state == PaymentState.REFUNDED:  # Which says it already.
        return says, PAID_TONES.get(PaymentState(order.payment_state), Tone.QUIET)
    return f"{says}, {went_back}", Tone.QUIET


def _means(order: Any) -> str:
    return f"{meaning_of_order(order)} {order.money.sentence}".strip()


class PaymentInline(ReadOnlyInline):
    model = Payment
    verbose_name_plural = "Payments, one for each share of the bill"
    fields = readonly_fields = ["itself", "amount", "said", "paid_by", "created"]

    itself = Itself(str, "payment")
    amount = Amount("charge_minor", "amount")
    said = Said(payment_in_words, "status")
    paid_by = Word("method")
    created = Moment("created_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Payment]:
        """As in their own list: with what went back, and the zone of their restaurant."""
        payments: QuerySet[Payment] = self.admin_site.get_model_admin(Payment).get_queryset(request)
        return payments.order_by("pk")


@admin.register(Order)
class OrderWithMoneyAdmin(OrderAdmin):
    # Whoever reads only a list is told as well that money which is paid is not there any more.
    list_display = ["stands" if name == "paid" else name for name in OrderAdmin.list_display]
    inlines = [PaymentInline, *OrderAdmin.inlines]
    fieldsets = [
        (None, {"fields": ["state", "stands", "means", "total", "table", "channel", "placed", "client_reference"]}),
        ("Its money, with tips", {"fields": ["came_in", "went_back", "goes_back", "waits", "due"]}),
        *OrderAdmin.fieldsets[1:],
    ]

    stands = Said(_paid_says, "paid", ordering="payment_state")
    means = Meaning(_means)
    came_in = Amount("money.paid_minor", "paid")
    went_back = Amount("money.returned_minor", "given back")
    goes_back = Amount("money.returning_minor", "on its way back", zero=False)
    waits = Amount("money.waiting_minor", "waits for approval", zero=False)
    due = Amount("money.due_minor", "still due")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Order]:
        return with_what_went_back(super().get_queryset(request))

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Added up once, for all that the page says of it."""
        order: Any = super().get_object(request, object_id, from_field)
        if order is not None:
            order.money = money_of_order(order)
        return order
