"""The provider's own rules: keys, limits, time, modes and steering. No socket."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from kernel.money import Money
from payments.gateways.contract import Answer, CancelAnswer, Outcome
from sandbox import admin
from sandbox.behaviours import CHARGES, LOOK_UPS, MODES, REFUNDS, Mode, Network
from sandbox.inprocess import InProcess
from sandbox.wire import Reply, Request
from tests.gateways.parties import cancel_of, charge_request, look_up_of, refund_request
from tests.sandbox.running import ADMIN_KEY, API_KEY, gateway_in, in_process
from tests.time_machine import ShiftedClock

TERMS: Mapping[str, Any] = {
    "amount": 84000,
    "currency": "INR",
    "order_reference": "order-1",
    "method": "card",
    "token": "sim_ok",
    "return_url": "https://shop.example/back",
    "notify_url": "",
    "capture": "automatic",
}


def ask(sandbox: InProcess, path: str, *, verb: str = "POST", key: str = "key-1", **body: Any) -> Reply:
    headers = {"authorization": f"Bearer {API_KEY}", "idempotency-key": key}
    return sandbox.provider.handle(
        Request(method=verb, path=path, headers=headers, body=json.dumps(body).encode() if body else b"")
    )


def order_admin(
    sandbox: InProcess, path: str, *, method: str = "POST", admin_key: str = ADMIN_KEY, **body: Any
) -> Reply:
    request = Request(
        method=method,
        path=path,
        query=body if method == "GET" else {},
        headers={"authorization": f"Bearer {admin_key}"},
        body=json.dumps(body).encode(),
    )
    return admin.handle(sandbox.provider, request)


def said(reply: Reply) -> Any:
    return json.loads(reply.body)


def code_of(reply: Reply) -> tuple[int, str]:
    return reply.status, said(reply)["error"]["code"]


# Keys.


def test_the_same_key_twice_is_one_charge(sandbox: InProcess):
    first, second = (ask(sandbox, "/v1/charges", **TERMS) for _ in range(2))
    assert said(first) == said(second)
    assert sandbox.provider.books.captured("order-1") == {"INR": 84000}
    assert len(sandbox.provider.webhooks) == 1


@pytest.mark.parametrize("change", [{"amount": 1}, {"currency": "USD"}, {"order_reference": "o"}, {"token": ""}])
def test_the_same_key_with_another_body_is_refused(sandbox: InProcess, change: Mapping[str, Any]):
    ask(sandbox, "/v1/charges", **TERMS)
    assert code_of(ask(sandbox, "/v1/charges", **{**TERMS, **change})) == (409, "key_reused")


def test_a_refund_has_a_key_of_its_own(sandbox: InProcess):
    ask(sandbox, "/v1/charges", **TERMS)
    terms: dict[str, Any] = {"charge_key": "key-1", "amount": 500, "currency": "INR"}
    replies = [ask(sandbox, "/v1/refunds", key="refund-1", **terms) for _ in range(2)]
    assert said(replies[0]) == said(replies[1])
    assert sandbox.provider.books.refunded("order-1") == {"INR": 500}
    assert code_of(ask(sandbox, "/v1/refunds", key="refund-1", **{**terms, "amount": 501})) == (409, "key_reused")


def test_a_forgotten_key_is_a_second_charge(time: ShiftedClock):
    """What a caller may not do: the key's lifetime is one of the facts of a gateway."""
    sandbox = in_process(key_lifetime_seconds=24 * 3600)
    ask(sandbox, "/v1/charges", **TERMS)
    time.advance(hours=23)
    ask(sandbox, "/v1/charges", **TERMS)
    assert sandbox.provider.books.captured("order-1") == {"INR": 84000}
    time.advance(hours=2)
    ask(sandbox, "/v1/charges", **TERMS)
    assert sandbox.provider.books.captured("order-1") == {"INR": 168000}


def test_while_the_first_request_runs_the_second_is_told_so(sandbox: InProcess, time: ShiftedClock):
    slow = {**TERMS, "token": "sim_slow_8s"}
    assert ask(sandbox, "/v1/charges", **slow).delay_seconds == 8.0
    assert code_of(ask(sandbox, "/v1/charges", **slow)) == (409, "in_progress")
    time.advance(seconds=9)
    assert said(ask(sandbox, "/v1/charges", **slow))["status"] == "succeeded"


