"""The window in which a guest pays an order: what Razorpay's hosted page does, with buttons for what may happen."""

from __future__ import annotations

import re
from collections.abc import Mapping
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
    back = form.get("callback_url", request.query.get("callback_url", ""))
    back = back if back.startswith(("https://", "http://")) else ""
    if match and request.method == "POST":
        return _pressed(provider, order, form, back)
    return html_reply(_page(provider, order, back))


def _pressed(provider: RazorpayProvider, order: Order, form: Mapping[str, str], back: str) -> Reply:
    method = form.get("method", "card")
    try:
        charge = provider.pay(order, token=form.get("token", ""), method=method if method in METHODS else "card")
    except Refusal:
        return html_reply(_page(provider, order, back))
    return html_reply(_result(provider, order, charge, back))


def _page(provider: RazorpayProvider, order: Order, back: str) -> str:
    amount = shown_money(order.amount, order.currency)
    paid = any(charge.moved_amount for charge in provider.books.charges_for(order))
    state = '<h2 role="status" class="succeeded">Paid. Thank you.</h2>' if paid else _choices(order, back)
    content = f"""
<div class="card">
<h1>Payment with {escape(provider.settings.name)}</h1>
<p class="amount">{escape(amount)}</p>
<dl><dt>Order</dt><dd>{escape(order.order_reference)}</dd></dl>
{state}
</div>"""
    return page(f"Pay {amount}", content)


def _choices(order: Order, back: str) -> str:
    methods = "".join(f"<option>{method}</option>" for method in METHODS)
    buttons = "".join(_button(*texts) for texts in _BUTTONS)
    return f"""<form method="post" action="/window/{order.id}" class="buttons">
<input type="hidden" name="callback_url" value="{escape(back)}">
<label>Method<select name="method">{methods}</select></label>
{buttons}
</form>"""


def _button(token: str, look: str, label: str, hint: str) -> str:
    small = f"<small>{escape(hint)}</small>" if hint else ""
    return f'<button class="{look}" name="token" value="{token}">{label}{small}</button>'


def _result(provider: RazorpayProvider, order: Order, charge: Charge, back: str) -> str:
    """Only what was authorised comes back signed. A failure stays in the window, where the guest may try again."""
    failed = charge.status is ChargeStatus.FAILED
    words = "It failed. Nothing was paid: try again." if failed else "Done."
    again = _choices(order, back) if failed else ""
    way_back = _way_back(provider, order, charge, back) if back and not failed else ""
    content = f'<div class="card"><h2 role="status" class="{charge.status}">{words}</h2>{way_back}{again}</div>'
    return page("Payment", content)


def _way_back(provider: RazorpayProvider, order: Order, charge: Charge, back: str) -> str:
    signed = signature(provider.settings.api_key, f"{order.id}|{charge.id}".encode())
    fields = {"payment_id": charge.id, "order_id": order.id, "signature": signed}
    hidden = "".join(f'<input type="hidden" name="razorpay_{name}" value="{fields[name]}">' for name in fields)
    return f'<form method="post" action="{escape(back)}">{hidden}<button class="go">Back to the shop</button></form>'


def _message(sentence: str, status: HTTPStatus) -> Reply:
    return html_reply(page("Payment", f'<div class="card"><h2>{escape(sentence)}</h2></div>'), status=status)
