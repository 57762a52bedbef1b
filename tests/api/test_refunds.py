"""Refunds over HTTP: whole, in part, of tips and of cash, and never above what is there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from pytest_django.fixtures import Settings

from accounts.models import Restaurant, Role
from kernel.money import Money
from orders.models import Order
from payments.gateways.contract import Answer, ErrorCode, LookUpResult, Outcome
from payments.models import Attempt, Payment, Refund
from tests.api.conftest import Caller, card, code_of, created, inr, person_of, pointers
from tests.factories import order_of
from tests.scripted import ScriptedGateway, outcome
from tests.time_machine import ShiftedClock

WHY = {"reason": "The food was cold."}


@pytest.fixture
def paid(key: Caller, order: Order) -> Payment:
    return created(key.post("/payments", card(order, tip=inr(6_000))))


def give_back(caller: Caller, payment: Payment, **body: Any) -> Any:
    return caller.post(f"/payments/{payment.pk}/refunds", {**WHY, **body})


def test_all_of_it_goes_back(finance: Caller, key: Caller, paid: Payment) -> None:
    answer = give_back(finance, paid)

    said = answer.json()
    assert (answer.status_code, said["status"], said["origin"]) == (201, "completed", "person")
    assert (said["amount"]["amount"], said["tip"]["amount"], said["total"]["amount"]) == (84_000, 6_000, 90_000)
    assert finance.get(f"/refunds/{said['id']}").json() == said
    payment = key.get(f"/payments/{paid.pk}").json()
    assert (payment["refund_state"], payment["refunded"]["amount"]) == ("full", 90_000)


def test_a_colleagues_reason_is_not_told_to_a_guest(
    key: Caller, restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    guest, person = person_of(restaurant, Role.CUSTOMER)
    payment = created(key.post("/payments", card(order_of(restaurant, owner_id=person.pk))))
    provider_a.refunds.append(outcome(Outcome.DECLINED, ErrorCode.STOLEN_CARD))
    made = give_back(key, payment, reason="A difficult guest.").json()

    (listed,) = guest.get("/refunds").json()["items"]

    assert (made["status"], made["reason"], made["error_code"]) == ("failed", "A difficult guest.", "stolen_card")
    assert guest.get(f"/refunds/{made['id']}").json() == listed
    assert (listed["reason"], listed["error_code"]) == ("", "card_declined")


def test_a_part_and_a_part_of_the_tip(key: Caller, paid: Payment) -> None:
    first = give_back(key, paid, amount=inr(10_000))
    second = give_back(key, paid, amount=inr(0), tip=inr(6_000))

    assert [each.json()["total"]["amount"] for each in (first, second)] == [10_000, 6_000]
    assert key.get(f"/payments/{paid.pk}").json()["refund_state"] == "partial"


@pytest.mark.parametrize(
    ("body", "expected", "pointer"),
    [
        ({"amount": inr(84_001)}, (409, "more_than_left"), "/amount"),
        ({"amount": inr(1), "tip": inr(6_001)}, (409, "more_than_left"), "/tip"),
        ({"amount": inr(0)}, (422, "bad_amount"), "/amount"),
        ({"tip": inr(1)}, (422, "invalid_request"), "/tip"),
        ({"reason": "x"}, (422, "no_reason"), "/reason"),
        ({"reason": "card 4111 1111 1111 1111"}, (422, "invalid_request"), "/reason"),
        ({"amount": {"amount": 1, "currency": "USD"}}, (422, "wrong_currency"), "/amount/currency"),
        ({"status": "completed"}, (422, "invalid_request"), "/status"),
    ],
)
def test_what_is_refused_reserves_nothing(key: Caller, paid: Payment, body: Any, expected: Any, pointer: str) -> None:
    answer = give_back(key, paid, **body)

    assert (code_of(answer), set(pointers(answer))) == (expected, {pointer})
    assert Refund.objects.count() == 0
    assert Attempt.objects.get().refunding_minor == 0


def test_a_refund_in_doubt_says_so_and_is_asked_about(key: Caller, paid: Payment, provider_a: ScriptedGateway) -> None:
    provider_a.refunds.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))

    answer = give_back(key, paid, amount=inr(10_000))

    said = answer.json()
    assert (answer.status_code, said["status"], said["in_doubt"]) == (202, "processing", True)
    assert said["next_check_at"] is not None
    money = Money(10_000, "INR")
    provider_a.look_ups.append(LookUpResult(answer=Answer.SUCCEEDED, money=money, reference="re_1"))
    asked = key.post(f"/refunds/{said['id']}/refresh")
    assert (asked.status_code, asked.json()["status"]) == (200, "completed")


def test_a_refused_refund_exists_and_somebody_is_told(key: Caller, paid: Payment, provider_a: ScriptedGateway) -> None:
    provider_a.refunds.append(outcome(Outcome.DECLINED, ErrorCode.REFUND_REFUSED))

    answer = give_back(key, paid)

    assert (answer.status_code, answer.json()["status"]) == (201, "failed")
    assert [case["kind"] for case in key.get("/cases").json()["items"]] == ["refund_failed"]


def test_what_holds_no_money_gives_none_back(key: Caller, order: Order) -> None:
    held = created(key.post("/payments", {"order": str(order.pk), "hold": True}))

    assert code_of(give_back(key, held)) == (409, "nothing_to_refund")


def test_cash_is_handed_over_by_somebody_with_a_name(key: Caller, waiter: Caller, order: Order) -> None:
    payment = created(key.post("/payments", {"order": str(order.pk), "method": "cash"}))
    waiter.post(f"/payments/{payment.pk}/cash", {"amount": inr(84_000)})

    assert code_of(give_back(key, payment, handed_over=True)) == (403, "not_allowed")
    assert code_of(give_back(waiter, payment)) == (403, "not_allowed")
    done = waiter.post(
        f"/payments/{payment.pk}/refunds", {**WHY, "amount": inr(4_000), "handed_over": True}, key="hand"
    )
    again = waiter.post(
        f"/payments/{payment.pk}/refunds", {**WHY, "amount": inr(4_000), "handed_over": True}, key="hand"
    )

    assert (done.status_code, done.json()["status"], done.content) == (201, "completed", again.content)
    assert Refund.objects.count() == 1
    asked = give_back(key, payment, amount=inr(1_000))
    assert (asked.status_code, asked.json()["status"]) == (202, "requested")


def test_a_tip_is_handed_back_with_its_share(waiter: Caller, key: Caller, order: Order) -> None:
    payment = created(key.post("/payments", {"order": str(order.pk), "method": "cash", "tip": inr(6_000)}))
    waiter.post(f"/payments/{payment.pk}/cash", {"amount": inr(90_000)})

    body = {**WHY, "amount": inr(84_000), "tip": inr(6_000), "handed_over": True, "reopens_order": True}
    said = waiter.post(f"/payments/{payment.pk}/refunds", body).json()

    assert (said["amount"]["amount"], said["tip"]["amount"], said["reopens_order"]) == (84_000, 6_000, True)
    assert Attempt.objects.get().refunded_minor == 90_000


def test_a_card_is_not_refunded_across_the_table(waiter: Caller, paid: Payment) -> None:
    assert code_of(give_back(waiter, paid, handed_over=True)) == (409, "not_cash")


def test_so_many_refunds_an_hour_are_enough(
    key: Caller, finance: Caller, paid: Payment, settings: Settings, time: ShiftedClock
) -> None:
    settings.STEWARD_REFUNDS_PER_HOUR = 3
    answers = []
    for _ in range(4):
        answers.append(give_back(key, paid, amount=inr(100)))
        time.advance(seconds=600)

    assert [answer.status_code for answer in answers] == [201, 201, 201, 429]
    assert code_of(answers[-1]) == (429, "too_many_refunds")
    assert 1_780 <= int(answers[-1].headers["retry-after"]) <= 1_800
    assert code_of(key.post(f"/orders/{paid.order_id}/cancel")) == (429, "too_many_refunds")
    assert give_back(finance, paid, amount=inr(100)).status_code == 201
    time.advance(seconds=int(answers[-1].headers["retry-after"]) - 600)
    assert [give_back(key, paid, amount=inr(100)).status_code for _ in range(2)] == [201, 429]


def test_the_limit_is_exact_among_many_at_once(key: Caller, restaurant: Restaurant, settings: Settings) -> None:
    settings.STEWARD_REFUNDS_PER_HOUR = 5
    payments = [created(key.post("/payments", card(order_of(restaurant)))) for _ in range(12)]

    def ask(payment: Payment) -> int:
        try:
            status: int = give_back(key, payment, amount=inr(100)).status_code
            return status
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=12) as pool:
        statuses = list(pool.map(ask, payments))

    assert sorted(statuses) == [201] * 5 + [429] * 7


def test_refunds_are_listed_and_filtered(key: Caller, paid: Payment) -> None:
    for amount in (1_000, 2_000):
        give_back(key, paid, amount=inr(amount))

    listed = key.get("/refunds?ordering=amount").json()["items"]

    assert [item["amount"]["amount"] for item in listed] == [1_000, 2_000]
    assert len(key.get(f"/refunds?payment={paid.pk}&status=completed&origin=person").json()["items"]) == 2
    assert len(key.get(f"/refunds?order={paid.order_id}&in_doubt=false").json()["items"]) == 2
    assert key.get("/refunds?status=failed").json()["items"] == []


def test_a_refund_has_a_tag(key: Caller, paid: Payment) -> None:
    refund = give_back(key, paid).json()
    first = key.get(f"/refunds/{refund['id']}")

    assert key.get(f"/refunds/{refund['id']}", If_None_Match=first.headers["etag"]).status_code == 304
