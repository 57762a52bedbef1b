"""The console's pages about restaurants, people and keys."""

from accounts.admin import keys, people

__all__ = ["keys", "people"]
