"""The console's pages of payments: money to look at, and the providers that take it."""

from payments.admin import money, providers

__all__ = ["money", "providers"]
