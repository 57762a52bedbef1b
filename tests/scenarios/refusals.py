"""The refusals of the API's description that are an operation's own, each provoked on the live server."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Thread
from typing import Any
from uuid import uuid4

import httpx
import psycopg

from tests.factors import Phone
from tests.scenarios.examples import INR_64, LINE, UPI, card, order
from tests.scenarios.recorder import Recorder, sign_in

USD = {"amount": 5_000, "currency": "USD"}
INR_5 = {"amount": 500, "currency": "INR"}
WHY = "The soup was cold."
# `STEWARD_REFUNDS_PER_HOUR` of the server that is asked: few enough to be reached at once.
REFUNDS_PER_HOUR = 10
PAY = "POST /payments"
# Whose levers are pulled.
PROVIDER, ANOTHER = "sandbox_a", "sandbox_b"
# Wrong passwords until a name is locked, and one more.
TRIES = 7
# The code of the half minute before sets it up, and the present one is still good.
SET_UP = """
from accounts.models import User
from tests.factors import with_factor
print(with_factor(User.objects.get(username="finance2")).secret)
"""
SETTLES_SECONDS = 20.0
LOOK_UPS = 500  # More than there are here.


def record_refusals(r: Recorder) -> None:
    _callers(r)
    _placing(r)
    _amending(r)
    _order_steps(r)
    _creating(r)
    _being_made(r)
    _choosing(r)
    _taking_cash(r)
    _cash_against_doubt(r)
    _paid_meanwhile(r)
    _refunding(r)
    _asked_about(r)


def sql(r: Recorder, statement: str, *values: Any) -> None:
    """Where only a crash or a race would lead, the row says that it happened."""
    with psycopg.connect(r.stack.record["database_url"]) as connection:
        connection.execute(statement, values)


def steer(r: Recorder, lever: str, *, provider: str = PROVIDER, **body: Any) -> None:
    headers = {"authorization": f"Bearer {r.stack.record['environment']['SANDBOX_API_KEY']}"}
    url = f"{r.stack.record['addresses'][provider]}/v1/admin/{lever}"
    httpx.post(url, json=body, headers=headers, trust_env=False).raise_for_status()


def settled(r: Recorder, payment: Any, *statuses: str) -> Any:
    until = time.monotonic() + SETTLES_SECONDS
    while (now := r.ask(f"GET /payments/{payment['id']}"))["status"] not in statuses:
        assert time.monotonic() < until, now
        time.sleep(0.2)
    return now


def _callers(r: Recorder) -> None:
    wrong = sign_in("waiter", "guess")
    r.refuse("sign_in", "wrong_password", "POST /tokens", wrong, caller="nobody", expected=401)
    for _ in range(TRIES):
        r.ask("POST /tokens", sign_in("somebody", "guess"), caller="nobody")
    locked = sign_in("somebody", "guess")
    r.refuse("sign_in", "locked_out", "POST /tokens", locked, caller="nobody", expected=429)
    _second_step(r)


def _second_step(r: Recorder) -> None:
    """Of somebody whose phone is here."""
    said = r.stack.manage("shell", "--no-imports", "--command", SET_UP)
    assert said.returncode == 0, said.stderr
    phone = Phone(said.stdout.strip(), now=lambda: datetime.now(UTC))
    ask, known = "POST /tokens", sign_in("finance2")
    r.refuse("sign_in", "second_factor_required", ask, known, caller="nobody", expected=403)
    good = {**known, "code": phone.shows()}
    r.ask(ask, good, caller="nobody")
    r.refuse("sign_in", "second_factor_used", ask, good, caller="nobody", expected=403)
    wrong = {**known, "code": phone.never_shows()}
    r.refuse("sign_in", "second_factor_wrong", ask, wrong, caller="nobody", expected=403)
    sql(r, GUESSED, TRIES, "finance2")  # By as many guesses a pause has become longer than anything here takes.
    r.refuse("sign_in", "second_factor_locked", ask, wrong, caller="nobody", expected=429)


GUESSED = """
    UPDATE accounts_secondfactor SET throttling_failure_count = %s
     WHERE user_id = (SELECT id FROM accounts_user WHERE username = %s)"""


def _placing(r: Recorder) -> None:
    ask, line = "POST /orders", {"lines": [LINE]}
    taken = {"client_reference": "web-1001", **line}
    r.refuse("place_order", "client_reference_taken", ask, taken, expected=409)
    dollars = {"lines": [{**LINE, "unit_price": USD}]}
    r.refuse("place_order", "wrong_currency", ask, dollars, expected=422)
    free = {"lines": [{**LINE, "unit_price": {"amount": 0, "currency": "INR"}}]}
    r.refuse("place_order", "total_range", ask, free, expected=422)
    r.refuse("place_order", "unknown_guest", ask, {"owner": str(uuid4()), **line}, expected=422)


def _amending(r: Recorder) -> None:
    placed = order(r)
    path = f"PATCH /orders/{placed['id']}"
    less = {"lines": [{**LINE, "quantity": 1}], "version": placed["version"]}
    r.refuse("amend_order", "stale_version", path, {**less, "version": 7}, expected=409)
    dollars = {**less, "lines": [{**LINE, "unit_price": USD}]}
    r.refuse("amend_order", "wrong_currency", path, dollars, expected=422)
    free = {**less, "lines": [{**LINE, "unit_price": {"amount": 0, "currency": "INR"}}]}
    r.refuse("amend_order", "total_range", path, free, expected=422)
    held = r.ask(PAY, {"order": placed["id"], "hold": True})
    r.refuse("amend_order", "live_money", path, {**less, "version": _version(r, placed)}, expected=409)
    r.ask(f"POST /payments/{held['id']}/start", {"method": "card", "instrument": "sim_ok"})
    r.refuse("amend_order", "below_paid", path, {**less, "version": _version(r, placed)}, expected=409)
    r.ask(f"POST /orders/{placed['id']}/fulfil")
    r.refuse("amend_order", "cannot_amend", path, {**less, "version": _version(r, placed)}, expected=409)


def _version(r: Recorder, placed: Any) -> int:
    version: int = r.ask(f"GET /orders/{placed['id']}")["version"]
    return version


def _order_steps(r: Recorder) -> None:
    path = f"POST /orders/{order(r)['id']}"
    r.ask(f"{path}/fulfil")
    r.refuse("confirm_order", "cannot_confirm", f"{path}/confirm", expected=409)
    r.refuse("cancel_order", "cannot_cancel", f"{path}/cancel", expected=409)
    path = f"POST /orders/{order(r)['id']}"
    r.ask(f"{path}/cancel")
    r.refuse("fulfil_order", "cannot_fulfil", f"{path}/fulfil", expected=409)


def _creating(r: Recorder) -> None:
    def refuse(code: str, body: dict[str, Any], expected: int) -> None:
        r.refuse("create_payment", code, PAY, body, expected=expected)

    refuse("not_found", card({"id": str(uuid4())}), 404)
    of = order(r)
    refuse("unknown_provider", card(of, provider="nobody"), 422)
    refuse("no_provider", {"order": of["id"], "method": "wallet"}, 422)
    refuse("wrong_currency", card(of, amount=USD), 422)
    refuse("more_than_due", card(of, amount={"amount": 65_000, "currency": "INR"}), 409)
    refuse("tip_too_high", card(of, tip={"amount": 1_000_000, "currency": "INR"}), 422)
    refuse("bad_text", card(of, metadata={f"note {number}": "long" * 100 for number in range(25)}), 422)
    # One of them is enough to see what it is about.
    r.kept["create_payment"]["bad_text"]["body"] = None
    r.ask(PAY, {"order": of["id"], "hold": True})
    refuse("being_paid", card(of), 409)
    paid = r.ask(PAY, card(order(r)))
    refuse("already_covered", card(paid["order"]), 409)
    cancelled = order(r)
    r.ask(f"POST /orders/{cancelled['id']}/cancel")
    refuse("order_cancelled", card(cancelled), 409)


def _being_made(r: Recorder) -> None:
    """One key, two requests at once, and another body later."""
    key, body = {"Idempotency-Key": "example-slow"}, card(order(r), "sim_slow_8s")
    first = Thread(target=r.send, args=(PAY, body), kwargs={"headers": key})
    first.start()
    _until_claimed(r, "example-slow")
    r.refuse("create_payment", "idempotency_key_in_use", PAY, body, expected=409, headers=key)
    first.join()
    r.refuse("create_payment", "idempotency_key_reused", PAY, card(order(r)), expected=422, headers=key)
    none = {"Idempotency-Key": ""}
    r.refuse("create_payment", "idempotency_key_missing", PAY, body, expected=400, headers=none)


def _until_claimed(r: Recorder, key: str) -> None:
    """From then on its request is at work, for as long as the provider's deadline."""
    until = time.monotonic() + SETTLES_SECONDS
    with psycopg.connect(r.stack.record["database_url"], autocommit=True) as connection:
        while not connection.execute("SELECT 1 FROM accounts_idempotentcall WHERE key = %s", [key]).fetchone():
            assert time.monotonic() < until, f"Nobody claims {key}."
            time.sleep(0.02)


