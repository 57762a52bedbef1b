"""The desk: the queue of cases, and the page on which one of them is ended."""

from failures.admin import approvals, limits, queue

__all__ = ["approvals", "limits", "queue"]
