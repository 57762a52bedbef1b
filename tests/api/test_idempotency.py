"""One effect for one key (I15): sent again, sent at once, sent after a crash, and sent with another body."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.db import connection
from pytest_django.fixtures import Settings

from accounts.models import ApiKey, IdempotentCall, Restaurant
from accounts.services.idempotency import KEPT_FOR, Call, claim, purge_old_calls
from accounts.services.keys import rotate_api_key
from kernel import clock, crashpoints
from kernel.crashpoints import CrashPoint
from kernel.modes import Mode
from kernel.money import Money
from orders.models import Order
from payments.gateways.contract import Answer, ChargeRequest, ErrorCode, LookUpResult, Outcome, Result
from payments.models import Payment, PaymentStatus, Refund
from payments.services.at_once import longest_request
from payments.services.sweeps import sweep_payments
from tests.api.conftest import Caller, card, code_of, created, inr, key_of
from tests.factories import order_of
from tests.scripted import ScriptedGateway, outcome
from tests.time_machine import ShiftedClock

STORM, ROUNDS = 50, 8


class Crash(BaseException):
    """A process that ends: nothing catches it."""


@contextmanager
def dying_at(point: CrashPoint) -> Iterator[None]:
    def die(reached: CrashPoint) -> None:
        if reached == point:
            raise Crash

    previous = crashpoints.install(die)
    try:
        with pytest.raises(Crash):
            yield
    finally:
        crashpoints.install(previous)


def test_a_preference_is_said_to_be_applied_by_the_request_that_applied_it(key: Caller, restaurant: Restaurant) -> None:
    """What was begun inside a request is not said to have been begun in the background, nor is a held share."""
    at_once, later = card(order_of(restaurant)), card(order_of(restaurant))
    held = {"order": str(order_of(restaurant).pk), "hold": True}
    key.post("/payments", at_once, key="press")

    answers = [
        key.post("/payments", body, key=named, Prefer="respond-async")
        for body, named in ((at_once, "press"), (held, "hold"), (later, "later"), (later, "later"))
    ]

    assert [answer.status_code for answer in answers] == [201, 201, 202, 202]
    assert [answer.headers.get("preference-applied") for answer in answers] == [None, None, "respond-async", None]


@pytest.mark.parametrize("named", [None, "", "two words", "ümlaut", "x" * 256])
def test_a_key_is_needed_and_is_a_word(key: Caller, order: Order, named: str | None) -> None:
    headers = {} if named is None else {"Idempotency_Key": named}

    answer = key.post("/payments", card(order), key=None, **headers)

    assert code_of(answer) == (400, "idempotency_key_missing")
    assert "Idempotency-Key" in answer.json()["detail"] or "ASCII" in answer.json()["detail"]
    assert Payment.objects.count() == 0


def test_a_missing_key_is_said_before_anything_is_looked_for(key: Caller) -> None:
    said = {"order": str(clock.new_id()), "method": "card", "instrument": "sim_ok"}

    assert code_of(key.post("/payments", said, key=None)) == (400, "idempotency_key_missing")
    assert code_of(key.post("/payments", said)) == (404, "not_found")


def test_a_final_answer_is_given_for_ever_byte_by_byte(key: Caller, order: Order, finance: Caller) -> None:
    first = key.post("/payments", card(order), key="press")
    payment = created(first)
    finance.post(f"/payments/{payment.pk}/refunds", {"amount": inr(1_000), "reason": "cold food"})

    again = [key.post("/payments", card(order), key="press") for _ in range(3)]

    assert "idempotent-replayed" not in first.headers
    assert [(each.status_code, each.content) for each in again] == [(201, first.content)] * 3
    assert {each.headers["idempotent-replayed"] for each in again} == {"true"}
    assert key.get(f"/payments/{payment.pk}").json()["refund_state"] == "partial"
    assert Payment.objects.count() == 1


def test_a_failed_payment_is_replayed_as_well(key: Caller, order: Order, provider_a: ScriptedGateway) -> None:
    provider_a.charges.append(outcome(Outcome.DECLINED, ErrorCode.EXPIRED_CARD))
    first = key.post("/payments", card(order), key="press")

    again = key.post("/payments", card(order), key="press")

    assert (again.status_code, again.content) == (201, first.content)
    assert provider_a.count("charge") == 1


def test_names_in_another_order_are_the_same_body(key: Caller, order: Order) -> None:
    first = key.post("/payments", card(order), key="press")

    again = key.post("/payments", dict(reversed(card(order).items())), key="press")

    assert again.content == first.content


@pytest.mark.parametrize(
    ("path", "change"),
    [("/payments", {"tip": inr(1)}), ("/payments", {"method": "upi"}), ("/orders", {})],
)
def test_another_request_under_the_key_is_refused(key: Caller, order: Order, path: str, change: dict[str, Any]) -> None:
    key.post("/payments", card(order), key="press")
    line = {"name": "Chai", "quantity": 1, "unit_price": inr(4_000)}
    body = card(order, **change) if change else {"lines": [line]}

    answer = key.post(path, body, key="press")

    assert code_of(answer) == (422, "idempotency_key_reused")
    assert (Payment.objects.count(), Order.objects.count()) == (1, 1)


def test_a_key_is_its_callers_own(key: Caller, restaurant: Restaurant) -> None:
    mine, theirs = order_of(restaurant), order_of(restaurant)
    other = key_of(restaurant)

    first = key.post("/payments", card(mine), key="press")
    second = other.post("/payments", card(theirs), key="press")

    assert created(first).order_id == mine.pk
    assert created(second).order_id == theirs.pk


def test_a_rotated_key_is_the_same_caller(key: Caller, order: Order) -> None:
    first = key.post("/payments", card(order), key="press")
    successor = Caller(rotate_api_key(key_id=ApiKey.objects.get().pk))

    again = [each.post("/payments", card(order), key="press") for each in (successor, key)]

    assert [each.content for each in again] == [first.content] * 2


def test_until_the_end_the_present_state_is_told_then_the_same_for_ever(
    key: Caller, order: Order, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    doubtful = key.post("/payments", card(order), key="press")
    replayed = key.post("/payments", card(order), key="press")

    assert (doubtful.status_code, replayed.status_code) == (202, 202)
    assert replayed.headers["idempotent-replayed"] == "true"
    assert replayed.json()["in_doubt"] is True
    provider_a.look_ups.append(_found(order))
    time.advance(seconds=30)
    sweep_payments(width=1)
    settled = [key.post("/payments", card(order), key="press") for _ in range(2)]
    assert [(each.status_code, each.json()["status"]) for each in settled] == [(201, "completed")] * 2
    assert settled[0].content == settled[1].content
    assert provider_a.count("charge") == 1


def _found(order: Order) -> Any:
    return LookUpResult(answer=Answer.SUCCEEDED, money=Money(order.total_minor, "INR"), reference="ch_1")


def test_while_the_first_runs_the_second_is_told_to_wait(
    key: Caller, order: Order, provider_a: ScriptedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile: list[Any] = []
    charge = provider_a.charge

    def charge_slowly(_: ScriptedGateway, request: ChargeRequest) -> Result:
        meanwhile.append(key.post("/payments", card(order), key="press"))
        connection.close()  # It goes on as whoever has never had one.
        return charge(request)

    monkeypatch.setattr(ScriptedGateway, "charge", charge_slowly)
    first = key.post("/payments", card(order), key="press")

    (second,) = meanwhile
    assert code_of(second) == (409, "idempotency_key_in_use")
    assert 1 <= int(second.headers["retry-after"]) <= 5
    assert second.json()["retryable"] is True
    assert first.json()["status"] == "completed"
    assert key.post("/payments", card(order), key="press").content == first.content


@pytest.mark.parametrize(
    "point",
    [CrashPoint.ACCEPT_AFTER_COMMIT, CrashPoint.CHARGE_AFTER_ANSWER, CrashPoint.SETTLE_BEFORE_COMMIT],
)
def test_after_a_crash_the_key_leads_to_what_was_begun(
    key: Caller, order: Order, provider_a: ScriptedGateway, time: ShiftedClock, point: CrashPoint
) -> None:
    with dying_at(point):
        key.post("/payments", card(order), key="press")
    connection.close()

    assert code_of(key.post("/payments", card(order), key="press")) == (409, "idempotency_key_in_use")
    time.advance(seconds=longest_request().total_seconds())
    going_on = key.post("/payments", card(order), key="press")
    assert (going_on.status_code, going_on.json()["status"]) == (202, "processing")
    provider_a.look_ups.append(_found(order))
    time.advance(seconds=60)
    sweep_payments(width=1)
    done = key.post("/payments", card(order), key="press")
    assert (done.status_code, done.json()["status"]) == (201, "completed")
    assert Payment.objects.get().status == PaymentStatus.COMPLETED
    assert provider_a.count("charge") <= 1


def test_before_the_commit_nothing_was_promised(key: Caller, order: Order) -> None:
    with dying_at(CrashPoint.ACCEPT_BEFORE_COMMIT):
        key.post("/payments", card(order), key="press")
    connection.close()

    answer = key.post("/payments", card(order), key="press")

    assert (answer.status_code, answer.json()["status"]) == (201, "completed")
    assert "idempotent-replayed" not in answer.headers


def test_a_refusal_leaves_the_key_as_it_was(key: Caller, order: Order) -> None:
    assert code_of(key.post("/payments", card(order, amount=inr(90_000)), key="press")) == (409, "more_than_due")
    assert IdempotentCall.objects.count() == 0

    assert key.post("/payments", card(order), key="press").status_code == 201


def test_a_refund_is_made_once(key: Caller, order: Order, provider_a: ScriptedGateway) -> None:
    payment = created(key.post("/payments", card(order)))
    body = {"amount": inr(10_000), "reason": "cold food"}

    answers = [key.post(f"/payments/{payment.pk}/refunds", body, key="give-back") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [201] * 3
    assert len({answer.content for answer in answers}) == 1
    assert Refund.objects.count() == provider_a.count("refund") == 1


def test_keys_are_kept_for_thirty_days(key: Caller, order: Order, time: ShiftedClock) -> None:
    key.post("/payments", card(order), key="press")
    time.advance(seconds=(KEPT_FOR - timedelta(hours=1)).total_seconds())
    assert purge_old_calls() == 0
    time.advance(seconds=2 * 60 * 60)

    assert purge_old_calls() == 1
    assert code_of(key.post("/payments", card(order), key="press")) == (409, "already_covered")


def test_an_answer_whose_field_key_is_gone_is_told_anew(key: Caller, order: Order, settings: Settings) -> None:
    """The key is promised for thirty days, and a field key may be taken away before."""
    said = {"lines": [{"name": "Chai", "quantity": 1, "unit_price": inr(4_000)}]}
    placed, paid = key.post("/orders", said, key="order"), key.post("/payments", card(order), key="press")
    stored = _stored_answers()
    kept_under = settings.STEWARD_FIELD_KEYS

    settings.STEWARD_FIELD_KEYS = (Fernet.generate_key().decode(),)
    again = [key.post("/orders", said, key="order"), key.post("/payments", card(order), key="press")]

    assert [answer.status_code for answer in again] == [placed.status_code, paid.status_code]
    assert [answer.json()["id"] for answer in again] == [placed.json()["id"], paid.json()["id"]]
    assert [answer.headers["Idempotent-Replayed"] for answer in again] == ["true", "true"]
    assert (_stored_answers(), Order.objects.count(), Payment.objects.count()) == (stored, 2, 1)
    settings.STEWARD_FIELD_KEYS = kept_under
    assert key.post("/payments", card(order), key="press").content == paid.content


def _stored_answers() -> list[tuple[Any, ...]]:
    """As they are in the table."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT key, answer_status, answer FROM accounts_idempotentcall ORDER BY key")
        return list(cursor.fetchall())