def _choosing(r: Recorder) -> None:
    held = r.ask(PAY, {"order": order(r)["id"], "hold": True})
    path = f"POST /payments/{held['id']}"
    r.refuse("start_payment", "unknown_method", f"{path}/start", {}, expected=422)
    r.refuse("start_payment", "no_provider", f"{path}/start", {"method": "wallet"}, expected=422)
    r.refuse("retry_payment", "not_failed", f"{path}/retry", UPI, expected=409)
    r.ask(f"{path}/cancel")
    r.refuse("start_payment", "not_waiting", f"{path}/start", UPI, expected=409)
    r.refuse("retry_payment", "unknown_method", f"{path}/retry", {}, expected=422)
    r.refuse("retry_payment", "no_provider", f"{path}/retry", {"method": "wallet"}, expected=422)
    share_is_gone(r, held["order"], lambda code: r.refuse("retry_payment", code, f"{path}/retry", UPI, expected=409))
    failed = r.ask(PAY, card(order(r), "sim_decline_insufficient_funds"))
    r.ask(f"POST /orders/{failed['order']['id']}/cancel")
    r.refuse("retry_payment", "order_cancelled", f"POST /payments/{failed['id']}/retry", UPI, expected=409)
    r.refuse("stream_payment", "not_here", f"GET /payments/{failed['id']}/events", expected=421)
    bad = {"query": "status=paid"}
    r.refuse("verify_handshake", "bad_handshake", f"{path}/handshake", bad, expected=422)


