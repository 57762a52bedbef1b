"""What people see of a provider: the operator's overview, and whatever its kind shows to guests. No script."""

from __future__ import annotations

import hmac
from dataclasses import replace
from datetime import UTC, datetime
from html import escape
from http import HTTPStatus
from urllib.parse import parse_qsl

from sandbox import admin
from sandbox.behaviours import CHARGES, ChargeStatus, Mode
from sandbox.books import Charge
from sandbox.company import Company
from sandbox.layout import page, shown_money
from sandbox.wire import Refusal, Reply, Request, html_reply, redirect_reply

LAST_CHARGES = 20  # As many as one looks at.
DEFAULT_MODE_SECONDS = 30  # Long enough to see something fail, short enough to be forgotten.
_HEADERS = {
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
}


def is_page_path(provider: Company, path: str) -> bool:
    return path in {"/", "/mode"} or path.startswith(provider.guest_paths)


def handle(provider: Company, request: Request) -> Reply:
    """Pages work in every mode: guests and operators are not callers of the API."""
    with provider.lock:
        provider.till.tick()
        reply = _route(provider, request)
    provider.books.sync()
    return replace(reply, headers={**_HEADERS, **reply.headers})


def _route(provider: Company, request: Request) -> Reply:
    if guests_page := provider.guest_page(request):
        return guests_page
    if request.path == "/" and request.method == "GET":
        return html_reply(_overview(provider))
    if request.path == "/mode" and request.method == "POST":
        return _change_mode(provider, request)
    return _message("There is nothing here.", HTTPStatus.NOT_FOUND)


def _change_mode(provider: Company, request: Request) -> Reply:
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


def _overview(provider: Company) -> str:
    name, charges = provider.settings.name, list(provider.books.charges.values())[: -LAST_CHARGES - 1 : -1]
    rows = "".join(map(_row, charges)) or '<li class="quiet">No charge yet.</li>'
    content = f"""
<h1>{escape(name)}</h1>
<div class="card"><h2>Mode: {provider.steering.mode}</h2>{_mode_form(provider)}</div>
<div class="card"><h2>Last charges</h2><ul>{rows}</ul></div>"""
    return page(f"{name}: sandbox provider", content, is_wide=True)


def _mode_form(provider: Company) -> str:
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
<b class="side">{escape(shown_money(charge.amount, charge.currency))}</b>
<span class="quiet">{token}<br>{at}</span>
<span class="side"><span class="state {charge.status}">{charge.status}</span></span>
</li>"""
