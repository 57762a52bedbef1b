"""A front desk for tests that need a real web server: the project's own addresses, and a few that call one service.

It stands where the API will stand, knows no idempotency keys and no permissions, and is never part of an installation.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from accounts.models import Membership, Restaurant, Role, User
from config.urls import urlpatterns as own_addresses
from events.actors import GUEST
from kernel.errors import ServiceError
from kernel.modes import Mode
from orders.models import Order
from orders.services import LineDraft, OrderDraft, cancel_order, place_order
from payments.models import Payment, Refund
from payments.services.acceptance import PaymentDraft
from payments.services.cash import CashTaken, confirm_cash
from payments.services.payments import cancel_payment, create_payment, pay, retry_payment
from payments.services.refund_requests import request_refund

Said = dict[str, Any]


def place(said: Said) -> Said:
    restaurant = Restaurant.objects.get(slug=said["restaurant"])
    line = LineDraft(name="Thali", quantity=1, unit_minor=said["total_minor"])
    draft = OrderDraft(restaurant=restaurant, mode=Mode.TEST, currency="INR", lines=(line,))
    return _order(place_order(draft=draft, actor=GUEST))


def pay_now(said: Said) -> Said:
    return _payment(pay(draft=_draft(said), actor=GUEST))


def pay_later(said: Said) -> Said:
    return _payment(create_payment(draft=_draft(said), actor=GUEST))


def pay_again(said: Said) -> Said:
    token = said.get("instrument", "")
    return _payment(retry_payment(payment_id=UUID(said["payment"]), actor=GUEST, instrument=token))


def withdraw(said: Said) -> Said:
    return _payment(cancel_payment(payment_id=UUID(said["payment"]), actor=GUEST))


def withdraw_order(said: Said) -> Said:
    return _order(cancel_order(order_id=UUID(said["order"]), actor=GUEST))


def take_cash(said: Said) -> Said:
    payment = Payment.objects.get(pk=said["payment"])
    taken = CashTaken(amount_minor=payment.charge_minor)
    return _payment(confirm_cash(payment_id=payment.pk, waiter=_waiter(payment), taken=taken))


def give_back(said: Said) -> Said:
    refund = request_refund(
        payment_id=UUID(said["payment"]), amount_minor=said.get("amount_minor"), reason="cold food", actor=GUEST
    )
    return _refund(refund)


def look(said: Said) -> Said:
    """An order with all that was paid on it."""
    order = Order.objects.get(pk=said["order"])
    payments = Payment.objects.filter(order=order).order_by("id")
    refunds = Refund.objects.filter(payment__order=order).order_by("id")
    return {**_order(order), "payments": [*map(_payment, payments)], "refunds": [*map(_refund, refunds)]}


def _draft(said: Said) -> PaymentDraft:
    return PaymentDraft(
        order_id=UUID(said["order"]),
        method=said.get("method", "card"),
        amount_minor=said.get("amount_minor"),
        tip_minor=said.get("tip_minor", 0),
        instrument=said.get("instrument", ""),
    )


def _waiter(payment: Payment) -> User:
    return Membership.objects.select_related("user").get(restaurant=payment.restaurant_id, role=Role.WAITER).user


def _order(order: Order) -> Said:
    return {"order": order.pk, "reference": order.reference, "payment_state": order.payment_state}


def _payment(payment: Payment) -> Said:
    return {
        "payment": payment.pk,
        "reference": payment.reference,
        "status": payment.status,
        "in_doubt": payment.in_doubt,
        "failure_code": payment.failure_code,
        "charge_minor": payment.charge_minor,
    }


def _refund(refund: Refund) -> Said:
    return {"refund": refund.pk, "status": refund.status, "total_minor": refund.total_minor}


def _view(act: Callable[[Said], Said]) -> Callable[[HttpRequest], HttpResponse]:
    @csrf_exempt  # Its callers are the tests' own clients.
    @require_POST
    def view(request: HttpRequest) -> HttpResponse:
        try:
            return JsonResponse(act(json.loads(request.body)))
        except ServiceError as refused:
            return JsonResponse({"code": refused.code, "detail": refused.sentence}, status=409)

    return view


ACTS: tuple[Callable[[Said], Said], ...] = (
    place, pay_now, pay_later, pay_again, withdraw, withdraw_order, take_cash, give_back, look,
)  # fmt: skip
urlpatterns = [*own_addresses, *(path(f"storefront/{act.__name__}", _view(act)) for act in ACTS)]
