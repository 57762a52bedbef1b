"""Payments, attempts, refunds and accounts in the console: to look at. Decisions go through services."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from kernel.console import ReadOnlyAdmin
from kernel.money import Money
from payments.models import Attempt, InboundNotice, Payment, ProviderAccount, Refund, Route


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    list_display = ["reference", "created_at", "order", "amount", "method", "state", "failure_code", "next_action"]
    list_filter = ["status", "in_doubt", "method", "mode"]
    search_fields = ["reference", "order__reference", "=attempts__provider_reference"]
    ordering = ["-created_at"]
    list_select_related = ["order"]
    exclude = ["instrument", "lease_token"]

    @admin.display(ordering="amount_minor")
    def amount(self, payment: Payment) -> str:
        return Money(payment.charge_minor, payment.currency).display()

    @admin.display(description="status", ordering="status")
    def state(self, payment: Payment) -> str:
        return "in doubt: money may have moved" if payment.in_doubt else str(payment.status)


@admin.register(Attempt)
class AttemptAdmin(ReadOnlyAdmin):
    list_display = ["payment", "number", "account", "created_at", "status", "error_code", "sends", "latency_ms"]
    list_filter = ["status", "capture", "mode"]
    search_fields = ["=id", "payment__reference", "=provider_reference"]
    ordering = ["-created_at"]
    list_select_related = ["payment", "account"]


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin):
    list_display = ["payment", "created_at", "amount", "origin", "status", "in_doubt", "reason"]
    list_filter = ["status", "origin", "mode"]
    search_fields = ["=id", "payment__reference", "=provider_reference"]
    ordering = ["-created_at"]
    list_select_related = ["payment"]
    exclude = ["lease_token"]

    @admin.display(ordering="amount_minor")
    def amount(self, refund: Refund) -> str:
        return Money(refund.total_minor, refund.currency).display()


@admin.register(ProviderAccount)
class ProviderAccountAdmin(ReadOnlyAdmin):
    """Credentials are written by whoever installs an account and shown to nobody."""

    list_display = ["label", "provider", "restaurant", "mode", "enabled", "fee_bps"]
    list_select_related = ["restaurant"]
    exclude = ["credentials"]


@admin.register(Route)
class RouteAdmin(ReadOnlyAdmin):
    list_display = ["restaurant", "position", "account", "methods", "currencies", "channels", "enabled", "mode"]
    list_select_related = ["restaurant", "account"]


@admin.register(InboundNotice)
class InboundNoticeAdmin(ReadOnlyAdmin):
    list_display = ["event_id", "account", "received_at", "state", "tries", "repeats"]
    list_filter = ["state", "mode"]
    search_fields = ["=event_id", "=subject_id"]
    ordering = ["-received_at"]
    list_select_related = ["account"]
    exclude = ["headers", "body", "content"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[InboundNotice]:
        """Raw messages are not even read for a list."""
        return super().get_queryset(request).defer("headers", "body", "content")
