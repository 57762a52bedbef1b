"""The desk: the queue of cases, and the page on which one of them is ended."""

from failures.admin import queue

__all__ = ["queue"]
