"""What a refund group fights for: money that was captured in one of the ways in which it can be."""

from __future__ import annotations

from events.actors import GUEST
from orders.services import cancel_order
from payments.models import Attempt, Capture, Refund, RefundStatus
from payments.services.cash import CashTaken, confirm_cash
from payments.services.lookups import look_up_payment
from payments.services.refunds import send_refund
from tests.factories import order_of, paid
from tests.races.ground import Ground
from tests.races.scenes import TIP, TOTAL, Build, Scene, doubt, refund_is_due, refund_was_sent


def whole(ground: Ground) -> Scene:
    order = order_of(ground.restaurant, TOTAL)
    return _of(Scene(ground, order, paid(order, instrument="sim_ok")))


def tipped(ground: Ground) -> Scene:
    order = order_of(ground.restaurant, TOTAL)
    return _of(Scene(ground, order, paid(order, instrument="sim_ok", tip_minor=TIP)))


def cash(ground: Ground) -> Scene:
    order = order_of(ground.restaurant, TOTAL)
    payment = paid(order, method="cash")
    confirm_cash(payment_id=payment.pk, waiter=ground.waiter, taken=CashTaken(amount_minor=TOTAL))
    return _of(Scene(ground, order, payment))


def surplus(ground: Ground) -> Scene:
    """It was never due, and the provider refused to give it back: whoever works on the queue asks again."""
    found = doubt(ground)
    cancel_order(order_id=found.order.pk, actor=GUEST)
    look_up_payment(payment_id=found.payment.pk)
    refund = Refund.objects.get()
    ground.providers["sandbox_a"].sandbox.provider.steering.add_refunds("declined", times=1)
    send_refund(refund_id=refund.pk)
    assert Refund.objects.get().status == RefundStatus.FAILED
    assert Attempt.objects.get().capture == Capture.SURPLUS
    return found


def _of(found: Scene) -> Scene:
    found.attempt = Attempt.objects.get(payment=found.payment).pk
    return found


CAPTURES: dict[str, Build] = {
    "whole": whole,
    "tipped": tipped,
    "cash": cash,
    "surplus": surplus,
    "a part is being sent": refund_is_due,
    "a part is being settled": refund_was_sent,
}
