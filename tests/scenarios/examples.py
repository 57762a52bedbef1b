"""The examples of the API's description: asked of the live server, and told without what changes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.scenarios.stack import Stack

ELSEWHERE = "https://pay.example.com"
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_REFERENCE = re.compile(r"\b([OP])-[0-9A-HJKMNP-TV-Z]{8}\b")
_SECRET = re.compile(r"\b(user_(?:test|live)|pay)_[A-Za-z0-9_:-]{20,}")
_LOCAL = re.compile(r"http://127\.0\.0\.1:\d+")
_REQUEST = re.compile(r"req-[0-9A-Z]{8}-[0-9A-Z]{8}")
_CHARGE = re.compile(r"\bch_[0-9a-f]{32}\b")
_CURSOR = re.compile(r'"next_cursor": "[^"]+"')
_DAY = re.compile(r'"day": "[^"]+"')
_LATENCY = re.compile(r'"(latency_ms|p50_ms|p95_ms)": [0-9.]+')
LINE = {"name": "Thali", "quantity": 2, "unit_price": {"amount": 32_000, "currency": "INR"}}
INR_64 = {"amount": 64_000, "currency": "INR"}


@dataclass
class Recorder:
    """Speaks as several callers, and keeps what it said and heard by operation and name."""

    stack: Stack
    kept: dict[str, dict[str, Any]] = field(default_factory=dict)
    _callers: dict[str, httpx.Client] = field(default_factory=dict)
    _count: int = 0

    def __post_init__(self) -> None:
        self._callers["key"] = self._client(str(self.stack.record["api_keys"][1]["key"]))
        self._callers["nobody"] = self._client("")
        for name in ("waiter", "finance"):
            body = {"username": name, "password": "steward-demo", "restaurant": "saffron-table", "mode": "test"}
            answer = self._callers["nobody"].post("/tokens", json=body)
            self._callers[name] = self._client(str(answer.json()["token"]))

    def close(self) -> None:
        for client in self._callers.values():
            client.close()

    def say(
        self,
        operation: str,
        name: str,
        request: str,
        body: Any = None,
        *,
        caller: str = "key",
        expected: int = 200,
        headers: dict[str, str] | None = None,
    ) -> Any:
        """`request` is a method and a path. What is expected is the status."""
        method, _, path = request.partition(" ")
        self._count += 1
        answer = self._callers[caller].request(
            method, path, json=body, headers={"Idempotency-Key": f"example-{self._count}", **(headers or {})}
        )
        assert answer.status_code == expected, f"{operation}, {name}: {answer.status_code} {answer.text}"
        said = answer.json() if answer.content else None
        self.kept.setdefault(operation, {})[name] = {"status": expected, "body": body, "answer": said}
        return said

    def told(self) -> dict[str, Any]:
        """Everything that is another one at each run stands for itself: the n-th id is always the same."""
        text = json.dumps(self.kept, ensure_ascii=False)
        text = _numbered(_UUID, text, lambda number: f"019c8a4e-0000-7000-8000-{number:012}")
        text = _numbered(_REFERENCE, text, lambda number: f"X-{number:08}")
        text = _SECRET.sub(lambda match: f"{match[1]}_…", text)
        for pattern, word in (
            (_MOMENT, "2026-11-25T18:30:00Z"),
            (_LOCAL, ELSEWHERE),
            (_CHARGE, "ch_0123456789abcdef0123456789abcdef"),
            (_REQUEST, "req-4K7M2Q9X-9B3TZ0AW"),
            (_CURSOR, '"next_cursor": "WyItY3JlYXRlZF9hdCJd"'),
            (_DAY, '"day": "2026-11-25"'),
        ):
            text = pattern.sub(word, text)
        told: dict[str, Any] = json.loads(_LATENCY.sub(lambda match: f'"{match[1]}": 120', text))
        return told

    def _client(self, secret: str) -> httpx.Client:
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        base = f"{self.stack.record['addresses']['web']}/api/v1"
        return httpx.Client(base_url=base, headers=headers, timeout=30, trust_env=False)


def _numbered(pattern: re.Pattern[str], text: str, stand_in: Callable[[int], str]) -> str:
    known: dict[str, str] = {}
    return pattern.sub(lambda match: known.setdefault(match[0], stand_in(len(known) + 1)), text)


def record(recorder: Recorder) -> None:
    _callers(recorder)
    _orders(recorder)
    _payments(recorder)
    _choices(recorder)
    _cash(recorder)
    _refunds(recorder)
    _reports(recorder)
    _cases(recorder)


def order(r: Recorder) -> str:
    return str(r.say("place_order", "an order", "POST /orders", {"table": "7", "lines": [LINE]}, expected=201)["id"])


def payment(r: Recorder, name: str, token: str, *, expected: int = 201) -> Any:
    body = {"order": order(r), "method": "card", "instrument": token}
    return r.say("create_payment", name, "POST /payments", body, expected=expected)


def _callers(r: Recorder) -> None:
    body = {"username": "waiter", "password": "steward-demo", "restaurant": "saffron-table", "mode": "test"}
    token = r.say("sign_in", "a waiter", "POST /tokens", body, caller="nobody", expected=201)["token"]
    r.say("sign_in", "wrong_password", "POST /tokens", {**body, "password": "guess"}, caller="nobody", expected=401)
    r.say("read_caller", "a key", "GET /caller")
    r.say("read_caller", "unauthenticated", "GET /caller", caller="nobody", expected=401)
    r.say(
        "read_caller",
        "bad_credentials",
        "GET /caller",
        caller="nobody",
        expected=401,
        headers={"Authorization": "Bearer test_unknown"},
    )
    bearer = {"Authorization": f"Bearer {token}"}
    r.say("sign_out", "a waiter", "DELETE /tokens/current", caller="nobody", expected=204, headers=bearer)


def _orders(r: Recorder) -> None:
    placed = r.say(
        "place_order",
        "with a reference",
        "POST /orders",
        {"table": "4", "channel": "dine_in", "client_reference": "web-1001", "lines": [LINE]},
        expected=201,
    )
    again = {"client_reference": "web-1001", "lines": [LINE]}
    r.say("place_order", "client_reference_taken", "POST /orders", again, expected=409)
    r.say("place_order", "invalid_request", "POST /orders", {"tabel": "4", "lines": []}, expected=422)
    r.say("place_order", "not_allowed", "POST /orders", again, caller="finance", expected=403)
    no_key = {"Idempotency-Key": ""}
    r.say("place_order", "idempotency_key_missing", "POST /orders", again, expected=400, headers=no_key)
    path = f"/orders/{placed['id']}"
    r.say("list_orders", "one", "GET /orders?client_reference=web-1001")
    r.say("list_orders", "bad_query", "GET /orders?colour=red", expected=400)
    r.say("read_order", "an order", f"GET {path}")
    r.say("read_order", "not_found", "GET /orders/019c8a4e-0000-7000-8000-000000000000", expected=404)
    r.say("list_payment_methods", "all", f"GET {path}/payment-methods")
    amended = {"lines": [{**LINE, "quantity": 1}], "version": placed["version"]}
    r.say("amend_order", "one less", f"PATCH {path}", amended)
    r.say("amend_order", "stale_version", f"PATCH {path}", amended, expected=409)
    r.say("confirm_order", "confirmed", f"POST {path}/confirm")
    r.say("fulfil_order", "fulfilled", f"POST {path}/fulfil")
    r.say("confirm_order", "cannot_confirm", f"POST {path}/confirm", expected=409)
    r.say("cancel_order", "cannot_cancel", f"POST {path}/cancel", expected=409)
    r.say("cancel_order", "cancelled", f"POST /orders/{order(r)}/cancel")


def _payments(r: Recorder) -> None:
    done = payment(r, "completed", "sim_ok")
    r.say("list_payments", "one", f"GET /payments?order={done['order']['id']}")
    r.say("read_payment", "completed", f"GET /payments/{done['id']}")
    r.say("list_attempts", "one", f"GET /payments/{done['id']}/attempts")
    r.say("cancel_payment", "completed already", f"POST /payments/{done['id']}/cancel")
    body = {"order": done["order"]["id"], "method": "card", "instrument": "sim_ok"}
    r.say("create_payment", "already_covered", "POST /payments", body, expected=409)
    failed = payment(r, "declined", "sim_decline_insufficient_funds")
    r.say("retry_payment", "with another method", f"POST /payments/{failed['id']}/retry", _UPI)
    r.say("retry_payment", "not_failed", f"POST /payments/{failed['id']}/retry", _UPI, expected=409)
    doubtful = payment(r, "in doubt", "sim_timeout_after_effect", expected=202)
    r.say("refresh_payment", "asked", f"POST /payments/{doubtful['id']}/refresh")
    waiting = r.say(
        "create_payment",
        "the guest decides",
        "POST /payments",
        {"order": order(r), "method": "card", "return_url": "https://shop.example/done"},
        expected=202,
    )
    approved = httpx.post(f"{waiting['next_step']['url']}/approve", trust_env=False)
    query = approved.headers["location"].partition("?")[2]
    path = f"POST /payments/{waiting['id']}/handshake"
    r.say("verify_handshake", "signed", path, {"query": query})
    r.kept["verify_handshake"]["signed"]["body"] = {"query": "sandbox_event=…&sandbox_signature=…"}
    r.say("verify_handshake", "bad_handshake", path, {"query": "status=paid"}, expected=422)


_UPI = {"method": "upi", "instrument": "sim_ok"}


def _choices(r: Recorder) -> None:
    body = {"order": order(r), "amount": {"amount": 20_000, "currency": "INR"}, "hold": True}
    held = r.say("create_payment", "a held share", "POST /payments", body, expected=201)
    path = f"POST /payments/{held['id']}"
    r.say("extend_hold", "longer", f"{path}/hold")
    r.say("make_client_token", "for a browser", f"{path}/client-tokens", expected=201)
    r.say("start_payment", "chosen", f"{path}/start", _UPI)
    r.say("start_payment", "not_waiting", f"{path}/start", _UPI, expected=409)


def _cash(r: Recorder) -> None:
    body = {"order": order(r), "method": "cash"}
    asked = r.say("create_payment", "cash", "POST /payments", body, expected=202)
    path = f"POST /payments/{asked['id']}/cash"
    r.say("confirm_cash", "not_exact", path, {"amount": {**INR_64, "amount": 60_000}}, caller="waiter", expected=409)
    taken = {"amount": INR_64, "given": {"amount": 70_000, "currency": "INR"}}
    r.say("confirm_cash", "taken", path, taken, caller="waiter")


def _refunds(r: Recorder) -> None:
    paid = payment(r, "completed", "sim_ok")
    path = f"POST /payments/{paid['id']}/refunds"
    part = {"amount": {"amount": 5_000, "currency": "INR"}, "reason": "The soup was cold."}
    refund = r.say("create_refund", "a part", path, part, expected=201)
    r.say("create_refund", "more_than_left", path, {**part, "amount": INR_64}, expected=409)
    r.say("list_refunds", "one", f"GET /refunds?payment={paid['id']}")
    r.say("read_refund", "completed", f"GET /refunds/{refund['id']}")
    r.say("refresh_refund", "completed", f"POST /refunds/{refund['id']}/refresh")


def _reports(r: Recorder) -> None:
    r.say("list_providers", "all", "GET /providers", caller="finance")
    r.say("daily_statistics", "no day", "GET /statistics/daily?from=2026-01-01&to=2026-01-02", caller="finance")


def _cases(r: Recorder) -> None:
    """The demo's own: a refund that was refused."""
    listed = r.say("list_cases", "one", "GET /cases?kind=refund_failed&waiting=true", caller="finance")
    path = f"/cases/{listed['items'][0]['id']}"
    r.say("read_case", "a failed refund", f"GET {path}", caller="finance")
    r.say("assign_case", "taken", f"POST {path}/assign", caller="finance")
    act = {"action": "keep", "reason": "Seen in the provider's dashboard."}
    r.say("act_on_case", "no_such_action", f"POST {path}/actions", act, caller="finance", expected=422)
    done = {**act, "action": "dismiss"}
    r.say("act_on_case", "dismissed", f"POST {path}/actions", done, caller="finance")
    r.say("act_on_case", "already_ended", f"POST {path}/actions", done, caller="finance", expected=409)
