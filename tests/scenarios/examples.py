"""The examples of the API's description that succeed, asked of the live server in the order of an evening."""

from __future__ import annotations

from typing import Any

import httpx

from tests.scenarios.recorder import Recorder, sign_in

LINE = {"name": "Thali", "quantity": 2, "unit_price": {"amount": 32_000, "currency": "INR"}}
INR_64 = {"amount": 64_000, "currency": "INR"}
SHOP = "https://shop.example/done"
UPI = {"method": "upi", "instrument": "sim_ok"}


def record_successes(recorder: Recorder) -> None:
    _callers(recorder)
    _orders(recorder)
    _payments(recorder)
    _doubt(recorder)
    _reading(recorder)
    _guests_choice(recorder)
    _held_shares(recorder)
    _cash(recorder)
    _refunds(recorder)
    _reports(recorder)
    _cases(recorder)


def order(r: Recorder, quantity: int = 2) -> Any:
    """₹640.00, unless it is said otherwise."""
    return r.ask("POST /orders", {"table": "7", "lines": [{**LINE, "quantity": quantity}]})


def card(of: Any, token: str = "sim_ok", **more: Any) -> dict[str, Any]:
    return {"order": of["id"], "method": "card", "instrument": token, **more}


def _callers(r: Recorder) -> None:
    r.say("read_caller", "a key", "GET /caller")
    token = r.say("sign_in", "a waiter", "POST /tokens", sign_in("waiter"), caller="nobody", expected=201)["token"]
    bearer = {"Authorization": f"Bearer {token}"}
    r.say("sign_out", "a waiter", "DELETE /tokens/current", caller="nobody", expected=204, headers=bearer)


def _orders(r: Recorder) -> None:
    body = {"table": "4", "channel": "dine_in", "client_reference": "web-1001", "lines": [LINE]}
    again = {"Idempotency-Key": "example-order"}
    placed = r.say("place_order", "with a reference", "POST /orders", body, expected=201, headers=again)
    r.say("place_order", "sent twice", "POST /orders", body, expected=201, headers=again)
    path = f"/orders/{placed['id']}"
    r.say("list_orders", "one", "GET /orders?client_reference=web-1001")
    r.say("list_orders", "the first of many", "GET /orders?limit=1")
    r.say("read_order", "an order", f"GET {path}")
    r.say("list_payment_methods", "all", f"GET {path}/payment-methods")
    amended = {"lines": [{**LINE, "quantity": 1}], "version": placed["version"]}
    r.say("amend_order", "one less", f"PATCH {path}", amended)
    r.say("confirm_order", "confirmed", f"POST {path}/confirm")
    r.say("fulfil_order", "fulfilled", f"POST {path}/fulfil")
    r.say("cancel_order", "cancelled", f"POST /orders/{order(r)['id']}/cancel")


def _payments(r: Recorder) -> None:
    pay = "POST /payments"
    done = r.say("create_payment", "completed", pay, card(order(r)), expected=201)
    r.say("list_payments", "one", f"GET /payments?order={done['order']['id']}")
    r.say("list_payments", "the first of many", "GET /payments?limit=1")
    r.say("list_attempts", "one", f"GET /payments/{done['id']}/attempts")
    r.say("cancel_payment", "completed already", f"POST /payments/{done['id']}/cancel")
    failed = r.say("create_payment", "declined", pay, card(order(r), "sim_decline_insufficient_funds"), expected=201)
    r.say("retry_payment", "with another method", f"POST /payments/{failed['id']}/retry", UPI)
    declined = r.ask(pay, card(order(r), "sim_decline_insufficient_funds"))
    path = f"POST /payments/{declined['id']}/retry"
    r.say("retry_payment", "the guest decides", path, {"method": "upi"}, expected=202)
    later = {"Prefer": "respond-async"}
    r.say("create_payment", "accepted only", pay, card(order(r)), expected=202, headers=later)
    waiting = r.ask(pay, card(order(r), "sim_pending_for_ever"))
    r.say("cancel_payment", "the provider is asked", f"POST /payments/{waiting['id']}/cancel", expected=202)


def _doubt(r: Recorder) -> None:
    of = order(r)
    key = {"Idempotency-Key": "example-doubt"}
    body = card(of, "sim_timeout_after_effect")
    doubtful = r.say("create_payment", "in doubt", "POST /payments", body, expected=202, headers=key)
    r.say("refresh_payment", "asked", f"POST /payments/{doubtful['id']}/refresh")
    r.say("create_payment", "sent again after a doubt", "POST /payments", body, expected=201, headers=key)
    waiting = r.ask("POST /payments", card(order(r), "sim_pending_for_ever"))
    r.say("refresh_payment", "still pending", f"POST /payments/{waiting['id']}/refresh", expected=202)
    r.say("read_payment", "still pending", f"GET /payments/{waiting['id']}")
    r.say("extend_hold", "being paid already", f"POST /payments/{waiting['id']}/hold", expected=202)