# What is refused before processing.


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 0},
        {"amount": -1},
        {"amount": 1.5},
        {"amount": "84000"},
        {"amount": True},
        {"amount": 10**13},
        {"currency": "inr"},
        {"currency": "RUPEE"},
        {"currency": None},
        {"order_reference": ""},
        {"order_reference": "x" * 501},
        {"method": ""},
        {"token": "tok_visa"},
        {"return_url": "javascript:alert(1)"},
        {"notify_url": "file:///etc/passwd"},
        {"capture": "manual"},
    ],
)
def test_terms_that_make_no_sense(sandbox: InProcess, change: Mapping[str, Any]):
    assert code_of(ask(sandbox, "/v1/charges", **{**TERMS, **change})) == (400, "invalid_request")
    assert sandbox.provider.books.charges == {}


@pytest.mark.parametrize(
    ("method", "path", "key", "expected"),
    [
        ("POST", "/v1/charges", "", (400, "invalid_request")),
        ("POST", "/v1/charges", "x" * 501, (400, "invalid_request")),
        ("GET", "/v1/charges", "key-1", (405, "no_such_verb")),
        ("POST", "/v1/refunds/by-key/key-1/cancel", "", (405, "no_such_verb")),
        ("GET", "/v1/charges/by-key/key-9", "", (404, "not_found")),
        ("GET", "/v1/refunds/by-key/key-9", "", (404, "not_found")),
        ("POST", "/v1/charges/by-key/key-9/cancel", "", (404, "not_found")),
        ("GET", "/v2/charges", "key-1", (404, "no_such_path")),
    ],
)
def test_requests_that_lead_nowhere(sandbox: InProcess, method: str, path: str, key: str, expected: tuple[int, str]):
    assert code_of(ask(sandbox, path, verb=method, key=key)) == expected


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"[" * 100_000, b"\xff"])
def test_a_body_that_is_no_object(sandbox: InProcess, body: bytes):
    headers = {"authorization": f"Bearer {API_KEY}", "idempotency-key": "key-1"}
    reply = sandbox.provider.handle(Request(method="POST", path="/v1/charges", headers=headers, body=body))
    assert code_of(reply) == (400, "invalid_request")


def test_without_the_key_nothing_is_done(sandbox: InProcess):
    request = Request(
        method="POST", path="/v1/charges", headers={"idempotency-key": "k"}, body=json.dumps(TERMS).encode()
    )
    assert code_of(sandbox.provider.handle(request)) == (401, "unauthorised")
    assert code_of(order_admin(sandbox, "/v1/books", method="GET", admin_key=API_KEY)) == (401, "unauthorised")
    assert sandbox.provider.books.charges == {}


# Money.


def test_refunds_end_where_the_capture_ends(sandbox: InProcess):
    gateway, charge = gateway_in(sandbox), charge_request()
    gateway.charge(charge)
    outcomes = [gateway.refund(refund_request(charge, minor=42000)).outcome for _ in range(3)]
    assert outcomes == [Outcome.SUCCEEDED, Outcome.SUCCEEDED, Outcome.DECLINED]
    assert sandbox.provider.books.refunded(charge.order_reference) == {"INR": 84000}


def test_a_pending_refund_holds_its_amount_and_a_failed_one_frees_it(sandbox: InProcess):
    gateway, charge = gateway_in(sandbox), charge_request()
    gateway.charge(charge)
    sandbox.provider.steering.add_refunds("pending_then_failed", times=1)
    waiting = refund_request(charge, minor=84000)
    assert gateway.refund(waiting).outcome is Outcome.PENDING
    assert gateway.refund(refund_request(charge, minor=1)).outcome is Outcome.DECLINED
    assert sandbox.provider.happen_now(waiting.key)
    assert gateway.refund(refund_request(charge, minor=84000)).outcome is Outcome.SUCCEEDED


def test_what_was_not_captured_cannot_be_refunded(sandbox: InProcess):
    gateway, charge = gateway_in(sandbox), charge_request("sim_pending_for_ever")
    gateway.charge(charge)
    assert gateway.refund(refund_request(charge)).outcome is Outcome.DECLINED


def test_a_refund_of_nothing_known_was_not_sent_anywhere(sandbox: InProcess):
    assert gateway_in(sandbox).refund(refund_request(charge_request())).outcome is Outcome.NOT_SENT


def test_the_fee_is_whole_minor_units():
    sandbox = in_process(fee_bps=190)
    assert said(ask(sandbox, "/v1/charges", **{**TERMS, "amount": 101}))["fee"] == 1


# Time.


