"""Shares that are held while a guest is still choosing."""

from __future__ import annotations

from orders.models import Order
from tests.api.conftest import Caller, code_of, inr, pointers
from tests.scripted import ScriptedGateway
from tests.time_machine import ShiftedClock


def test_a_held_share_is_paid_when_the_guest_has_chosen(key: Caller, order: Order, provider_a: ScriptedGateway) -> None:
    held = key.post("/payments", {"order": str(order.pk), "amount": inr(20_000), "hold": True})

    assert (held.status_code, held.json()["status"], held.json()["method"]) == (201, "pending", None)
    assert held.json()["next_step"]["kind"] == "choose_method"
    path = f"/payments/{held.json()['id']}"
    assert code_of(key.post(f"{path}/start", {})) == (422, "unknown_method")
    started = key.post(f"{path}/start", {"method": "upi", "instrument": "tok_2"})

    assert (started.status_code, started.json()["status"], started.json()["method"]) == (200, "completed", "upi")
    assert provider_a.count("charge") == 1
    assert code_of(key.post(f"{path}/start", {"method": "card"})) == (409, "not_waiting")


def test_a_share_is_held_for_one_provider(key: Caller, order: Order, provider_b: ScriptedGateway) -> None:
    body = {"order": str(order.pk), "hold": True}
    assert code_of(key.post("/payments", {**body, "provider": "nosuch"})) == (422, "unknown_provider")
    held = key.post("/payments", {**body, "provider": "b"}).json()

    started = key.post(f"/payments/{held['id']}/start", {"method": "card", "instrument": "tok_1"}).json()

    assert (started["status"], started["provider"]) == ("completed", "b")
    assert provider_b.count("charge") == 1


def test_no_token_is_held_without_its_method(key: Caller, order: Order) -> None:
    refused = key.post("/payments", {"order": str(order.pk), "hold": True, "instrument": "tok_1"})

    assert (code_of(refused), pointers(refused)) == ((422, "invalid_request"), {"/instrument": "method_missing"})


def test_a_hold_is_extended(key: Caller, order: Order, time: ShiftedClock) -> None:
    held = key.post("/payments", {"order": str(order.pk), "hold": True}).json()
    time.advance(seconds=240)

    longer = key.post(f"/payments/{held['id']}/hold").json()

    assert longer["next_step"]["expires_at"] > held["next_step"]["expires_at"]
    # Whoever listens hears of it.
    assert longer["version"] == held["version"] + 1
