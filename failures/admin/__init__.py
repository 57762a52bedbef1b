"""The desk: the queue of cases, and the page on which one of them is ended."""

from failures.admin import approvals, bulk, limits, queue

__all__ = ["approvals", "bulk", "limits", "queue"]
