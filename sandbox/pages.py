"""What people see of the provider: the guest's payment page and the operator's overview. Plain HTML, no script."""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from dataclasses import replace
from datetime import UTC, datetime
from html import escape
from http import HTTPStatus
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from kernel.money import Money, is_currency
from sandbox import admin
from sandbox.behaviours import CHARGES, ChargeStatus, Mode
from sandbox.books import Charge
from sandbox.layout import page
from sandbox.provider import Provider
from sandbox.wire import Refusal, Reply, Request, html_reply, redirect_reply

LAST_CHARGES = 20  # As many as one looks at.
DEFAULT_MODE_SECONDS = 30  # Long enough to see something fail, short enough to be forgotten.
_PAY = re.compile(r"/pay/(ch_[0-9a-f]{32})(?:/(approve|decline|approve-late|close))?")
_HEADERS = {
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
}


def is_page_path(path: str) -> bool:
    return path in {"/", "/mode"} or path.startswith("/pay/")


def handle(provider: Provider, request: Request) -> Reply:
    """Pages work in every mode: guests and operators are not callers of the API."""
    with provider.lock:
        provider.till.tick()
        reply = _route(provider, request)
    provider.books.sync()
    return replace(reply, headers={**_HEADERS, **reply.headers})


def _route(provider: Provider, request: Request) -> Reply:
    match = _PAY.fullmatch(request.path)
    charge = provider.books.charges.get(match[1]) if match else None
    if match and charge and request.method == "POST" and match[2]:
        return _press(provider, charge, match[2])
    if match and charge and request.method == "GET" and not match[2]:
        return html_reply(_guest_page(provider, charge))
    if request.path == "/" and request.method == "GET":
        return html_reply(_overview(provider))
    if request.path == "/mode" and request.method == "POST":
        return _change_mode(provider, request)
    return _message("There is nothing here.", HTTPStatus.NOT_FOUND)


def _press(provider: Provider, charge: Charge, button: str) -> Reply:
    """A second press, or one on a charge that is no longer open, changes nothing and goes the same way."""
    if charge.status is ChargeStatus.PENDING and charge.due_status is None:
        if button == "approve":
            provider.till.settle_charge(charge, ChargeStatus.SUCCEEDED)
        elif button == "decline":
            provider.till.settle_charge(charge, ChargeStatus.FAILED, failure_code="declined_by_guest")
        elif button == "approve-late":
            provider.till.approve_late(charge)
    return redirect_reply(_way_back(provider, charge.id))


def _way_back(provider: Provider, charge_id: str) -> str:
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


def _change_mode(provider: Provider, request: Request) -> Reply:
    form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
    if not hmac.compare_digest(form.get("token", "").encode(), provider.form_token.encode()):
        return _message("This form is older than the provider. Open the overview again.", HTTPStatus.FORBIDDEN)
    seconds = form.get("seconds", "").strip()
    try:
        admin.set_mode(provider, {"mode": form.get("mode"), "seconds": float(seconds) if seconds else None})
    except (Refusal, ValueError):
        return _message("This mode needs a number of seconds.", HTTPStatus.BAD_REQUEST)
    if provider.steering.mode is Mode.REFUSING:
        return _message(f"Connections are refused for {seconds} seconds, this page's too.", HTTPStatus.OK)
    return redirect_reply("/")


def _message(sentence: str, status: HTTPStatus) -> Reply:
    content = f'<div class="card"><h2>{escape(sentence)}</h2><a class="button" href="/">To the overview</a></div>'
    return html_reply(page("Sandbox", content), status=status)


def _guest_page(provider: Provider, charge: Charge) -> str:
    is_open = charge.status is ChargeStatus.PENDING and charge.due_status is None
    content = f"""
<div class="card">
<h1>Payment with {escape(provider.settings.name)}</h1>
<p class="amount">{escape(_money(charge.amount, charge.currency))}</p>
<dl><dt>Order</dt><dd>{escape(charge.order_reference)}</dd><dt>Method</dt><dd>{escape(charge.method)}</dd></dl>
{"".join(_button(charge, *texts) for texts in _BUTTONS) if is_open else _closed(charge)}
</div>"""
    return page(f"Pay {_money(charge.amount, charge.currency)}", content)


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


def _overview(provider: Provider) -> str:
    name, charges = provider.settings.name, list(provider.books.charges.values())[: -LAST_CHARGES - 1 : -1]
    rows = "".join(map(_row, charges)) or '<li class="quiet">No charge yet.</li>'
    content = f"""
<h1>{escape(name)}</h1>
<div class="card"><h2>Mode: {provider.steering.mode}</h2>{_mode_form(provider)}</div>
<div class="card"><h2>Last charges</h2><ul>{rows}</ul></div>"""
    return page(f"{name}: sandbox provider", content, is_wide=True)


def _mode_form(provider: Provider) -> str:
    current = provider.steering.mode
    options = "".join(f"<option{' selected' if mode is current else ''}>{mode}</option>" for mode in Mode)
    return f"""<form class="fields" method="post" action="/mode">
<input type="hidden" name="token" value="{provider.form_token}">
<label>Mode<select name="mode">{options}</select></label>
<label>For how many seconds<input name="seconds" inputmode="decimal" value="{DEFAULT_MODE_SECONDS}"></label>
<button>Change the mode</button>
</form>"""


def _row(charge: Charge) -> str:
    at = datetime.fromtimestamp(charge.created, UTC).strftime("%d %b, %H:%M:%S UTC")
    has_page = charge.status is ChargeStatus.PENDING and CHARGES[charge.token].has_page
    order = escape(charge.order_reference)
    token = escape(charge.token or "no token").replace("_", "_<wbr>")  # A phone is narrower than some tokens.
    return f"""<li>
<span>{f'<a href="/pay/{charge.id}">{order}</a>' if has_page else order}</span>
<b class="side">{escape(_money(charge.amount, charge.currency))}</b>
<span class="quiet">{token}<br>{at}</span>
<span class="side"><span class="state {charge.status}">{charge.status}</span></span>
</li>"""


def _money(amount: int, currency: str) -> str:
    """The API takes any three letters for a currency, and a page must not fail over them."""
    return Money(amount, currency).display() if is_currency(currency) else f"{amount} {currency}"
