"""What other processes are asked to do: what a web process, a worker and a webhook do, without their servers."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import connection

from accounts.models import Restaurant
from events.actors import GUEST
from failures.demo.seed import SLUG
from kernel import clock
from kernel.modes import Mode
from orders.services import LineDraft, OrderDraft, place_order
from payments import tasks
from payments.models import ProviderAccount
from payments.services.acceptance import PaymentDraft
from payments.services.notices import apply_notice, receive_notice
from payments.services.payments import create_payment, pay


def pay_order(order: UUID, token: str) -> None:
    """A web process: the first attempt inside the request."""
    pay(draft=PaymentDraft(order_id=order, method="card", instrument=token), actor=GUEST)


def accept_order(order: UUID, token: str) -> None:
    create_payment(draft=PaymentDraft(order_id=order, method="card", instrument=token), actor=GUEST)


def work(**_: Any) -> None:
    """A worker: one tick of each of beat's entries."""
    for task in (tasks.sweep_payments, tasks.sweep_refunds, tasks.sweep_watches, tasks.sweep_notices):
        task()
    connection.close()


def receive(account: UUID, headers: dict[str, str], body: str) -> None:
    """A web process that a provider's webhook reached."""
    provider_account = ProviderAccount.objects.get(pk=account)
    received = receive_notice(account=provider_account, headers=headers, body=body.encode())
    apply_notice(notice_id=received.notice_id)


def pay_order_at_the_gate(order: UUID, token: str) -> None:
    """Like `pay_order`, but all such processes start within the same tenth of a second."""
    now = clock.now().timestamp()
    clock.sleep(GATE_SECONDS - now % GATE_SECONDS)
    pay_order(order, token)


# Starting a process takes about a second, on a busy machine two.
GATE_SECONDS = 5.0


def accept_many(count: int, token: str) -> None:
    """Orders of the demo restaurant, accepted and left to the clock."""
    restaurant = Restaurant.objects.get(slug=SLUG)
    for number in range(count):
        line = LineDraft(name="Thali", quantity=1, unit_minor=10_000 + number)
        draft = OrderDraft(restaurant=restaurant, mode=Mode.TEST, currency="INR", lines=(line,))
        accept_order(place_order(draft=draft, actor=GUEST).pk, token)