@pytest.mark.parametrize(
    ("token", "before", "seconds", "after"),
    [
        ("sim_pending_then_ok", Answer.PENDING, 3, Answer.SUCCEEDED),
        ("sim_pending_then_declined", Answer.PENDING, 3, Answer.DECLINED),
        ("sim_no_webhook", Answer.PENDING, 3, Answer.SUCCEEDED),
        ("sim_late_success", Answer.DECLINED, 60, Answer.SUCCEEDED),
        ("sim_pending_late_success", Answer.PENDING, 60, Answer.SUCCEEDED),
        ("sim_pending_for_ever", Answer.PENDING, 5 * 86400, Answer.PENDING),
    ],
)
def test_what_time_brings(
    sandbox: InProcess, time: ShiftedClock, *, token: str, before: Answer, seconds: int, after: Answer
):
    gateway, charge = gateway_in(sandbox), charge_request(token)
    gateway.charge(charge)
    time.advance(seconds=seconds - 1)
    assert gateway.look_up(look_up_of(charge)).answer is before
    time.advance(seconds=1.5)
    assert gateway.look_up(look_up_of(charge)).answer is after
    paid = {"INR": 84000} if after is Answer.SUCCEEDED else {}
    assert sandbox.provider.books.captured(charge.order_reference) == paid


def test_time_can_be_told_to_hurry(sandbox: InProcess):
    gateway, charge = gateway_in(sandbox), charge_request("sim_late_success")
    gateway.charge(charge)
    told = [order_admin(sandbox, "/v1/admin/happen-now", key=charge.key) for _ in range(2)]
    assert [said(one) for one in told] == [{"happened": True}, {"happened": False}]
    assert gateway.look_up(look_up_of(charge)).answer is Answer.SUCCEEDED


def test_money_comes_although_the_charge_was_given_up(sandbox: InProcess, time: ShiftedClock):
    """It could not be cancelled, so its caller closed it; then the money arrives."""
    gateway, charge = gateway_in(sandbox), charge_request("sim_pending_late_success")
    gateway.charge(charge)
    assert gateway.cancel(cancel_of(charge)).answer is CancelAnswer.NOT_POSSIBLE
    time.advance(minutes=2)
    assert [one.type for one in sandbox.take_webhooks()] == ["charge.pending", "charge.succeeded"]
    assert sandbox.provider.books.captured(charge.order_reference) == {"INR": 84000}


# Modes and steering.


def test_a_mode_ends_by_itself(sandbox: InProcess, time: ShiftedClock):
    order_admin(sandbox, "/v1/admin/mode", mode="failing", seconds=10)
    gateway = gateway_in(sandbox)
    assert gateway.charge(charge_request()).outcome is Outcome.UNKNOWN
    assert said(order_admin(sandbox, "/v1/admin/mode", method="GET")) == {"mode": "failing"}
    time.advance(seconds=11)
    assert gateway.charge(charge_request()).outcome is Outcome.SUCCEEDED


def test_a_mode_without_seconds_stays_until_it_is_changed(sandbox: InProcess, time: ShiftedClock):
    order_admin(sandbox, "/v1/admin/mode", mode="silent")
    time.advance(days=1)
    assert sandbox.provider.steering.mode is Mode.SILENT
    order_admin(sandbox, "/v1/admin/mode", mode="ok")
    assert gateway_in(sandbox).charge(charge_request()).outcome is Outcome.SUCCEEDED


def test_a_slow_provider_is_as_slow_as_it_is_told(sandbox: InProcess):
    order_admin(sandbox, "/v1/admin/mode", mode="slow", delay_seconds=30)
    charge = charge_request()
    assert gateway_in(sandbox).charge(charge).outcome is Outcome.UNKNOWN
    assert sandbox.provider.books.captured(charge.order_reference) == {"INR": 84000}


def test_a_request_that_came_in_while_the_port_was_closing_has_no_effect(sandbox: InProcess):
    sandbox.provider.steering.set_mode(Mode.REFUSING)
    assert ask(sandbox, "/v1/charges", **TERMS).network is Network.REFUSED
    assert sandbox.provider.books.requests == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/admin/mode", {"mode": "sleepy"}),
        ("/v1/admin/mode", {"mode": "refusing"}),
        ("/v1/admin/mode", {"mode": "slow", "seconds": -1}),
        ("/v1/admin/mode", {"mode": "slow", "seconds": "many"}),
        ("/v1/admin/look-ups", {"behaviour": "lie"}),
        ("/v1/admin/look-ups", {"behaviour": "refuse", "times": -1}),
        ("/v1/admin/next-refund", {"behaviour": "maybe"}),
        ("/v1/admin/dashboard-refund", {"charge_key": "key-9", "amount": 1}),
        ("/v1/admin/happen-now", {}),
        ("/v1/admin/no-such-thing", {}),
    ],
)
def test_orders_that_make_no_sense(sandbox: InProcess, path: str, body: Mapping[str, Any]):
    assert order_admin(sandbox, path, **body).status in {400, 404, 422}


