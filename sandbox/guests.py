"""The guest's payment page of the sandbox's own provider. Plain HTML, no script."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from html import escape
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from sandbox.behaviours import ChargeStatus
from sandbox.books import Charge
from sandbox.company import Company
from sandbox.layout import page, shown_money
from sandbox.wire import Reply, Request, html_reply, redirect_reply

_PAY = re.compile(r"/pay/(ch_[0-9a-f]{32})(?:/(approve|decline|approve-late|close))?")


def answer(provider: Company, request: Request) -> Reply | None:
    match = _PAY.fullmatch(request.path)
    charge = provider.books.charges.get(match[1]) if match else None
    if match and charge and request.method == "POST" and match[2]:
        return _press(provider, charge, match[2])
    if match and charge and request.method == "GET" and not match[2]:
        return html_reply(_guest_page(provider, charge))
    return None


def _press(provider: Company, charge: Charge, button: str) -> Reply:
    """A second press, or one on a charge that is no longer open, changes nothing and goes the same way."""
    if charge.status is ChargeStatus.PENDING and charge.due_status is None:
        if button == "approve":
            provider.till.settle_charge(charge, ChargeStatus.SUCCEEDED)
        elif button == "decline":
            provider.till.settle_charge(charge, ChargeStatus.FAILED, failure_code="declined_by_guest")
        elif button == "approve-late":
            provider.till.approve_late(charge)
    return redirect_reply(_way_back(provider, charge.id))


def _way_back(provider: Company, charge_id: str) -> str:
    """To the shop, with the same signed news that a webhook brings: a shop need not believe an address."""
    charge = provider.books.charges[charge_id]
    if not charge.return_url:
        return f"/pay/{charge_id}"
    news = provider.till.news_for_browser(charge)
    said = {
        "sandbox_event": urlsafe_b64encode(news.body).decode(),
        "sandbox_signature": news.headers["x-sandbox-signature"],
    }
    parts = urlsplit(charge.return_url)
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *said.items()])
    return urlunsplit(parts._replace(query=query))


def _guest_page(provider: Company, charge: Charge) -> str:
    is_open = charge.status is ChargeStatus.PENDING and charge.due_status is None
    content = f"""
<div class="card">
<h1>Payment with {escape(provider.settings.name)}</h1>
<p class="amount">{escape(shown_money(charge.amount, charge.currency))}</p>
<dl><dt>Order</dt><dd>{escape(charge.order_reference)}</dd><dt>Method</dt><dd>{escape(charge.method)}</dd></dl>
{"".join(_button(charge, *texts) for texts in _BUTTONS) if is_open else _closed(charge)}
</div>"""
    return page(f"Pay {shown_money(charge.amount, charge.currency)}", content)


_BUTTONS = (
    ("approve", "go", "Approve", ""),
    ("decline", "stop", "Decline", ""),
    ("approve-late", "", "Approve late", "The money comes afterwards."),
    ("close", "", "Close", "Go back without deciding."),
)


def _button(charge: Charge, verb: str, look: str, label: str, hint: str) -> str:
    small = f"<small>{escape(hint)}</small>" if hint else ""
    button = f'<button class="{look}">{label}{small}</button>'
    return f'<form method="post" action="/pay/{charge.id}/{verb}">{button}</form>'


_CLOSED = {
    ChargeStatus.PENDING: "You approved. The money is on its way.",
    ChargeStatus.SUCCEEDED: "Paid. Thank you.",
    ChargeStatus.FAILED: "Declined. Nothing was paid.",
    ChargeStatus.CANCELLED: "Cancelled. Nothing can be paid here any more.",
}


def _closed(charge: Charge) -> str:
    back = f'<a class="button" href="{escape(charge.return_url)}">Back to the shop</a>' if charge.return_url else ""
    return f'<h2 role="status" class="{charge.status}">{_CLOSED[charge.status]}</h2>{back}'
