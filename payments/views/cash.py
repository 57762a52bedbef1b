"""Cash at the table over HTTP: a named person confirms it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from rest_framework.request import Request

from accounts.models import User
from accounts.problems import NOT_ALLOWED
from accounts.scopes import Scope
from accounts.services.idempotency import Call
from api.describing import documented
from api.headers import LANGUAGE, PLACE
from api.problems import NOT_FOUND, Problem
from payments.models import Payment
from payments.problems import TAKING_CASH
from payments.serializers import CashIn, PaymentOut
from payments.services.cash import CashTaken, confirm_cash, take_cash_against_doubt
from payments.views.routes import PaymentRoute, minor_of


class ConfirmCash(PaymentRoute):
    scopes = {"POST": (Scope.CASH_CONFIRM,)}

    @documented(
        "confirm_cash",
        "Confirm cash at the table",
        tag="Payments",
        takes=CashIn,
        headers=[LANGUAGE],
        gives={HTTPStatus.OK: PaymentOut},
        sends=[PLACE],
        refuses=[NOT_FOUND, *TAKING_CASH],
        makes=True,
    )
    def post(self, request: Request, payment_id: UUID) -> HttpResponse:
        """Exactly what is due, by a waiter of this restaurant, once. A tip may be added."""
        asked = CashIn(data=request.data)
        asked.is_valid(raise_exception=True)
        payment, said = self.payment(payment_id), asked.validated_data
        waiter, taken = named_person(self), _taken(said, payment)

        def make(call: Call) -> UUID:
            if said.get("against_doubt"):
                reason = said.get("reason", "")
                take_cash_against_doubt(payment_id=payment.pk, person=waiter, reason=reason, taken=taken, call=call)
            else:
                confirm_cash(payment_id=payment.pk, waiter=waiter, taken=taken, call=call)
            return payment.pk

        return self.once(make=make, tell=self.tell_changed, about=payment.pk)


def named_person(route: PaymentRoute) -> User:
    person = route.principal.person
    if person is None:
        raise Problem(NOT_ALLOWED, "Only a named person does this: sign in.")
    return person


def _taken(said: dict[str, Any], payment: Payment) -> CashTaken:
    currency = payment.currency
    return CashTaken(
        amount_minor=minor_of(said["amount"], currency, field="amount") or 0,
        added_tip_minor=minor_of(said.get("added_tip"), currency, field="added_tip") or 0,
        given_minor=minor_of(said.get("given"), currency, field="given"),
    )
