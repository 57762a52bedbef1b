"""The door for tests and operators of the sandbox: books, request log, and orders to misbehave."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from sandbox.behaviours import LOOK_UPS, REFUNDS, Mode
from sandbox.books import Charge, Origin
from sandbox.company import Company
from sandbox.terms import amount, choice, invalid, number, refund_refused, text, times
from sandbox.wire import Refusal, Reply, Request, json_reply

MAX_SECONDS = 24 * 3600.0  # A mode that outlives a day was forgotten, not meant.


def is_admin_path(path: str) -> bool:
    return path in _READS or path.startswith("/v1/admin/")


def handle(provider: Company, request: Request) -> Reply:
    """Works in every mode: who broke the provider must be able to mend it."""
    try:
        provider.allow(request, provider.settings.admin_key or provider.settings.api_key)
        with provider.lock:
            provider.till.tick()
            value = _done(provider, request)
        provider.books.sync()
        return json_reply(value)
    except Refusal as refusal:
        return refusal.reply


def _done(provider: Company, request: Request) -> dict[str, Any]:
    is_write = request.method == "POST"
    script = provider.scripts.get(request.path.removeprefix("/v1/admin/")) if is_write else None
    if script is not None:
        return script(request.json())
    verb = (_WRITES if is_write else _READS).get(request.path)
    if verb is None:
        raise Refusal(HTTPStatus.NOT_FOUND, "no_such_path", "There is nothing at this path.")
    return verb(provider, request.json() if is_write else dict(request.query))


def set_mode(provider: Company, body: Mapping[str, Any]) -> dict[str, Any]:
    mode = Mode(choice(body, "mode", list(Mode)))
    seconds = number(body, "seconds", most=MAX_SECONDS)
    delay_seconds = number(body, "delay_seconds", most=MAX_SECONDS)
    if mode is Mode.REFUSING and seconds is None:
        raise invalid("refusing needs seconds: while it refuses, nobody can tell it to stop.")
    provider.steering.set_mode(mode, seconds=seconds, delay_seconds=delay_seconds)
    return {"mode": mode, "seconds": seconds}


def _books(provider: Company, query: Mapping[str, Any]) -> dict[str, Any]:
    """Captures and refunds per order: what tests compare our own books with."""
    books, wanted = provider.books, query.get("order_reference")
    return {
        "orders": {
            reference: {
                "captured": books.captured(reference),
                "refunded": books.refunded(reference),
                "charges": [provider.till.show(charge) for charge in books.charges_of_order(reference)],
            }
            for reference in ([wanted] if wanted else books.order_references())
        }
    }


def _requests(provider: Company, query: Mapping[str, Any]) -> dict[str, Any]:
    wanted = query.get("key")
    received = [one for one in provider.books.requests if wanted in {None, one.key}]
    return {
        "requests": [{"at": one.at, "method": one.method, "path": one.path, "key": one.key} for one in received],
        "sends": provider.books.sends(wanted) if wanted else None,
    }


def _steer_look_ups(provider: Company, body: Mapping[str, Any]) -> dict[str, Any]:
    behaviour = choice(body, "behaviour", LOOK_UPS)
    provider.steering.set_look_ups(behaviour, times=times(body))
    return {"behaviour": behaviour, "times": times(body)}


def _steer_refund(provider: Company, body: Mapping[str, Any]) -> dict[str, Any]:
    behaviour = choice(body, "behaviour", REFUNDS)
    provider.steering.add_refunds(behaviour, times=times(body))
    return {"behaviour": behaviour, "times": times(body)}


def _refund_here(provider: Company, body: Mapping[str, Any]) -> dict[str, Any]:
    charge: Charge | None = provider.books.charge_of_key(text(body, "charge_key", required=True))
    origin = Origin(choice({"origin": "dashboard", **body}, "origin", [Origin.DASHBOARD, Origin.CHARGEBACK]))
    if charge is None or amount(body) > provider.books.refundable(charge):
        raise refund_refused("That much was not captured, or it was refunded already.")
    return provider.till.show(provider.till.refund_here(charge, amount(body), origin))


def _happen_now(provider: Company, body: Mapping[str, Any]) -> dict[str, Any]:
    return {"happened": provider.happen_now(text(body, "key", required=True))}


def _show_mode(provider: Company, query: Mapping[str, Any]) -> dict[str, Any]:
    return {"mode": provider.steering.mode}


_Verb = Callable[[Company, Mapping[str, Any]], dict[str, Any]]
_READS: Mapping[str, _Verb] = {
    "/v1/books": _books,
    "/v1/requests": _requests,
    "/v1/admin/mode": _show_mode,
}
_WRITES: Mapping[str, _Verb] = {
    "/v1/admin/mode": set_mode,
    "/v1/admin/look-ups": _steer_look_ups,
    "/v1/admin/next-refund": _steer_refund,
    "/v1/admin/dashboard-refund": _refund_here,
    "/v1/admin/happen-now": _happen_now,
}
