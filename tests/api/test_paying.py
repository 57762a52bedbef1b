"""Paying over HTTP: what is answered to each thing that can happen, and what exists afterwards."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from accounts.models import Restaurant, Role
from events.actors import GUEST
from events.models import Event, Transition
from kernel import clock
from kernel.modes import Mode
from kernel.money import Money
from orders.models import Order
from orders.services import cancel_order
from payments.gateways.contract import Answer, ErrorCode, LookUpResult, Outcome
from payments.models import Attempt, Payment, PaymentStatus
from payments.services.evidence import Evidence, Finding, Source
from payments.services.settlement import settle_attempt
from payments.services.sweeps import sweep_payments, sweep_refunds
from tests.api.conftest import Caller, card, code_of, created, inr, key_of, person_of, pointers
from tests.factories import order_of
from tests.scripted import ScriptedGateway, outcome
from tests.time_machine import ShiftedClock

REDIRECT = {"kind": "redirect", "url": "https://provider.example/pay/1"}
CARD = "4111-1111-1111-1111"


def test_a_payment_completes_inside_the_request(key: Caller, order: Order) -> None:
    answer = key.post("/payments", card(order, tip=inr(4_000), metadata={"table": "7"}))

    said = answer.json()
    assert answer.status_code == 201
    assert (said["status"], said["in_doubt"], said["safe_to_retry"]) == ("completed", False, False)
    assert said["amount"] == {"amount": 84_000, "currency": "INR", "amount_display": "₹840.00"}
    assert said["total"]["amount"] == 88_000
    assert said["order"] == {"id": str(order.pk), "reference": order.reference}
    assert (said["provider"], said["method"], said["failure"], said["next_step"]) == ("a", "card", None, None)
    assert said["metadata"] == {"table": "7"}
    assert answer.headers["location"] == said["links"]["self"]
    assert "retry-after" not in answer.headers
    assert key.get(f"/payments/{said['id']}").json() == said


def test_a_declined_payment_exists(key: Caller, order: Order, provider_a: ScriptedGateway) -> None:
    provider_a.charges.append(outcome(Outcome.DECLINED, ErrorCode.INSUFFICIENT_FUNDS))

    answer = key.post("/payments", card(order))

    said = answer.json()
    assert (answer.status_code, said["status"], said["safe_to_retry"]) == (201, "failed", True)
    assert said["failure"] == {
        "code": "insufficient_funds",
        "user_message": "There is not enough money on this account. You were not charged. Please pay another way.",
        "next_action": "other_method",
    }


def test_a_guest_is_told_in_hindi(key: Caller, order: Order, provider_a: ScriptedGateway) -> None:
    provider_a.charges.append(outcome(Outcome.DECLINED, ErrorCode.EXPIRED_CARD))

    answer = key.post("/payments", card(order), Accept_Language="fr;q=0.9, hi-IN, en;q=0.5")

    assert "कार्ड" in answer.json()["failure"]["user_message"]


def test_a_time_out_is_doubt_said_in_words(
    key: Caller, order: Order, provider_a: ScriptedGateway, provider_b: ScriptedGateway
) -> None:
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))

    answer = key.post("/payments", card(order))

    said = answer.json()
    assert (answer.status_code, said["status"]) == (202, "processing")
    assert (said["in_doubt"], said["safe_to_retry"]) == (True, False)
    assert said["user_message"].startswith("We do not know yet")
    assert said["next_step"] == {"kind": "wait", "expires_at": None}
    assert said["next_check_at"] is not None
    assert 1 <= int(answer.headers["retry-after"]) <= 10
    assert provider_b.count("charge") == 0


def test_a_step_of_the_guest_is_handed_on(key: Caller, order: Order, provider_a: ScriptedGateway) -> None:
    provider_a.charges.append(outcome(Outcome.PENDING, next_step=REDIRECT))

    answer = key.post("/payments", card(order, return_url="https://shop.example/done"))

    said = answer.json()
    assert (answer.status_code, said["status"], said["in_doubt"]) == (202, "processing", False)
    assert {**said["next_step"], "expires_at": ""} == {**REDIRECT, "expires_at": ""}
    assert said["next_step"]["expires_at"] is not None


def test_another_provider_is_tried_where_nothing_was_sent(
    key: Caller, order: Order, provider_a: ScriptedGateway
) -> None:
    provider_a.charges.append(outcome(Outcome.NOT_SENT, ErrorCode.UNREACHABLE))

    said = key.post("/payments", card(order)).json()

    attempts = key.get(f"/payments/{said['id']}/attempts").json()["items"]
    assert (said["status"], said["provider"]) == ("completed", "b")
    assert [(each["provider"], each["status"], each["error_code"]) for each in attempts] == [
        ("a", "not_sent", "unreachable"),
        ("b", "succeeded", None),
    ]


def test_in_the_background_it_is_answered_at_once(key: Caller, order: Order, provider_a: ScriptedGateway) -> None:
    answer = key.post("/payments", card(order), Prefer="respond-async")

    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    assert answer.headers["preference-applied"] == "respond-async"
    assert provider_a.count("charge") == 0
    sweep_payments(width=1)
    assert Payment.objects.get().status == PaymentStatus.COMPLETED


def test_a_failed_payment_is_tried_again_with_another_method(
    key: Caller, order: Order, provider_a: ScriptedGateway
) -> None:
    provider_a.charges.append(outcome(Outcome.DECLINED, ErrorCode.EXPIRED_CARD))
    failed = key.post("/payments", card(order)).json()

    again = key.post(f"/payments/{failed['id']}/retry", {"method": "upi", "instrument": "tok_2"})

    assert (again.status_code, again.json()["status"], again.json()["id"]) == (200, "completed", failed["id"])
    assert code_of(key.post(f"/payments/{failed['id']}/retry", {})) == (409, "not_failed")


def test_money_that_came_too_late_is_told_to_go_back(key: Caller, order: Order, provider_a: ScriptedGateway) -> None:
    """The order was paid another way meanwhile: nobody is told that nothing was charged."""
    provider_a.charges.append(outcome(Outcome.DECLINED, ErrorCode.EXPIRED_CARD))
    failed = created(key.post("/payments", card(order)))
    key.post("/payments", card(order, method="upi"))
    evidence = Evidence(source=Source.NOTICE, finding=Finding.SUCCEEDED, money=Money(84_000, "INR"), reference="late_1")
    settle_attempt(attempt_id=failed.attempts.get().pk, evidence=evidence)

    said = key.get(f"/payments/{failed.pk}").json()

    assert (said["status"], said["safe_to_retry"], said["refund_state"]) == ("failed", False, "none")
    assert said["failure"]["user_message"].endswith("It is on its way back to you.")
    sweep_refunds(width=1)
    back = key.get(f"/payments/{failed.pk}").json()
    assert (back["refund_state"], back["failure"]["next_action"]) == ("full", "none")
    assert back["failure"]["user_message"].endswith("It went back to you.")


def test_whoever_tries_out_a_stolen_card_learns_nothing(
    key: Caller, restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    guest, person = person_of(restaurant, Role.CUSTOMER)
    order = order_of(restaurant, owner_id=person.pk)
    provider_a.charges.append(outcome(Outcome.DECLINED, ErrorCode.STOLEN_CARD))
    payment = created(guest.post("/payments", card(order, metadata={"margin": "12"})))
    browser = Caller(key.post(f"/payments/{payment.pk}/client-tokens").json()["client_token"])

    assert key.get(f"/payments/{payment.pk}").json()["failure"]["code"] == "stolen_card"
    for caller in (guest, browser):
        assert caller.get(f"/payments/{payment.pk}").json()["failure"]["code"] == "card_declined"
    assert guest.get(f"/payments/{payment.pk}/attempts").json()["items"][0]["error_code"] == "card_declined"
    assert browser.get(f"/payments/{payment.pk}").json()["metadata"] == {}


def test_what_is_provably_uncharged_is_cancelled(key: Caller, order: Order) -> None:
    held = key.post("/payments", {"order": str(order.pk), "hold": True}).json()

    for _ in range(2):
        answer = key.post(f"/payments/{held['id']}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (200, "failed")
        assert answer.json()["failure"]["code"] == "cancelled"


def test_a_doubt_is_never_called_cancelled(key: Caller, order: Order, provider_a: ScriptedGateway) -> None:
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    doubtful = created(key.post("/payments", card(order)))

    answer = key.post(f"/payments/{doubtful.pk}/cancel")

    assert (answer.status_code, answer.json()["status"], answer.json()["in_doubt"]) == (202, "processing", True)


def test_a_completed_payment_stays_what_it_is(key: Caller, order: Order) -> None:
    paid = created(key.post("/payments", card(order)))

    assert key.post(f"/payments/{paid.pk}/cancel").json()["status"] == "completed"


def test_the_provider_is_asked_now(key: Caller, order: Order, provider_a: ScriptedGateway) -> None:
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    doubtful = created(key.post("/payments", card(order)))
    money = Money(84_000, "INR")
    provider_a.look_ups.append(LookUpResult(answer=Answer.SUCCEEDED, money=money, reference="ch_1"))

    answer = key.post(f"/payments/{doubtful.pk}/refresh")

    assert (answer.status_code, answer.json()["status"], answer.json()["in_doubt"]) == (200, "completed", False)
    assert "ratelimit" in answer.headers
    assert answer.headers["provider-asked"] == "yes; answer=succeeded"


def test_who_asks_hears_that_nobody_was_asked(key: Caller, order: Order, provider_a: ScriptedGateway) -> None:
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    doubtful = created(key.post("/payments", card(order)))
    until = clock.now() + timedelta(seconds=20)
    Payment.objects.update(lease_token=clock.new_id(), lease_until=until)

    answer = key.post(f"/payments/{doubtful.pk}/refresh")

    assert provider_a.count("look_up") == 0
    assert answer.headers["provider-asked"].startswith("no; why=in_hand; until=")


def test_a_provider_is_not_asked_more_than_a_few_times_a_minute(
    key: Caller, order: Order, provider_a: ScriptedGateway
) -> None:
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    doubtful = created(key.post("/payments", card(order)))

    answers = [key.post(f"/payments/{doubtful.pk}/refresh") for _ in range(8)]

    assert [answer.status_code for answer in answers] == [202] * 6 + [429] * 2
    assert code_of(answers[-1]) == (429, "rate_limited")
    assert int(answers[-1].headers["retry-after"]) > 0


def test_a_waiter_confirms_cash_once(waiter: Caller, key: Caller, order: Order) -> None:
    asked = created(key.post("/payments", {"order": str(order.pk), "method": "cash"}))
    path = f"/payments/{asked.pk}/cash"

    assert key.get(f"/payments/{asked.pk}").json()["next_step"]["kind"] == "wait_for_waiter"
    assert code_of(key.post(path, {"amount": inr(84_000)})) == (403, "not_allowed")
    assert code_of(waiter.post(path, {"amount": inr(83_000)})) == (409, "not_exact")
    usd = waiter.post(path, {"amount": {"amount": 84_000, "currency": "USD"}})
    assert (code_of(usd), pointers(usd)) == ((422, "wrong_currency"), {"/amount/currency": "wrong_currency"})
    taken = {"amount": inr(84_000), "added_tip": inr(6_000), "given": inr(100_000)}
    done = waiter.post(path, taken, key="press")
    again = waiter.post(path, taken, key="press")

    assert (done.status_code, done.json()["status"], done.json()["tip"]["amount"]) == (200, "completed", 6_000)
    completed = Event.objects.get(type="payment.completed")
    assert (completed.actor_kind, completed.request_id) == ("user", done.headers["x-request-id"])
    assert (again.status_code, again.content, again.headers["idempotent-replayed"]) == (200, done.content, "true")
    assert code_of(waiter.post(path, taken)) == (409, "not_waiting")


def test_cash_against_a_doubt_needs_a_reason(
    waiter: Caller, key: Caller, order: Order, provider_a: ScriptedGateway, time: ShiftedClock
) -> None:
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    doubtful = created(key.post("/payments", card(order)))
    time.advance(seconds=60)
    body: dict[str, Any] = {"amount": inr(84_000), "against_doubt": True}

    assert code_of(waiter.post(f"/payments/{doubtful.pk}/cash", body)) == (422, "no_reason")
    done = waiter.post(f"/payments/{doubtful.pk}/cash", {**body, "reason": "The guest has a train to catch."})

    assert (done.status_code, done.json()["status"], done.json()["method"]) == (200, "completed", "cash")


REFUSED: list[tuple[dict[str, Any], tuple[int, str]]] = [
    ({"amount": inr(84_001)}, (409, "more_than_due")),
    ({"amount": {"amount": 1, "currency": "USD"}}, (422, "wrong_currency")),
    ({"tip": {"amount": 1, "currency": "USD"}}, (422, "wrong_currency")),
    ({"tip": inr(840_001)}, (422, "tip_too_high")),
    ({"method": "wallet"}, (422, "no_provider")),
    ({"provider": "nobody"}, (422, "unknown_provider")),
    ({"amount": inr(0)}, (422, "invalid_request")),
    ({"method": "cheque"}, (422, "invalid_request")),
    ({"return_url": "javascript:alert(1)"}, (422, "invalid_request")),
    ({"return_url": "/done"}, (422, "invalid_request")),
    ({"instrument": CARD}, (422, "invalid_request")),
    ({"metadata": {"note": CARD}}, (422, "invalid_request")),
    ({"metadata": {CARD: "note"}}, (422, "invalid_request")),
    ({"metadata": {"n": 1}}, (422, "invalid_request")),
    ({"metadata": {str(number): "" for number in range(51)}}, (422, "invalid_request")),
    ({"status": "completed"}, (422, "invalid_request")),
    ({"amount": inr(5), "tip": {"amount": 1, "currency": "USD"}}, (422, "invalid_request")),
]


@pytest.mark.parametrize(("more", "expected"), REFUSED, ids=[str(number) for number in range(len(REFUSED))])
def test_what_is_refused_writes_nothing(
    key: Caller, order: Order, provider_a: ScriptedGateway, more: dict[str, Any], expected: tuple[int, str]
) -> None:
    answer = key.post("/payments", card(order, **more))

    assert code_of(answer) == expected
    assert answer.json()["errors"]
    assert Payment.objects.count() == provider_a.count("charge") == 0


def test_a_payment_without_a_method_is_only_held(key: Caller, order: Order) -> None:
    answer = key.post("/payments", {"order": str(order.pk)})

    assert pointers(answer) == {"/method": "required"}


def test_what_is_paid_being_paid_or_cancelled_is_not_paid_again(
    key: Caller, restaurant: Restaurant, provider_a: ScriptedGateway
) -> None:
    paid, busy, cancelled = (order_of(restaurant) for _ in range(3))
    key.post("/payments", card(paid))
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    key.post("/payments", card(busy))
    cancel_order(order_id=cancelled.pk, actor=GUEST)

    answers = [key.post("/payments", card(order)) for order in (paid, busy, cancelled)]

    assert [code_of(answer)[1] for answer in answers] == ["already_covered", "being_paid", "order_cancelled"]
    assert [answer.headers.get("retry-after") for answer in answers] == [None, "10", None]


def test_an_order_of_another_restaurant_or_mode_is_not_there(
    key: Caller, elsewhere: Restaurant, restaurant: Restaurant
) -> None:
    foreign, live = order_of(elsewhere), key_of(restaurant, mode=Mode.LIVE)
    mine = order_of(restaurant)

    assert code_of(key.post("/payments", card(foreign))) == (404, "not_found")
    assert code_of(live.post("/payments", card(mine))) == (404, "not_found")
    assert Payment.objects.count() == 0


def test_who_asked_is_in_the_history_and_the_request_too(key: Caller, order: Order) -> None:
    answer = key.post("/payments", card(order), X_Request_Id="till-7-press-1")

    assert answer.headers["x-request-id"] == "till-7-press-1"
    event = Event.objects.get(type="payment.created")
    assert (event.actor_kind, event.request_id) == ("api_key", "till-7-press-1")
    attempt = Attempt.objects.get()
    assert Transition.objects.get(subject_id=attempt.pk, step="create").request_id == "till-7-press-1"


def test_a_browser_reads_its_payment_and_chooses_the_method_and_nothing_else(
    key: Caller, restaurant: Restaurant, order: Order
) -> None:
    held = key.post("/payments", {"order": str(order.pk), "amount": inr(20_000), "hold": True}).json()
    other = key.post("/payments", {"order": str(order.pk), "amount": inr(20_000), "hold": True}).json()
    token = key.post(f"/payments/{held['id']}/client-tokens").json()["client_token"]
    browser = Caller(token)

    assert token.startswith("pay_")
    assert browser.get(f"/payments/{held['id']}").json()["status"] == "pending"
    assert code_of(browser.get(f"/payments/{other['id']}")) == (404, "not_found")
    for path in ("/payments", "/orders", f"/orders/{order.pk}", f"/payments/{held['id']}/attempts", "/refunds"):
        assert code_of(browser.get(path)) == (403, "not_allowed")
    for path in ("/cancel", "/client-tokens", "/refunds", "/cash"):
        assert code_of(browser.post(f"/payments/{held['id']}{path}")) == (403, "not_allowed")
    assert code_of(browser.post(f"/payments/{other['id']}/start", {"method": "card"})) == (404, "not_found")
    done = browser.post(f"/payments/{held['id']}/start", {"method": "card", "instrument": "tok_1"})
    assert done.json()["status"] == "completed"
    assert Event.objects.filter(stream_id=held["id"], actor_kind="api_key").exists()


def test_a_browsers_token_expires(key: Caller, order: Order, time: ShiftedClock) -> None:
    held = key.post("/payments", {"order": str(order.pk), "hold": True}).json()
    browser = Caller(key.post(f"/payments/{held['id']}/client-tokens").json()["client_token"])
    time.advance(seconds=2 * 60 * 60)

    assert code_of(browser.get(f"/payments/{held['id']}")) == (401, "bad_credentials")


def test_a_status_is_asked_for_cheaply(key: Caller, order: Order, provider_a: ScriptedGateway) -> None:
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    doubtful = created(key.post("/payments", card(order)))
    first = key.get(f"/payments/{doubtful.pk}")

    same = key.get(f"/payments/{doubtful.pk}", If_None_Match=first.headers["etag"])

    assert (same.status_code, same.content) == (304, b"")
    assert same.headers["etag"] == first.headers["etag"]
    assert key.get(f"/payments/{doubtful.pk}", If_None_Match="*").status_code == 304
    assert int(same.headers["retry-after"]) >= 1
    provider_a.look_ups.append(LookUpResult(answer=Answer.DECLINED, code=ErrorCode.CARD_DECLINED))
    key.post(f"/payments/{doubtful.pk}/refresh")
    changed = key.get(f"/payments/{doubtful.pk}", If_None_Match=first.headers["etag"])
    assert (changed.status_code, changed.json()["status"]) == (200, "failed")


def test_a_customers_own_orders_are_paid_and_no_others(restaurant: Restaurant) -> None:
    (guest, person), (stranger, _) = person_of(restaurant, Role.CUSTOMER), person_of(restaurant, Role.CUSTOMER)
    mine = order_of(restaurant, owner_id=person.pk)

    assert code_of(stranger.post("/payments", card(mine))) == (404, "not_found")
    payment = created(guest.post("/payments", card(mine)))

    assert code_of(stranger.get(f"/payments/{payment.pk}")) == (404, "not_found")
    assert guest.get("/payments").json()["items"][0]["id"] == str(payment.pk)
    assert stranger.get("/payments").json()["items"] == []
    assert code_of(guest.post(f"/payments/{payment.pk}/refunds", {"reason": "cold food"})) == (403, "not_allowed")
