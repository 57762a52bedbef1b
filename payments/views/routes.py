"""What routes about payments share: whose they are, and how one is told."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from accounts.making import MakingRoute, Told
from accounts.routes import nothing_here
from api.problems import FieldError, Problem
from api.refusing import pointer_of
from kernel import clock
from kernel.money import Money
from orders.models import Order
from orders.problems import WRONG_CURRENCY
from orders.selectors import orders_of
from payments.guest_words import language_of
from payments.models import Payment, PaymentStatus, Refund
from payments.selectors import attempts_by_payment, payments_of
from payments.serializers import Audience, links_of, told_payment

FINAL = (PaymentStatus.COMPLETED, PaymentStatus.FAILED)
# How soon a client may look again: not before anything can have happened, and not after a guest has lost patience.
SOONEST_LOOK_SECONDS, LATEST_LOOK_SECONDS = 1, 10


class PaymentRoute(MakingRoute):
    def mine(self) -> QuerySet[Payment]:
        principal = self.principal
        return payments_of(
            restaurant_id=principal.restaurant.pk,
            mode=principal.mode,
            owner_id=principal.owner_id,
            payment_id=principal.payment_id,
        )

    @property
    def audience(self) -> Audience:
        if self.principal.payment_id is not None:
            return Audience.BROWSER
        return Audience.STAFF if self.principal.owner_id is None else Audience.GUEST

    def payment(self, payment_id: UUID) -> Payment:
        payment = self.mine().filter(pk=payment_id).first()
        if payment is None:
            raise nothing_here("payment")
        return payment

    def order(self, order_id: UUID) -> Order:
        principal = self.principal
        mine = orders_of(restaurant_id=principal.restaurant.pk, mode=principal.mode, owner_id=principal.owner_id)
        order = mine.filter(pk=order_id).first()
        if order is None:
            raise nothing_here("order")
        return order

    def told(self, payment: Payment) -> dict[str, Any]:
        attempts = attempts_by_payment([payment])[payment.pk]
        language = language_of(self.request._request)
        return told_payment(payment, attempts, language=language, audience=self.audience)

    def tell(self, payment_id: UUID) -> Told:
        """201 for what has come to its end or waits for a choice; 202 while somebody still has to act or to answer.

        A failed payment may be tried again, and late money may complete it: it is told as it is, and only a completed
        one is told alike for ever.
        """
        payment = self.payment(payment_id)
        status = HTTPStatus.CREATED if payment.status in FINAL or payment.is_only_held else HTTPStatus.ACCEPTED
        return Told(
            status=status,
            body=self.told(payment),
            is_kept=payment.status == PaymentStatus.COMPLETED,
            headers={**location(payment), **look_again(payment)},
        )

    def tell_changed(self, payment_id: UUID) -> Told:
        """For what was there before: 200 where it has come to its end."""
        told = self.tell(payment_id)
        status = HTTPStatus.OK if told.status == HTTPStatus.CREATED else told.status
        return Told(status=status, body=told.body, is_kept=told.is_kept, headers=told.headers)


def location(payment: Payment) -> dict[str, str]:
    return {"Location": str(links_of(payment.pk, payment.order_id)["self"])}


def look_again(row: Payment | Refund) -> dict[str, str]:
    """Nothing to wait for: no header."""
    is_only_held = isinstance(row, Payment) and row.is_only_held
    if row.status in FINAL or is_only_held or row.next_action_at is None:
        return {}
    seconds = (row.next_action_at - clock.now()).total_seconds()
    return {"Retry-After": str(round(min(max(seconds, SOONEST_LOOK_SECONDS), LATEST_LOOK_SECONDS)))}


def minor_of(money: Money | None, currency: str, *, field: str) -> int | None:
    """In the currency of what it is about: minor units of another one would be another amount."""
    if money is None:
        return None
    if money.currency != currency:
        sentence = f"This is in {currency}, not {money.currency}."
        error = FieldError(pointer=pointer_of(f"{field}.currency"), code="wrong_currency", detail=sentence)
        raise Problem(WRONG_CURRENCY, sentence, errors=[error])
    return money.minor