@pytest.mark.parametrize(
    ("behaviour", "answer"),
    [
        ("refuse", Answer.NO_ANSWER),
        ("time_out", Answer.NO_ANSWER),
        ("server_error", Answer.NO_ANSWER),
        ("not_found", Answer.NOT_FOUND),
    ],
)
def test_look_ups_can_be_made_to_fail_or_lie(sandbox: InProcess, behaviour: str, answer: Answer):
    gateway, charge = gateway_in(sandbox), charge_request()
    gateway.charge(charge)
    order_admin(sandbox, "/v1/admin/look-ups", behaviour=behaviour, times=2)
    answers = [gateway.look_up(look_up_of(charge)).answer for _ in range(3)]
    assert answers == [answer, answer, Answer.SUCCEEDED]


@pytest.mark.parametrize(
    ("behaviour", "outcome"),
    [
        ("ok", Outcome.SUCCEEDED),
        ("timeout_before_effect", Outcome.UNKNOWN),
        ("timeout_after_effect", Outcome.UNKNOWN),
        ("5xx_before_effect", Outcome.UNKNOWN),
        ("5xx_after_effect", Outcome.UNKNOWN),
        ("reset_after_effect", Outcome.UNKNOWN),
        ("garbage", Outcome.UNKNOWN),
        ("declined", Outcome.DECLINED),
        ("pending_then_ok", Outcome.PENDING),
        ("pending_then_failed", Outcome.PENDING),
        ("pending_for_ever", Outcome.PENDING),
        ("ok_then_failed", Outcome.SUCCEEDED),
    ],
)
def test_the_next_refund_can_be_steered(sandbox: InProcess, behaviour: str, outcome: Outcome):
    gateway, charge = gateway_in(sandbox), charge_request()
    gateway.charge(charge)
    order_admin(sandbox, "/v1/admin/next-refund", behaviour=behaviour)
    steered, usual = refund_request(charge), refund_request(charge)
    assert gateway.refund(steered).outcome is outcome
    assert gateway.refund(usual).outcome is Outcome.SUCCEEDED
    gateway.refund(steered)
    assert len(gateway.look_up(look_up_of(charge)).refunds) == 2


def test_every_word_of_the_tables_is_in_use():
    assert {behaviour.refund for behaviour in CHARGES.values()} - {""} <= set(REFUNDS)
    assert set(MODES) == set(Mode)
    assert "not_found" in LOOK_UPS


def test_a_refund_or_chargeback_can_be_made_at_the_provider(sandbox: InProcess):
    gateway, charge = gateway_in(sandbox), charge_request()
    gateway.charge(charge)
    for origin, amount in (("dashboard", 100), ("chargeback", 83900)):
        reply = order_admin(sandbox, "/v1/admin/dashboard-refund", charge_key=charge.key, amount=amount, origin=origin)
        assert said(reply)["origin"] == origin
    assert sandbox.provider.books.refunded(charge.order_reference) == {"INR": 84000}
    assert gateway.refund(refund_request(charge, minor=1)).outcome is Outcome.DECLINED
    more = order_admin(sandbox, "/v1/admin/dashboard-refund", charge_key=charge.key, amount=1)
    assert code_of(more) == (422, "refund_refused")


def test_the_oracle_shows_all_money_per_order(sandbox: InProcess):
    ask(sandbox, "/v1/charges", **TERMS)
    ask(sandbox, "/v1/charges", key="key-2", **{**TERMS, "order_reference": "order-2", "token": "sim_decline_fraud"})
    ask(sandbox, "/v1/refunds", key="refund-1", charge_key="key-1", amount=500, currency="INR")
    orders = said(order_admin(sandbox, "/v1/books", method="GET"))["orders"]
    assert orders["order-1"]["captured"] == {"INR": 84000}
    assert orders["order-1"]["refunded"] == {"INR": 500}
    assert [one["key"] for one in orders["order-1"]["charges"]] == ["key-1"]
    assert (orders["order-2"]["captured"], orders["order-2"]["refunded"]) == ({}, {})
    one = said(order_admin(sandbox, "/v1/books", method="GET", order_reference="order-2"))["orders"]
    assert list(one) == ["order-2"]


def test_every_request_is_logged_by_its_key(sandbox: InProcess):
    gateway, charge = gateway_in(sandbox), charge_request("sim_timeout_before_effect")
    gateway.charge(charge)
    gateway.charge(charge)
    gateway.look_up(look_up_of(charge))
    log = said(order_admin(sandbox, "/v1/requests", method="GET", key=charge.key))
    assert log["sends"] == 2
    assert [one["method"] for one in log["requests"]] == ["POST", "POST", "GET"]
    assert gateway.charge(charge_request(money=Money(1, "INR"))).outcome is Outcome.SUCCEEDED


def test_no_secret_is_shown(sandbox: InProcess):
    assert API_KEY not in repr(sandbox.provider.settings)
    assert ADMIN_KEY not in repr(replace(sandbox.provider.settings, name="x"))
