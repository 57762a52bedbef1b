"""Where orders are."""

from __future__ import annotations

from django.urls import path

from orders import views

urlpatterns = [
    path("orders", views.Orders.as_view(), name="orders"),
    path("orders/<uuid:order_id>", views.OneOrder.as_view(), name="order"),
    path("orders/<uuid:order_id>/confirm", views.ConfirmOrder.as_view(), name="confirm_order"),
    path("orders/<uuid:order_id>/fulfil", views.FulfilOrder.as_view(), name="fulfil_order"),
    path("orders/<uuid:order_id>/cancel", views.CancelOrder.as_view(), name="cancel_order"),
]
