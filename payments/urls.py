"""Where providers reach us, and where payments and refunds are."""

from __future__ import annotations

from django.urls import path

from payments.views import cash, payments, refunds, reports
from payments.views.webhooks import receive_webhook

_ONE = "payments/<uuid:payment_id>"
webhooks = [path("webhooks/<slug:provider>/<uuid:account_id>", receive_webhook, name="webhook")]
urlpatterns = [
    path("payments", payments.Payments.as_view(), name="payments"),
    path(_ONE, payments.OnePayment.as_view(), name="payment"),
    path(f"{_ONE}/events", payments.PaymentEvents.as_view(), name="payment_events"),
    path(f"{_ONE}/attempts", payments.Attempts.as_view(), name="attempts"),
    path(f"{_ONE}/start", payments.StartPayment.as_view(), name="start_payment"),
    path(f"{_ONE}/retry", payments.RetryPayment.as_view(), name="retry_payment"),
    path(f"{_ONE}/cancel", payments.CancelPayment.as_view(), name="cancel_payment"),
    path(f"{_ONE}/hold", payments.ExtendHold.as_view(), name="extend_hold"),
    path(f"{_ONE}/refresh", payments.RefreshPayment.as_view(), name="refresh_payment"),
    path(f"{_ONE}/handshake", payments.Handshake.as_view(), name="verify_handshake"),
    path(f"{_ONE}/client-tokens", payments.ClientTokens.as_view(), name="client_tokens"),
    path(f"{_ONE}/cash", cash.ConfirmCash.as_view(), name="confirm_cash"),
    path(f"{_ONE}/refunds", refunds.RefundsOfPayment.as_view(), name="create_refund"),
    path("refunds", refunds.Refunds.as_view(), name="refunds"),
    path("refunds/<uuid:refund_id>", refunds.OneRefund.as_view(), name="refund"),
    path("refunds/<uuid:refund_id>/refresh", refunds.RefreshRefund.as_view(), name="refresh_refund"),
    path("orders/<uuid:order_id>/payment-methods", reports.PaymentMethods.as_view(), name="payment_methods"),
    path("providers", reports.Providers.as_view(), name="providers"),
    path("statistics/daily", reports.DailyStatistics.as_view(), name="daily_statistics"),
]