def test_a_key_is_claimed_in_the_transaction_that_uses_it(restaurant: Restaurant) -> None:
    call = Call(
        principal="key:1",
        key="press",
        operation="POST /",
        body_hash="",
        restaurant_id=restaurant.pk,
        mode=Mode.TEST,
        runs_for=timedelta(seconds=1),
    )

    with pytest.raises(RuntimeError, match="in the transaction"):
        claim(call)


def test_what_is_kept_is_encrypted(key: Caller) -> None:
    line = {"name": "Chai", "quantity": 1, "unit_price": inr(4_000)}
    key.post("/orders", {"lines": [line], "customer": {"phone": "+91 98 7654 3210"}}, key="press")

    with connection.cursor() as cursor:
        cursor.execute("SELECT answer FROM accounts_idempotentcall")
        (answer,) = cursor.fetchone()
    assert "98 7654" not in answer
    assert (
        key.post("/orders", {"lines": [line], "customer": {"phone": "+91 98 7654 3210"}}, key="press")
        .json()["customer"]["phone"]
        .startswith("+91")
    )


def together(count: int, act: Callable[[int], Any]) -> list[Any]:
    def alone(number: int) -> Any:
        try:
            return act(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=count) as pool:
        return list(pool.map(alone, range(count)))


@pytest.mark.slow
def test_a_storm_on_one_key_has_one_effect(key: Caller, restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    for number in range(ROUNDS):
        order = order_of(restaurant)

        def press(_: int, *, order: Order = order, number: int = number) -> Any:
            return key.post("/payments", card(order), key=f"storm-{number}")

        answers = together(STORM, press)

        done = [answer for answer in answers if answer.status_code == 201]
        waiting = [answer for answer in answers if answer.status_code != 201]
        assert done
        assert len({answer.content for answer in done}) == 1
        assert {code_of(answer) for answer in waiting} <= {(409, "idempotency_key_in_use")}
        assert Payment.objects.filter(order=order).count() == 1
        assert provider_a.count("charge") == number + 1