def _reading(r: Recorder) -> None:
    done = r.ask("POST /payments", card(order(r)))
    r.say("read_payment", "completed", f"GET /payments/{done['id']}")
    tag = r.send(f"GET /payments/{done['id']}").headers["etag"]
    r.say("read_payment", "known", f"GET /payments/{done['id']}", expected=304, headers={"If-None-Match": tag})
    path = f"GET {done['links']['events']}"
    version = {"Last-Event-ID": str(done["version"])}
    r.say("stream_payment", "nothing more", path, expected=204, headers=version)
    _first_message(r, path)


def _first_message(r: Recorder, path: str) -> None:
    """A stream of a payment that has not ended has no end either: what it says first is enough."""
    with r.listen(path) as answer:
        lines = answer.iter_lines()
        text = "\n".join(next(lines) for _ in range(3))
        r.keep("stream_payment", "the first message", answer, body=None, said=f"{text}\n\n")


def _guests_choice(r: Recorder) -> None:
    body = {"order": order(r)["id"], "method": "card", "return_url": SHOP}
    waiting = r.say("create_payment", "the guest decides", "POST /payments", body, expected=202)
    approved = httpx.post(f"{waiting['next_step']['url']}/approve", trust_env=False)
    query = approved.headers["location"].partition("?")[2]
    r.say("verify_handshake", "signed", f"POST /payments/{waiting['id']}/handshake", {"query": query})


def _held_shares(r: Recorder) -> None:
    body = {"order": order(r)["id"], "amount": {"amount": 20_000, "currency": "INR"}, "hold": True}
    held = r.say("create_payment", "a held share", "POST /payments", body, expected=201)
    path = f"POST /payments/{held['id']}"
    r.say("extend_hold", "longer", f"{path}/hold")
    token = r.say("make_client_token", "for a browser", f"{path}/client-tokens", expected=201)["client_token"]
    r.know("browser", token)
    r.say("start_payment", "chosen", f"{path}/start", UPI)
    other = r.ask("POST /payments", body)
    chosen = {"method": "card"}
    r.say("start_payment", "the guest decides", f"POST /payments/{other['id']}/start", chosen, expected=202)


def _cash(r: Recorder) -> None:
    body = {"order": order(r)["id"], "method": "cash"}
    asked = r.say("create_payment", "cash", "POST /payments", body, expected=202)
    taken = {"amount": INR_64, "given": {"amount": 70_000, "currency": "INR"}}
    r.say("confirm_cash", "taken", f"POST /payments/{asked['id']}/cash", taken, caller="waiter")


def _refunds(r: Recorder) -> None:
    paid = r.ask("POST /payments", card(order(r)))
    path = f"POST /payments/{paid['id']}/refunds"
    part = {"amount": {"amount": 5_000, "currency": "INR"}, "reason": "The soup was cold."}
    refund = r.say("create_refund", "a part", path, part, expected=201)
    doubtful = r.ask("POST /payments", card(order(r), "sim_refund_timeout_after_effect"))
    whole = {"reason": "The guest left before the food came."}
    r.say("create_refund", "in doubt", f"POST /payments/{doubtful['id']}/refunds", whole, expected=202)
    r.say("list_refunds", "one", f"GET /refunds?payment={paid['id']}")
    r.say("list_refunds", "the first of many", "GET /refunds?limit=1")
    path = f"/refunds/{refund['id']}"
    r.say("read_refund", "completed", f"GET {path}")
    tag = r.send(f"GET {path}").headers["etag"]
    r.say("read_refund", "known", f"GET {path}", expected=304, headers={"If-None-Match": tag})
    r.say("refresh_refund", "completed", f"POST {path}/refresh")


def _reports(r: Recorder) -> None:
    r.say("list_providers", "all", "GET /providers", caller="finance")
    r.say("daily_statistics", "no day", "GET /statistics/daily?from=2026-01-01&to=2026-01-02", caller="finance")


def _cases(r: Recorder) -> None:
    """The demo's own: a refund that was refused."""
    listed = r.say("list_cases", "one", "GET /cases?kind=refund_failed&waiting=true", caller="finance")
    r.say("list_cases", "the first of many", "GET /cases?limit=1", caller="finance")
    path = f"/cases/{listed['items'][0]['id']}"
    r.say("read_case", "a failed refund", f"GET {path}", caller="finance")
    r.say("assign_case", "taken", f"POST {path}/assign", caller="finance")
    done = {"action": "dismiss", "reason": "Seen in the provider's dashboard."}
    r.say("act_on_case", "dismissed", f"POST {path}/actions", done, caller="finance")
    _approvals(r)


def _approvals(r: Recorder) -> None:
    """One of finance wants the other case of the demo back in the queue, and the lead agrees."""
    (case,) = r.ask("GET /cases?kind=refund_failed&status=dismissed", caller="finance")["items"]
    wanted = {"action": "reopen", "reason": "The guest called once more."}
    r.say("act_on_case", "a second person is asked", f"POST /cases/{case['id']}/actions", wanted, caller="finance")
    listed = r.say("list_approvals", "one", "GET /approvals?pending=true", caller="lead")
    path = f"/approvals/{listed['items'][0]['id']}"
    r.say("read_approval", "it waits", f"GET {path}", caller="lead")
    agreed = {"verdict": "approve", "reason": "Heard it too."}
    r.say("answer_approval", "approved, and done", f"POST {path}/answer", agreed, caller="lead")
