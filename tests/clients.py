"""What clients of the API ask for in the stories that tests tell: one request for each act, in the API's own words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from accounts.models import Membership, Restaurant, Role
from accounts.scopes import KEY_SCOPES
from accounts.services.keys import issue_api_key
from accounts.services.people import issue_user_token
from kernel.modes import Mode

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
    method: str
    path: str
    tells: Tells
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    caller: Caller = Caller.PLATFORM
    # Asked again under its key it is one thing. The others do the same however often they are asked for.
    has_key: bool = False


def rows_of(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(answer["items"]) if "items" in answer else [answer]


def place(total_minor: int) -> Asked:
    line = {"name": "Thali", "quantity": 1, "unit_price": _money(total_minor)}
    return _made("/orders", Tells.ORDER, {"lines": [line]})


def cancel_order(order: str) -> Asked:
    return _post(f"/orders/{order}/cancel", Tells.ORDER)


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
    return _made("/payments", Tells.PAYMENT, said, headers={"Prefer": "respond-async"} if later else {})


def pay_again(payment: str, instrument: str) -> Asked:
    return _made(f"/payments/{payment}/retry", Tells.PAYMENT, {"instrument": instrument} if instrument else {})


def cancel_payment(payment: str) -> Asked:
    return _post(f"/payments/{payment}/cancel", Tells.PAYMENT)


def ask_provider(payment: str) -> Asked:
    return _post(f"/payments/{payment}/refresh", Tells.PAYMENT)


def take_cash(payment: str, amount_minor: int) -> Asked:
    said = {"amount": _money(amount_minor)}
    return _made(f"/payments/{payment}/cash", Tells.PAYMENT, said, caller=Caller.WAITER)


def give_back(payment: str, amount_minor: int | None = None) -> Asked:
    said: dict[str, Any] = {"reason": REASON}
    said |= {"amount": _money(amount_minor)} if amount_minor is not None else {}
    return _made(f"/payments/{payment}/refunds", Tells.REFUND, said)


def payments_of(order: str) -> Asked:
    return Asked(method="GET", path=f"/payments?order={order}", tells=Tells.PAYMENT)


def refunds_of(order: str) -> Asked:
    return Asked(method="GET", path=f"/refunds?order={order}", tells=Tells.REFUND)


def read_payment(payment: str, *, wait_seconds: int = 0) -> Asked:
    wait = f"?wait={wait_seconds}" if wait_seconds else ""
    return Asked(method="GET", path=f"/payments/{payment}{wait}", tells=Tells.PAYMENT)


def secrets_of(restaurant: Restaurant) -> dict[Caller, str]:
    """Of a restaurant with one waiter."""
    scopes = sorted(scope.value for scope in KEY_SCOPES)
    waiter = Membership.objects.select_related("user").get(restaurant=restaurant, role=Role.WAITER).user
    token, _ = issue_user_token(person=waiter, restaurant=restaurant, mode=Mode.TEST)
    key = issue_api_key(restaurant=restaurant, mode=Mode.TEST, name="platform", scopes=scopes)
    return {Caller.PLATFORM: key, Caller.WAITER: token}


def _post(path: str, tells: Tells) -> Asked:
    return Asked(method="POST", path=path, tells=tells, body={})


def _made(path: str, tells: Tells, body: Mapping[str, Any], **more: Any) -> Asked:
    return Asked(method="POST", path=path, tells=tells, body=body, has_key=True, **more)


def _money(minor: int) -> dict[str, Any]:
    return {"amount": minor, "currency": CURRENCY}
