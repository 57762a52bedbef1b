"""The cases of an order's payments, on the order's own page."""

from __future__ import annotations

from django.db.models import F, QuerySet
from unfold.contrib.inlines.admin import NonrelatedInlineMixin

from failures.admin.of_payments import CaseInline
from failures.models import Case
from orders.models import Order
from payments.admin.of_orders import OrderWithMoneyAdmin


class CaseOfOrderInline(NonrelatedInlineMixin, CaseInline):  # type: ignore[misc]  # Unfold has no types.
    """A case points to a payment, and no key leads from it to the order."""

    def get_form_queryset(self, order: Order) -> QuerySet[Case]:
        """Of the order's own restaurant, and with its zone. The newest first."""
        cases = Case.objects.filter(payment__order=order).annotate(console_zone=F("restaurant__time_zone"))
        return cases.select_related("owner").order_by("-opened_at")


# Above the payments: what needs a person comes first.
OrderWithMoneyAdmin.inlines = [CaseOfOrderInline, *OrderWithMoneyAdmin.inlines]
