"""The console's pages about restaurants, people and keys."""

from accounts.admin import houses, keys, people

__all__ = ["houses", "keys", "people"]
