"""The window in which a guest pays an order: what Razorpay's hosted page does, with buttons for what may happen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from sandbox.behaviours import ChargeStatus
from sandbox.books import Charge, Order
from sandbox.layout import page, shown_money
from sandbox.razorpay.wire import signature
from sandbox.wire import Refusal, Reply, Request, html_reply

if TYPE_CHECKING:
    from sandbox.razorpay.provider import RazorpayProvider

_WINDOW = re.compile(r"/window/(order_[0-9A-Za-z]{14})")
HOSTED = "/v1/checkout/embedded"
METHODS = ("card", "upi", "wallet")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ways:
    """Out of the window. Only a web address may come near a browser."""

    callback_url: str
    cancel_url: str

    @classmethod
    def given(cls, said: Mapping[str, str]) -> _Ways:
        urls = {name: said.get(name, "") for name in ("callback_url", "cancel_url")}
        return cls(**{name: url if url.startswith(("https://", "http://")) else "" for name, url in urls.items()})


# The button's value is a test token.
_BUTTONS = (
    ("sim_ok", "go", "Pay", ""),
    ("sim_decline_insufficient_funds", "stop", "Fail", "Not enough money. The order stays open."),
    ("sim_late_success", "", "Fail, and pay late", "Looks failed; the bank reports it a minute later."),
    ("sim_pending_then_ok", "", "Wait, then pay", "The bank takes some seconds."),
)


def answer(provider: RazorpayProvider, request: Request) -> Reply | None:
    """At the documented address of the hosted page, by its form; or at a link of our own, to be opened by hand."""
    form = dict(parse_qsl(request.body.decode("utf-8", "replace"))) if request.method == "POST" else {}
    match = _WINDOW.fullmatch(request.path)
    order_id = match[1] if match else form.get("order_id", "") if request.path == HOSTED else ""
    if (order := provider.books.orders.get(order_id)) is None:
        return None
    if request.path == HOSTED and form.get("key_id") != provider.settings.key_id:
        return _message("The id provided does not exist", HTTPStatus.BAD_REQUEST)
    ways = _Ways.given({**request.query, **form})
    if match and request.method == "POST":
        return _pressed(provider, order, form, ways)
    return html_reply(_page(provider, order, ways))


def _pressed(provider: RazorpayProvider, order: Order, form: Mapping[str, str], ways: _Ways) -> Reply:
    method = form.get("method", "card")
    try:
        charge = provider.pay(order, token=form.get("token", ""), method=method if method in METHODS else "card")
    except Refusal:
        return html_reply(_page(provider, order, ways))
    return html_reply(_result(provider, order, charge, ways))


def _page(provider: RazorpayProvider, order: Order, ways: _Ways) -> str:
    amount = shown_money(order.amount, order.currency)
    paid = any(charge.moved_amount for charge in provider.books.charges_for(order))
    state = '<h2 role="status" class="succeeded">Paid. Thank you.</h2>' if paid else _choices(order, ways)
    content = f"""
<div class="card">
<h1>Payment with {escape(provider.settings.name)}</h1>
<p class="amount">{escape(amount)}</p>
<dl><dt>Order</dt><dd>{escape(order.order_reference)}</dd></dl>
{state}
</div>"""
    return page(f"Pay {amount}", content)


def _choices(order: Order, ways: _Ways) -> str:
    methods = "".join(f"<option>{method}</option>" for method in METHODS)
    buttons = "".join(_button(*texts) for texts in _BUTTONS)
    leave = f'<a class="button" href="{escape(ways.cancel_url)}">Leave without paying</a>' if ways.cancel_url else ""
    return f"""<form method="post" action="/window/{order.id}" class="stacked">
<input type="hidden" name="callback_url" value="{escape(ways.callback_url)}">
<input type="hidden" name="cancel_url" value="{escape(ways.cancel_url)}">
<label>Method<select name="method">{methods}</select></label>
{buttons}
{leave}
</form>"""


def _button(token: str, look: str, label: str, hint: str) -> str:
    small = f"<small>{escape(hint)}</small>" if hint else ""
    return f'<button class="{look}" name="token" value="{token}">{label}{small}</button>'


_WORDS = {
    ChargeStatus.SUCCEEDED: "Paid. Thank you.",
    ChargeStatus.PENDING: "The bank takes its time. You may close this window.",
    ChargeStatus.FAILED: "It failed. Nothing was paid: try again.",
}


def _result(provider: RazorpayProvider, order: Order, charge: Charge, ways: _Ways) -> str:
    """Only what was paid comes back signed. A failure stays in the window, where the guest may try again."""
    way_on = _choices(order, ways) if charge.status is ChargeStatus.FAILED else ""
    if charge.status is ChargeStatus.SUCCEEDED and ways.callback_url:
        way_on = _way_back(provider, order, charge, ways)
    state = f'<h2 role="status" class="{charge.status}">{_WORDS[charge.status]}</h2>'
    return page("Payment", f'<div class="card">{state}{way_on}</div>')


def _way_back(provider: RazorpayProvider, order: Order, charge: Charge, ways: _Ways) -> str:
    signed = signature(provider.settings.api_key, f"{order.id}|{charge.id}".encode())
    fields = {"payment_id": charge.id, "order_id": order.id, "signature": signed}
    hidden = "".join(f'<input type="hidden" name="razorpay_{name}" value="{fields[name]}">' for name in fields)
    button = '<button class="go">Back to the shop</button>'
    return f'<form method="post" action="{escape(ways.callback_url)}">{hidden}{button}</form>'


def _message(sentence: str, status: HTTPStatus) -> Reply:
    return html_reply(page("Payment", f'<div class="card"><h2>{escape(sentence)}</h2></div>'), status=status)
