"""Where money moves at a provider that speaks Razorpay: the same as anywhere, told in its events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kernel import clock
from sandbox.behaviours import CHARGES, ChargeStatus, RefundStatus, WebhookHabit
from sandbox.books import Charge, Order, Origin, Refund
from sandbox.notices import Webhook
from sandbox.razorpay.wire import AUTHORISED_ONLY, RazorpayWebhook, new_id, order_json, payment_json, refund_json
from sandbox.till import Till, timestamp

ACCOUNT_ID = "acc_SandboxOfOurOwn"


class RazorpayTill(Till):
    def new_charge_id(self) -> str:
        return new_id("pay")

    def new_refund_id(self) -> str:
        return new_id("rfnd")

    def new_refund(self, charge: Charge, *, amount: int, origin: Origin, key: str = "", mark: str = "") -> Refund:
        """What a bank takes back is a dispute here, and stands in no list of refunds."""
        refund = super().new_refund(charge, amount=amount, origin=origin, key=key, mark=mark)
        return replace(refund, id=new_id("disp")) if origin is Origin.CHARGEBACK else refund

    def show(self, entry: Charge | Refund) -> dict[str, Any]:
        return refund_json(entry) if isinstance(entry, Refund) else payment_json(entry, self.refunds_of(entry))

    def show_order(self, order: Order) -> dict[str, Any]:
        return order_json(order, self.books.charges_for(order))

    def refunds_of(self, charge: Charge) -> list[Refund]:
        return [refund for refund in self.books.refunds_of(charge) if refund.origin is not Origin.CHARGEBACK]

    def tell_charge(self, charge: Charge) -> None:
        """A payment that is captured is told of three times within a second, in no order that anybody promises."""
        payment = {"payment": self.show(charge)}
        if charge.status is ChargeStatus.FAILED:
            self.tell("payment.failed", charge, payment)
        elif charge.status is ChargeStatus.SUCCEEDED:
            order = self.show_order(self.books.orders[charge.order_id])
            authorised = {**payment["payment"], "status": "authorized", "captured": False}
            self.tell("payment.captured", charge, payment)
            self.tell("order.paid", charge, {**payment, "order": order})
            self.tell("payment.authorized", charge, {"payment": authorised})
        elif charge.token in AUTHORISED_ONLY:
            self.tell("payment.authorized", charge, payment)
        elif CHARGES[charge.token].webhook is WebhookHabit.FORGED:
            self.forge(charge)

    def tell_refund(self, refund: Refund, charge: Charge) -> None:
        payment = self.show(charge)
        if refund.origin is Origin.CHARGEBACK:
            self.tell("payment.dispute.lost", charge, {"payment": payment, "dispute": _dispute(refund)})
            return
        things = {"refund": self.show(refund), "payment": payment}
        told = {RefundStatus.SUCCEEDED: ["processed"], RefundStatus.FAILED: ["failed"]}.get(refund.status, [])
        for kind in ["created", *told]:
            self.tell(f"refund.{kind}", charge, things)

    def lie_about(self, charge: Charge) -> tuple[str, Mapping[str, Any]]:
        return "payment.captured", {"payment": {**self.show(charge), "status": "captured", "captured": True}}

    def new_webhook(self, kind: str, charge: Charge, data: Mapping[str, Any], *, secret: str, wait: float) -> Webhook:
        event = {
            "entity": "event",
            "account_id": ACCOUNT_ID,
            "event": kind,
            "contains": list(data),
            "payload": {thing: {"entity": said} for thing, said in data.items()},
            "created_at": int(clock.now().timestamp()),
        }
        return RazorpayWebhook(
            id=new_id("").lstrip("_"),
            type=kind,
            key=charge.key,
            url=charge.notify_url or self.notify_url,
            body=json.dumps(event).encode(),
            due_at=timestamp() + wait,
            secret=secret,
        )


def _dispute(refund: Refund) -> dict[str, Any]:
    return {
        "id": refund.id,
        "entity": "dispute",
        "payment_id": refund.charge_id,
        "amount": refund.amount,
        "currency": refund.currency,
        "amount_deducted": refund.amount,
        "reason_code": "chargeback_without_a_reason",
        "status": "lost",
        "phase": "chargeback",
        "created_at": int(refund.created),
    }
