"""How an order stands with its money, as whoever knows the money says it: orders ask, and know no payment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from orders.models import Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    due_minor: int  # What nobody has paid yet.
    free_minor: int  # What of that nobody is paying right now.
    in_doubt: bool  # Money may have moved, and nobody knows.


Teller = Callable[[Sequence[Order]], Mapping[UUID, Standing]]
_tellers: list[Teller] = []


def tell_standings_by(teller: Teller) -> None:
    """Called once, from the `ready` of the app that knows."""
    _tellers[:] = [teller]


def standings_of(orders: Sequence[Order]) -> Mapping[UUID, Standing]:
    for teller in _tellers:
        return teller(orders)
    return {
        order.pk: Standing(due_minor=order.total_minor, free_minor=order.total_minor, in_doubt=False)
        for order in orders
    }
