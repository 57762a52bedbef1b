"""What clients of the API ask for in the stories that tests tell: one request for each act, in the API's own words.

They are outside: nothing of the product is imported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

KEY_HEADER: Final = "Idempotency-Key"
REPLAYED_HEADER: Final = "Idempotent-Replayed"
STILL_RUNNING: Final = "idempotency_key_in_use"
CURRENCY: Final = "INR"
REASON: Final = "cold food"


class Caller(StrEnum):
    PLATFORM = "platform"  # The guests' app, with the restaurant's API key.
    WAITER = "waiter"


class Tells(StrEnum):
    """What an answer is about: one of these, or a page of them."""

    ORDER = "order"
    PAYMENT = "payment"
    REFUND = "refund"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    act: str
    method: str
    path: str
    tells: Tells
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    caller: Caller = Caller.PLATFORM
    waits: bool = False  # By the process that waits.
    # Asked again under its key it is one thing. The others do the same however often they are asked for.
    has_key: bool = False


def rows_of(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Of a page, or the one."""
    return list(answer["items"]) if "items" in answer else [answer]


def place(total_minor: int) -> Asked:
    return _made("place", "/orders", Tells.ORDER, {"lines": [_line(total_minor)]})


def amend(order: str, total_minor: int, *, version: int) -> Asked:
    """To one line of that total."""
    said = {"lines": [_line(total_minor)], "version": version, "refund_surplus": True}
    return Asked(act="amend", method="PATCH", path=f"/orders/{order}", tells=Tells.ORDER, body=said)


def cancel_order(order: str) -> Asked:
    return _post("cancel_order", f"/orders/{order}/cancel", Tells.ORDER)


def pay(
    order: str,
    *,
    instrument: str = "",
    method: str = "card",
    amount_minor: int | None = None,
    tip_minor: int = 0,
    later: bool = False,
) -> Asked:
    said: dict[str, Any] = {"order": order, "method": method}
    said |= {"instrument": instrument} if instrument else {}
    said |= {"amount": _money(amount_minor)} if amount_minor is not None else {}
    said |= {"tip": _money(tip_minor)} if tip_minor else {}
    return _made("pay", "/payments", Tells.PAYMENT, said, headers={"Prefer": "respond-async"} if later else {})


def pay_again(payment: str, instrument: str) -> Asked:
    return _made(
        "pay_again", f"/payments/{payment}/retry", Tells.PAYMENT, {"instrument": instrument} if instrument else {}
    )


def cancel_payment(payment: str) -> Asked:
    return _post("cancel_payment", f"/payments/{payment}/cancel", Tells.PAYMENT)


def ask_provider(payment: str) -> Asked:
    return _post("ask_provider", f"/payments/{payment}/refresh", Tells.PAYMENT)


def take_cash(payment: str, amount_minor: int) -> Asked:
    said = {"amount": _money(amount_minor)}
    return _made("take_cash", f"/payments/{payment}/cash", Tells.PAYMENT, said, caller=Caller.WAITER)


def give_back(payment: str, amount_minor: int | None = None) -> Asked:
    said: dict[str, Any] = {"reason": REASON}
    said |= {"amount": _money(amount_minor)} if amount_minor is not None else {}
    return _made("give_back", f"/payments/{payment}/refunds", Tells.REFUND, said)


def payments_of(order: str) -> Asked:
    return Asked(act="payments_of", method="GET", path=f"/payments?order={order}", tells=Tells.PAYMENT)


def refunds_of(order: str) -> Asked:
    return Asked(act="refunds_of", method="GET", path=f"/refunds?order={order}", tells=Tells.REFUND)


def wait_for_payment(payment: str, seconds: int) -> Asked:
    path = f"/payments/{payment}?wait={seconds}"
    return Asked(act="wait_for_payment", method="GET", path=path, tells=Tells.PAYMENT, waits=True)


def _post(act: str, path: str, tells: Tells) -> Asked:
    return Asked(act=act, method="POST", path=path, tells=tells, body={})


def _made(act: str, path: str, tells: Tells, body: Mapping[str, Any], **more: Any) -> Asked:
    return Asked(act=act, method="POST", path=path, tells=tells, body=body, has_key=True, **more)


def _line(total_minor: int) -> dict[str, Any]:
    return {"name": "Thali", "quantity": 1, "unit_price": _money(total_minor)}


def _money(minor: int) -> dict[str, Any]:
    return {"amount": minor, "currency": CURRENCY}
