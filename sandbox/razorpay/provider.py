"""A provider that speaks Razorpay's wire: orders, the tries of guests to pay them, refunds."""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any, TypeVar

from sandbox.behaviours import CHARGES, NOT_FOUND, ORDERS, ChargeStatus
from sandbox.books import Charge, Order, Origin, Refund
from sandbox.company import Company, Verb
from sandbox.razorpay import window
from sandbox.razorpay.terms import OrderTerms, RefundTerms, order_terms, page_of, refund_terms
from sandbox.razorpay.till import RazorpayTill
from sandbox.razorpay.wire import RAZORPAY_SPOILERS, collection, json_reply, new_id, refused
from sandbox.terms import ChargeTerms, choice, text, times, url
from sandbox.till import timestamp
from sandbox.wire import Refusal, Reply, Request, fingerprint

_ID = r"[0-9A-Za-z]{14}"
_Entry = TypeVar("_Entry", Order, Charge, Refund)


class RazorpayProvider(Company):
    guest_paths = ("/v1/checkout/embedded", "/window/")
    tills = RazorpayTill
    spoilers = RAZORPAY_SPOILERS
    till: RazorpayTill

    def key_of(self, request: Request) -> str:
        if request.method == "POST":
            return request.headers.get("x-refund-idempotency", "") or _text_in(request, "receipt")
        return request.query.get("receipt", "") or request.path

    def answer(self, request: Request, key: str) -> Reply:
        try:
            self._allow(request)
            for method, pattern, verb in _ROUTES:
                match = pattern.fullmatch(request.path)
                if match and method == request.method:
                    return verb(self, request, *match.groups())
            raise refused("The requested URL was not found on the server.")
        except Refusal as refusal:
            return refusal.reply

    def guest_page(self, request: Request) -> Reply | None:
        return window.answer(self, request)

    def pay(self, order: Order, *, token: str, method: str) -> Charge:
        """A guest tries, in the window or by a script."""
        if any(charge.moved_amount for charge in self.books.charges_for(order)):
            raise refused("Your payment has been declined as the order is already paid.", reason="order_already_paid")
        if token not in CHARGES or not token:
            raise refused("This token is not one of the test tokens.")
        terms = ChargeTerms(
            amount=order.amount,
            currency=order.currency,
            order_reference=order.order_reference,
            method=method,
            token=token,
            return_url="",
            notify_url="",
        )
        return self.till.open_charge(order.receipt or order.id, "", terms, order_id=order.id)

    @property
    def scripts(self) -> Mapping[str, Verb]:
        """What scripts do in place of guests, and of whoever sits before Razorpay's dashboard."""
        return {"pay": self._pay_by_script, "next-order": self._steer_order, "webhook": self._send_notices_to}

    def _pay_by_script(self, body: Mapping[str, Any]) -> dict[str, Any]:
        wanted = text(body, "order_id") or text(body, "receipt")
        order = next((one for one in self.books.orders.values() if wanted in {one.id, one.receipt} - {""}), None)
        token, method = text(body, "token", required=True), text(body, "method") or "card"
        return self.till.show(self.pay(_known(order), token=token, method=method))

    def _steer_order(self, body: Mapping[str, Any]) -> dict[str, Any]:
        behaviour = choice(body, "behaviour", ORDERS)
        self.steering.add_orders(behaviour, times=times(body))
        return {"behaviour": behaviour, "times": times(body)}

    def _send_notices_to(self, body: Mapping[str, Any]) -> dict[str, Any]:
        self.till.notify_url = url(body, "url")
        return {"url": self.till.notify_url}

    def order_of(self, order_id: str) -> Order:
        return _known(self.books.orders.get(order_id))

    def _allow(self, request: Request) -> None:
        given = request.headers.get("authorization", "").encode()
        if not given:
            reason = "Please provide your api key for authentication purposes"
            raise refused(reason, status=HTTPStatus.UNAUTHORIZED)
        pair = b64encode(f"{self.settings.key_id}:{self.settings.api_key}".encode())
        if not hmac.compare_digest(given, b"Basic " + pair):
            raise refused("Authentication failed", status=HTTPStatus.UNAUTHORIZED)

    def _make_order(self, request: Request) -> Reply:
        terms, trouble = order_terms(request.json()), self.steering.order_trouble()
        if not trouble.has_effect:
            return self.troubled(Reply(), trouble)
        order = self._order_before(terms) or self._new_order(terms)
        return self.troubled(json_reply(self.till.show_order(order)), trouble)

    def _order_before(self, terms: OrderTerms) -> Order | None:
        """With `unique_receipt` a repetition is the same order; without, both are made."""
        if not terms.unique_receipt or not (known := self.books.orders_with(terms.receipt)):
            return None
        if (known[0].amount, known[0].currency) != (terms.amount, terms.currency):
            raise refused("Order receipt should be unique.", metadata={"order_id": known[0].id})
        return known[0]

    def _new_order(self, terms: OrderTerms) -> Order:
        order_id = new_id("order")
        order = Order(
            id=order_id,
            receipt=terms.receipt,
            order_reference=terms.notes.get("order", "") or terms.receipt or order_id,
            amount=terms.amount,
            currency=terms.currency,
            created=timestamp(),
            notes=terms.notes,
        )
        self.books.write(order)
        return order

    def _list_orders(self, request: Request) -> Reply:
        """By a part of a receipt, too, and late: what is new is not in it yet."""
        steered, trouble = self.steering.next_look_up()
        listed_until, wanted = timestamp() - self.settings.list_lag_seconds, request.query.get("receipt", "")
        orders = [order for order in self.books.orders.values() if order.created <= listed_until]
        found = [order for order in reversed(orders) if wanted in order.receipt]
        shown = [] if steered == NOT_FOUND else page_of(found, request.query)
        return self.troubled(json_reply(collection([self.till.show_order(order) for order in shown])), trouble)

    def _show_order(self, request: Request, order_id: str) -> Reply:
        _, trouble = self.steering.next_look_up()
        return self.troubled(json_reply(self.till.show_order(self.order_of(order_id))), trouble)

    def _payments_of_order(self, request: Request, order_id: str) -> Reply:
        tries = reversed(self.books.charges_for(self.order_of(order_id)))
        return json_reply(collection([self.till.show(charge) for charge in tries]))

    def _list_payments(self, request: Request) -> Reply:
        listed_until = timestamp() - self.settings.list_lag_seconds
        found = [charge for charge in reversed(self.books.charges.values()) if charge.created <= listed_until]
        return json_reply(collection([self.till.show(charge) for charge in page_of(found, request.query)]))

    def _show_payment(self, request: Request, payment_id: str) -> Reply:
        return json_reply(self.till.show(_known(self.books.charges.get(payment_id))))

    def _refunds_of_payment(self, request: Request, payment_id: str) -> Reply:
        refunds = self.till.refunds_of(_known(self.books.charges.get(payment_id)))
        return json_reply(collection([self.till.show(one) for one in page_of(refunds[::-1], request.query)]))

    def _list_refunds(self, request: Request) -> Reply:
        found = [refund for refund in reversed(self.books.refunds.values()) if refund.origin is not Origin.CHARGEBACK]
        return json_reply(collection([self.till.show(refund) for refund in page_of(found, request.query)]))

    def _show_refund(self, request: Request, refund_id: str) -> Reply:
        _, trouble = self.steering.next_look_up()
        return self.troubled(json_reply(self.till.show(_known(self.books.refunds.get(refund_id)))), trouble)

    def _refund(self, request: Request, payment_id: str) -> Reply:
        charge, body = _known(self.books.charges.get(payment_id)), request.json()
        mark, key = fingerprint({"payment": payment_id, **body}), request.headers.get("x-refund-idempotency", "")
        if key and (known := self.books.refund_of_key(key)):
            return self._repeated(known, mark)
        terms = refund_terms(body, whole=self.books.refundable(charge), key=key)
        behaviour = self.steering.refund_behaviour(key or terms.receipt, CHARGES[charge.token].refund)
        trouble = self.steering.meet(key or terms.receipt, behaviour.trouble)
        if not trouble.has_effect:
            return self.troubled(Reply(), trouble)
        self._check_refundable(charge, terms)
        refund = self.till.new_refund(charge, amount=terms.amount, origin=Origin.API, key=key, mark=mark)
        refund = self.till.open_refund(replace(refund, receipt=terms.receipt, notes=terms.notes), behaviour)
        return self.troubled(json_reply(self.till.show(refund)), trouble)

    def _check_refundable(self, charge: Charge, terms: RefundTerms) -> None:
        if charge.status is not ChargeStatus.SUCCEEDED:
            raise refused("The payment status should be captured for action to be taken.")
        if terms.receipt and any(refund.receipt == terms.receipt for refund in self.books.refunds_of(charge)):
            raise refused("Duplicate receipt found for this refund request.")
        left = self.books.refundable(charge)
        if not left:
            raise refused("The payment has been fully refunded already.")
        if terms.amount > left:
            raise refused("The refund amount provided is greater than amount captured.", field="amount")

    def _repeated(self, refund: Refund, mark: str) -> Reply:
        if not hmac.compare_digest(refund.fingerprint, mark):
            raise refused("Different request with the same idempotency key has already been processed.")
        return json_reply(self.till.show(refund))


