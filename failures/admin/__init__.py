"""The desk: the queue of cases, and the page on which one of them is ended."""

from failures.admin import approvals, bulk, history, limits, of_orders, of_payments, queue

__all__ = ["approvals", "bulk", "history", "limits", "of_orders", "of_payments", "queue"]
