"""Where providers reach us."""

from __future__ import annotations

from django.urls import path

from payments.views import receive_webhook

urlpatterns = [
    path("webhooks/<slug:provider>/<uuid:account_id>", receive_webhook, name="webhook"),
]
