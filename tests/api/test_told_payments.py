"""What is told of a payment over HTTP when more than one thing has happened to it, and how often it may be tried."""

from __future__ import annotations

import pytest

from api import limits
from events.actors import ActorKind
from events.models import Event, Transition
from kernel.money import Money
from orders.models import Order
from payments.gateways.contract import ErrorCode, Outcome
from payments.models import Attempt
from payments.services import payments
from payments.services.evidence import Evidence, Finding, Source
from payments.services.settlement import settle_attempt
from payments.services.sweeps import sweep_refunds
from tests.api.conftest import Caller, card, code_of, created, inr, pointers
from tests.scripted import ScriptedGateway, outcome

# A look-up that ends the doubt about a whole order.
TAKEN = Evidence(source=Source.LOOK_UP, finding=Finding.SUCCEEDED, money=Money(84_000, "INR"))


def test_nobody_tries_out_cards_on_one_payment(
    key: Caller, order: Order, provider_a: ScriptedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider_a.charges += [outcome(Outcome.DECLINED, ErrorCode.EXPIRED_CARD)] * 20
    failed = key.post("/payments", card(order)).json()
    again = f"/payments/{failed['id']}/retry"

    tries = [key.post(again, {"instrument": f"tok_{number}"}) for number in range(limits.TRIES.per_minute + 1)]

    assert {answer.status_code for answer in tries[:-1]} == {200}
    assert code_of(tries[-1]) == (429, "rate_limited")
    assert int(tries[-1].headers["retry-after"]) > 0
    assert provider_a.count("charge") == limits.TRIES.per_minute + 1

    monkeypatch.setattr(limits, "_counter", lambda: None)
    monkeypatch.setattr(payments, "MOST_ROUNDS", limits.TRIES.per_minute + 1)
    assert code_of(key.post(again, {"instrument": "tok_1"})) == (409, "tried_too_often")


def test_money_that_was_not_due_is_no_plain_success(key: Caller, order: Order, provider_a: ScriptedGateway) -> None:
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    doubtful = key.post("/payments", card(order)).json()
    key.post(f"/orders/{order.pk}/cancel")
    attempt = Attempt.objects.get()
    settle_attempt(attempt_id=attempt.pk, evidence=TAKEN)

    said = key.get(f"/payments/{doubtful['id']}").json()

    assert (said["status"], said["kept"]["amount"], said["refund_state"]) == ("completed", 0, "none")
    assert "on its way back" in said["user_message"]
    sweep_refunds(width=1)
    assert key.get(f"/payments/{doubtful['id']}").json()["refund_state"] == "full"


def test_a_surplus_that_goes_back_is_no_refund_of_what_was_kept(
    key: Caller, waiter: Caller, order: Order, provider_a: ScriptedGateway
) -> None:
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    doubtful = key.post("/payments", card(order)).json()
    attempt = Attempt.objects.get()
    cash = {"amount": inr(84_000), "against_doubt": True, "reason": "The guest has to go."}
    assert waiter.post(f"/payments/{doubtful['id']}/cash", cash).status_code == 200
    settle_attempt(attempt_id=attempt.pk, evidence=TAKEN)
    sweep_refunds(width=1)

    said = key.get(f"/payments/{doubtful['id']}").json()

    assert Attempt.objects.get(pk=attempt.pk).refunded_minor == 84_000
    assert (said["method"], said["kept"]["amount"], said["refunded"]["amount"]) == ("cash", 84_000, 0)
    assert (said["refund_state"], said["user_message"]) == ("none", None)


def test_who_withdrew_what_was_sent_is_in_the_history(key: Caller, order: Order, provider_a: ScriptedGateway) -> None:
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    doubtful = key.post("/payments", card(order)).json()

    withdrawn = key.post(f"/payments/{doubtful['id']}/cancel").json()
    again = key.post(f"/payments/{doubtful['id']}/cancel").json()

    assert doubtful["version"] + 1 == withdrawn["version"] == again["version"]
    assert Transition.objects.get(subject_id=doubtful["id"], step="withdraw").actor_kind == ActorKind.API_KEY
    assert Event.objects.filter(stream_id=doubtful["id"], type="payment.withdrawn").count() == 1


def test_an_amount_may_be_sent_back_as_it_was_told(key: Caller, order: Order) -> None:
    due = key.get(f"/orders/{order.pk}").json()["due"]

    refused = key.post("/payments", {**card(order), "amount": {**due, "amount": 80_000}})
    done = key.post("/payments", {**card(order), "amount": due})

    assert pointers(refused) == {"/amount/amount_display": "other_amount"}
    assert (done.status_code, done.json()["amount"]) == (201, due)


def test_where_all_went_back_nothing_is_left_to_give_back(key: Caller, order: Order) -> None:
    paid = key.post("/payments", card(order)).json()
    path, body = f"/payments/{paid['id']}/refunds", {"reason": "cold food"}

    assert key.post(path, body).json()["status"] == "completed"
    assert code_of(key.post(path, body)) == (409, "nothing_to_refund")


def test_money_that_did_not_go_back_is_not_told_to_be_on_its_way(
    key: Caller, order: Order, provider_a: ScriptedGateway
) -> None:
    provider_a.charges.append(outcome(Outcome.DECLINED, ErrorCode.EXPIRED_CARD))
    failed = created(key.post("/payments", card(order)))
    key.post("/payments", card(order, method="upi"))
    evidence = Evidence(source=Source.NOTICE, finding=Finding.SUCCEEDED, money=Money(84_000, "INR"), reference="late_1")
    settle_attempt(attempt_id=failed.attempts.get().pk, evidence=evidence)
    provider_a.refunds.append(outcome(Outcome.DECLINED, ErrorCode.CARD_DECLINED))
    sweep_refunds(width=1)

    said = key.get(f"/payments/{failed.pk}").json()

    assert said["failure"]["user_message"].endswith("We could not send it back yet: our staff look after it.")
    assert (said["failure"]["next_action"], said["safe_to_retry"]) == ("call_staff", False)