def _known(entry: _Entry | None) -> _Entry:
    if entry is None:
        raise refused("The id provided does not exist")
    return entry


def _text_in(request: Request, name: str) -> str:
    try:
        value = request.json().get(name, "")
    except Refusal:
        return ""
    return value if isinstance(value, str) else ""


def _routes() -> Sequence[tuple[str, re.Pattern[str], Callable[..., Reply]]]:
    kind: type[RazorpayProvider] = RazorpayProvider
    order, payment, refund = (rf"({name}_{_ID})" for name in ("order", "pay", "rfnd"))
    verbs: Mapping[tuple[str, str], Callable[..., Reply]] = {
        ("POST", "/v1/orders"): kind._make_order,
        ("GET", "/v1/orders"): kind._list_orders,
        ("GET", f"/v1/orders/{order}"): kind._show_order,
        ("GET", f"/v1/orders/{order}/payments"): kind._payments_of_order,
        ("GET", "/v1/payments"): kind._list_payments,
        ("GET", f"/v1/payments/{payment}"): kind._show_payment,
        ("POST", f"/v1/payments/{payment}/refund"): kind._refund,
        ("GET", f"/v1/payments/{payment}/refunds"): kind._refunds_of_payment,
        ("GET", "/v1/refunds"): kind._list_refunds,
        ("GET", f"/v1/refunds/{refund}"): kind._show_refund,
    }
    return [(method, re.compile(path), verb) for (method, path), verb in verbs.items()]


_ROUTES = _routes()
