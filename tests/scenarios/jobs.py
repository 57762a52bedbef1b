"""What other processes are asked to do: what a web process does, without its server."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from accounts.models import Restaurant
from config.local.processes import wait_until
from events.actors import GUEST
from failures.demo.seed import SLUG
from kernel.modes import Mode
from orders.services import LineDraft, OrderDraft, place_order
from payments.services.acceptance import PaymentDraft
from payments.services.payments import create_payment, pay


def pay_order(order: UUID, token: str) -> None:
    """A web process: the first attempt inside the request."""
    pay(draft=PaymentDraft(order_id=order, method="card", instrument=token), actor=GUEST)


def accept_order(order: UUID, token: str) -> None:
    create_payment(draft=PaymentDraft(order_id=order, method="card", instrument=token), actor=GUEST)


def pay_order_at_the_gate(order: UUID, token: str, gate: str) -> None:
    """Like `pay_order`, but every such process is there before the first one begins."""
    (Path(gate) / str(order)).touch()
    assert wait_until((Path(gate) / OPEN).exists, seconds=GATE_SECONDS)
    pay_order(order, token)


OPEN = "open"
# Starting a process takes about a second. One that never comes must not keep the others for ever.
GATE_SECONDS = 60.0


def open_the_gate(gate: Path, *, people: int) -> None:
    """When so many wait at it."""
    assert wait_until(lambda: len(list(gate.iterdir())) == people, seconds=GATE_SECONDS)
    (gate / OPEN).touch()


def accept_many(count: int, token: str) -> None:
    """Orders of the demo restaurant, accepted and left to the clock."""
    restaurant = Restaurant.objects.get(slug=SLUG)
    for number in range(count):
        line = LineDraft(name="Thali", quantity=1, unit_minor=10_000 + number)
        draft = OrderDraft(restaurant=restaurant, mode=Mode.TEST, currency="INR", lines=(line,))
        accept_order(place_order(draft=draft, actor=GUEST).pk, token)
