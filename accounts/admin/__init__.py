"""The console's pages about restaurants, people, keys, and what people did."""

from accounts.admin import audit, houses, keys, people

__all__ = ["audit", "houses", "keys", "people"]