def share_is_gone(r: Recorder, of: Any, refuse: Callable[[str], object]) -> None:
    """For whoever wants to pay all of an order again: a part of it is being paid, then paid, then all of it."""
    part = {"amount": {**INR_64, "amount": 4_000}}
    pending = r.ask(PAY, {**card(of, "sim_pending_for_ever"), **part})
    refuse("being_paid")
    r.ask(f"POST /payments/{pending['id']}/cancel")
    settled(r, pending, "failed")
    r.ask(PAY, {**card(of), **part})
    refuse("share_taken")
    r.ask(PAY, card(of))
    refuse("already_covered")


def _taking_cash(r: Recorder) -> None:
    of = order(r)
    asked = r.ask(PAY, {"order": of["id"], "method": "cash"})
    path = f"POST /payments/{asked['id']}/cash"

    def refuse(code: str, body: dict[str, Any], expected: int = 409) -> None:
        r.refuse("confirm_cash", code, path, body, caller="waiter", expected=expected)

    refuse("not_exact", {"amount": {**INR_64, "amount": 60_000}})
    refuse("wrong_currency", {"amount": USD}, 422)
    refuse("given_too_little", {"amount": INR_64, "given": {**INR_64, "amount": 60_000}})
    refuse("tip_too_high", {"amount": INR_64, "added_tip": {**INR_64, "amount": 1_000_000}}, 422)
    refuse("not_in_doubt", {"amount": INR_64, "against_doubt": True, "reason": "The guest has to go."})
    r.ask(path, {"amount": INR_64}, caller="waiter")
    refuse("not_waiting", {"amount": INR_64})


def _cash_against_doubt(r: Recorder) -> None:
    """A charge that was made and whose answer is lost, while look-ups get none either."""
    steer(r, "look-ups", behaviour="time_out", times=LOOK_UPS)
    doubtful = r.ask(PAY, card(order(r), "sim_timeout_after_effect", provider=PROVIDER))
    path = f"POST /payments/{doubtful['id']}/cash"
    against = {"amount": INR_64, "against_doubt": True, "reason": "The guest has to go."}

    def refuse(code: str, body: dict[str, Any], expected: int) -> None:
        r.refuse("confirm_cash", code, path, body, caller="waiter", expected=expected)

    _lease(r, doubtful, "-1 minute")
    refuse("no_reason", {**against, "reason": ""}, 422)
    _lease(r, doubtful, "1 minute")
    refuse("being_sent", against, 409)
    _lease(r, doubtful, "-1 minute")
    takes_cash = "UPDATE payments_provideraccount SET enabled = %s WHERE provider = 'cash'"
    sql(r, takes_cash, False)
    refuse("no_provider", against, 422)
    sql(r, takes_cash, True)
    r.ask(f"POST /orders/{doubtful['order']['id']}/cancel")
    _until_nobody_asks(r, doubtful, path, against)
    refuse("order_cancelled", against, 409)


