"""How an order can be paid now: each method with who would take it, the healthy ones first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from orders.models import Order
from payments.models import Method
from payments.services import routing
from payments.services.acceptance import wish_for
from payments.services.providers import candidates_for_order


@dataclass(frozen=True, slots=True, kw_only=True)
class Taker:
    provider: str
    is_healthy: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AvailableMethod:
    method: Method
    takers: tuple[Taker, ...]

    @property
    def is_healthy(self) -> bool:
        return any(taker.is_healthy for taker in self.takers)


def available_methods(*, order_id: UUID, amount_minor: int) -> list[AvailableMethod]:
    """A method whose providers all rest is told too: it may be back before the guest has chosen."""
    order = Order.objects.get(pk=order_id)
    candidates = sorted(candidates_for_order(order_id), key=lambda each: each.position)
    found = (_method(Method(method), order, amount_minor, candidates) for method in Method.values)
    return sorted((each for each in found if each.takers), key=lambda each: not each.is_healthy)


def _method(
    method: Method, order: Order, amount_minor: int, candidates: Sequence[routing.Candidate]
) -> AvailableMethod:
    wish = wish_for(order, method, amount_minor, "")
    takers = [
        Taker(provider=each.account.provider, is_healthy=not (each.breaker_open or each.paused))
        for each in candidates
        if routing.fits(each, wish)
    ]
    return AvailableMethod(method=method, takers=tuple(sorted(takers, key=lambda each: not each.is_healthy)))
