"""The console's pages about restaurants, people, keys, and what people did."""

from accounts.admin import audit, history, houses, keys, people

__all__ = ["audit", "history", "houses", "keys", "people"]