def _until_nobody_asks(r: Recorder, payment: Any, path: str, body: Any) -> None:
    """For what is refused in any case: a look-up that is under way is said first. Then nobody begins another one."""
    until = time.monotonic() + SETTLES_SECONDS
    for is_the_last in (False, True):
        while r.ask(path, body, caller="waiter")["code"] == "being_sent":
            assert time.monotonic() < until, "Somebody asks for ever."
            time.sleep(0.1)
        if not is_the_last:
            _lease(r, payment, "-1 minute")


LEASED = """
    UPDATE payments_payment SET lease_until = now() + %s::interval, next_action_at = now() + interval '1 hour'
    WHERE id = %s"""


def _lease(r: Recorder, payment: Any, length: str) -> None:
    """Somebody asks the provider for as long, and nobody else soon."""
    sql(r, LEASED, length, payment["id"])


def _paid_meanwhile(r: Recorder) -> None:
    """A charge is made long after it was declined, while the guest pays in cash against another one's doubt."""
    late = r.ask(PAY, card(order(r), "sim_late_success", provider=ANOTHER))
    doubtful = r.ask(PAY, card(late["order"], "sim_timeout_after_effect", provider=PROVIDER))
    attempt = r.ask(f"GET /payments/{late['id']}/attempts")["items"][0]["id"]
    steer(r, "happen-now", provider=ANOTHER, key=attempt)
    sql(r, "UPDATE payments_attempt SET watch_at = now() WHERE id = %s", attempt)
    settled(r, late, "completed")
    path = f"POST /payments/{doubtful['id']}/cash"
    against = {"amount": INR_64, "against_doubt": True, "reason": "The guest has to go."}
    _until_nobody_asks(r, doubtful, path, against)
    r.refuse("confirm_cash", "already_covered", path, against, caller="waiter", expected=409)


def _refunding(r: Recorder) -> None:
    paid = r.ask(PAY, card(order(r)))
    path = f"POST /payments/{paid['id']}/refunds"

    def refuse(code: str, body: dict[str, Any], expected: int = 409, caller: str = "key") -> None:
        r.refuse("create_refund", code, path, body, caller=caller, expected=expected)

    refuse("more_than_left", {"amount": {**INR_64, "amount": 70_000}, "reason": WHY})
    refuse("bad_amount", {"amount": {**INR_64, "amount": 0}, "reason": WHY}, 422)
    refuse("wrong_currency", {"amount": USD, "reason": WHY}, 422)
    refuse("no_reason", {"reason": ""}, 422)
    refuse("not_cash", {"handed_over": True, "reason": WHY}, caller="waiter")
    failed = r.ask(PAY, card(order(r), "sim_decline_insufficient_funds"))
    path = f"POST /payments/{failed['id']}/refunds"
    refuse("nothing_to_refund", {"reason": WHY})


def _asked_about(r: Recorder) -> None:
    """A refund that the provider refused, and that its books may show all the same."""
    refund = failed_refund(r)
    sql(r, ASKED_ABOUT, "look_up", "1 hour", refund["id"])
    path = f"POST /payments/{refund['payment']}/refunds"
    r.refuse("create_refund", "being_asked", path, {"reason": WHY}, expected=409)


ASKED_ABOUT = "UPDATE payments_refund SET next_action = %s, next_action_at = now() + %s::interval WHERE id = %s"


def failed_refund(r: Recorder) -> Any:
    """Refused by a provider that would make the next one."""
    paid = r.ask(PAY, card(order(r), provider=PROVIDER))
    steer(r, "next-refund", behaviour="declined", times=1)
    return r.ask(f"POST /payments/{paid['id']}/refunds", {"amount": INR_5, "reason": WHY})


def record_too_many_refunds(r: Recorder) -> None:
    """The last of what gives money back: whoever has asked this often is not listened to for an hour."""
    paid = r.ask(PAY, card(order(r)))
    path, body = f"POST /payments/{paid['id']}/refunds", {"amount": INR_5, "reason": WHY}
    for _ in range(REFUNDS_PER_HOUR):
        r.ask(path, body)
    r.refuse("create_refund", "too_many_refunds", path, body, expected=429)
    path = f"/orders/{paid['order']['id']}"
    less = {"lines": [{**LINE, "quantity": 1}], "version": _version(r, paid["order"]), "refund_surplus": True}
    r.refuse("amend_order", "too_many_refunds", f"PATCH {path}", less, expected=429)
    r.refuse("cancel_order", "too_many_refunds", f"POST {path}/cancel", expected=429)
