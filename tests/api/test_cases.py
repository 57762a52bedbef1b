"""Cases over HTTP: listed oldest first, taken, and ended by a named person's decision."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import Restaurant, Role
from events.models import Transition
from failures.decisions import OFFERED, Action
from failures.models import Case, CaseKind
from kernel.money import Money
from orders.models import Order
from payments.gateways.contract import ErrorCode, Outcome, Result
from payments.models import Payment, PaymentStatus, Refund
from payments.services import timing
from payments.services.sweeps import sweep_payments, sweep_refunds
from tests.api.conftest import Caller, card, code_of, created, inr, person_of, pointers
from tests.scripted import ScriptedGateway, outcome
from tests.time_machine import ShiftedClock

WHY = "Seen in the provider's dashboard."


def act(caller: Caller, case: dict[str, Any], action: str, *, key: str = "", **more: Any) -> Any:
    return caller.post(f"/cases/{case['id']}/actions", {"action": action, "reason": WHY, **more}, key=key)


def only_case(caller: Caller) -> dict[str, Any]:
    (case,) = caller.get("/cases?waiting=true").json()["items"]
    return dict(case)


@pytest.fixture
def doubtful(
    key: Caller, order: Order, finance: Caller, provider_a: ScriptedGateway, time: ShiftedClock
) -> dict[str, Any]:
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    key.post("/payments", card(order))
    for _ in range(8):
        time.advance(seconds=timing.DOUBT_BOUND.total_seconds() / 7)
        sweep_payments(width=1)
    return only_case(finance)


def test_a_case_says_what_it_is_about_and_what_may_be_done(finance: Caller, doubtful: dict[str, Any]) -> None:
    assert (doubtful["kind"], doubtful["status"], doubtful["owner"]) == ("in_doubt", "open", None)
    assert doubtful["sentence"] == "nobody knows whether the money moved"
    assert doubtful["actions"] == ["record_charged", "record_not_charged", "resolve", "dismiss"]
    assert doubtful["payment"]["status"] == "processing"
    assert finance.get(f"/cases/{doubtful['id']}").json() == doubtful


def test_a_case_is_taken(restaurant: Restaurant, doubtful: dict[str, Any]) -> None:
    colleague, person = person_of(restaurant, Role.FINANCE)

    said = colleague.post(f"/cases/{doubtful['id']}/assign").json()

    assert (said["status"], said["owner"]) == ("assigned", person.username)


def test_a_doubt_is_not_put_away(finance: Caller, doubtful: dict[str, Any]) -> None:
    assert code_of(act(finance, doubtful, "resolve")) == (409, "not_over")
    assert code_of(act(finance, doubtful, "keep")) == (422, "no_such_action")
    assert code_of(
        finance.post(f"/cases/{doubtful['id']}/actions", {"action": "record_not_charged", "reason": "x"})
    ) == (
        422,
        "no_reason",
    )


def test_what_a_person_has_seen_ends_a_doubt_once(finance: Caller, doubtful: dict[str, Any]) -> None:
    first, again = (act(finance, doubtful, "record_charged", key="press", amount=inr(84_000)) for _ in range(2))

    assert (first.status_code, first.json()["status"]) == (200, "resolved")
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    assert Payment.objects.get().status == PaymentStatus.COMPLETED
    assert code_of(act(finance, doubtful, "record_charged", amount=inr(84_000))) == (409, "already_ended")


def test_an_amount_is_needed_and_is_of_the_payments_currency(finance: Caller, doubtful: dict[str, Any]) -> None:
    assert code_of(act(finance, doubtful, "record_charged")) == (422, "bad_amount")
    wrong = act(finance, doubtful, "record_charged", amount={"amount": 1, "currency": "USD"})
    assert (code_of(wrong), set(pointers(wrong))) == ((422, "wrong_currency"), {"/amount/currency"})
    assert code_of(act(finance, doubtful, "record_not_charged", amount=inr(1))) == (422, "bad_amount")
    assert Payment.objects.get().in_doubt


def test_not_charged_is_a_persons_word_too(finance: Caller, doubtful: dict[str, Any]) -> None:
    answer = act(finance, doubtful, "record_not_charged")

    assert (answer.status_code, answer.json()["status"]) == (200, "resolved")
    assert Payment.objects.get().status == PaymentStatus.FAILED


def test_another_amount_is_decided_about(
    key: Caller, finance: Caller, order: Order, provider_a: ScriptedGateway
) -> None:
    more = Result(outcome=Outcome.SUCCEEDED, money=Money(84_500, "INR"), reference="ch_1")
    provider_a.charges.append(more)
    key.post("/payments", card(order))
    case = only_case(finance)

    answer = act(finance, case, "refund_difference")

    assert (case["kind"], answer.json()["status"]) == ("amount_mismatch", "resolved")
    sweep_refunds(width=1)
    assert Refund.objects.get().amount_minor == 500
    assert Payment.objects.get().status == PaymentStatus.COMPLETED


def test_a_payment_that_nobody_took_is_tried_again(
    key: Caller, finance: Caller, order: Order, provider_a: ScriptedGateway
) -> None:
    provider_a.charges.append(outcome(Outcome.DECLINED, ErrorCode.ISSUER_UNAVAILABLE))
    key.post("/payments", card(order, provider="a"))
    case = only_case(finance)

    answer = act(finance, case, "retry")

    assert Transition.objects.get(subject_id=case["id"], step="retry").reason == WHY
    assert (case["kind"], answer.status_code) == ("exhausted", 200)
    sweep_payments(width=1)
    assert Payment.objects.get().status == PaymentStatus.COMPLETED
    assert Case.objects.get().status == "resolved"


def test_a_refund_that_failed_is_asked_for_again(
    key: Caller, finance: Caller, order: Order, provider_a: ScriptedGateway
) -> None:
    payment = created(key.post("/payments", card(order)))
    provider_a.refunds.append(outcome(Outcome.DECLINED, ErrorCode.REFUND_REFUSED))
    key.post(f"/payments/{payment.pk}/refunds", {"amount": inr(5_000), "reason": "cold food"})
    case = only_case(finance)

    answers = [act(finance, case, "refund") for _ in range(2)]
    sweep_refunds(width=1)

    assert case["kind"] == "refund_failed"
    assert answers[0].json()["status"] == "resolved"
    assert code_of(answers[1]) == (409, "already_ended")
    assert sorted(Refund.objects.values_list("status", "amount_minor")) == [("completed", 5_000), ("failed", 5_000)]


def test_a_program_only_looks(key: Caller, doubtful: dict[str, Any]) -> None:
    assert key.get(f"/cases/{doubtful['id']}").status_code == 200
    assert code_of(key.post(f"/cases/{doubtful['id']}/assign")) == (403, "not_allowed")
    assert code_of(act(key, doubtful, "dismiss")) == (403, "not_allowed")


def test_cases_are_filtered(finance: Caller, doubtful: dict[str, Any]) -> None:
    def found(query: str) -> int:
        return len(finance.get(f"/cases?{query}").json()["items"])

    assert found("kind=in_doubt") == found("status=open") == found(f"payment={doubtful['payment']['id']}") == 1
    assert found("kind=surplus") == found("status=resolved") == 0
    act(finance, doubtful, "record_not_charged")
    assert found("waiting=true") == 0
    assert found("status=resolved") == 1


def test_every_kind_of_case_and_every_action_is_thought_of() -> None:
    ends_by_looking = {
        *(CaseKind.LATE_SUCCESS, CaseKind.CONTRADICTION, CaseKind.PROVIDER_REFUND, CaseKind.CREDENTIALS),
    }
    offered = {action for actions in OFFERED.values() for action in actions}

    assert set(OFFERED) | ends_by_looking == set(CaseKind)
    assert offered | {Action.RESOLVE, Action.DISMISS} == set(Action)
