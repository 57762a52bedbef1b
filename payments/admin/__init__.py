"""The console's pages of payments: money to look at, and the providers that take it."""

from payments.admin import circuits, money, of_orders, providers, routes

__all__ = ["circuits", "money", "of_orders", "providers", "routes"]
