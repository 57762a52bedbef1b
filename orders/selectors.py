"""Reads for edges: the orders of a restaurant, or of one guest in it."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from kernel.modes import Mode
from orders.models import Order


def orders_of(*, restaurant_id: UUID, mode: Mode, owner_id: UUID | None = None) -> QuerySet[Order]:
    """With an owner, only what is this guest's."""
    rows = Order.objects.filter(restaurant_id=restaurant_id, mode=mode).select_related("restaurant")
    return rows if owner_id is None else rows.filter(owner_id=owner_id)
