"""Cases over HTTP: listed oldest first, taken, and ended by a named person's decision."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import Approval, Restaurant, Role
from events.models import Transition
from failures.decisions import OFFERED, Action
from failures.models import Case, CaseKind
from kernel.money import Money
from orders.models import Order
from payments.gateways.contract import ErrorCode, Outcome, Result
from payments.models import Attempt, Payment, PaymentStatus, Refund
from payments.services import timing
from payments.services.sweeps import sweep_payments, sweep_refunds
from tests.api.conftest import Caller, card, code_of, created, inr, person_of, pointers
from tests.factories import RestaurantFactory
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


def test_who_decides_on_old_news_is_told_what_happened_since(
    restaurant: Restaurant, finance: Caller, doubtful: dict[str, Any]
) -> None:
    colleague, person = person_of(restaurant, Role.FINANCE)
    taken = colleague.post(f"/cases/{doubtful['id']}/assign").json()

    late = act(finance, doubtful, "record_not_charged", version=doubtful["version"])

    assert code_of(late) == (409, "stale")
    assert f"{person.username} took it" in late.json()["detail"]
    assert not Approval.objects.exists()
    assert act(finance, doubtful, "record_not_charged", version=taken["version"]).status_code == 200


def test_nor_does_who_agrees(finance: Caller, lead: Caller, doubtful: dict[str, Any]) -> None:
    asked = act(finance, doubtful, "record_not_charged").json()

    assert code_of(answer(lead, version=asked["version"] - 1)) == (409, "stale")
    assert code_of(answer(lead, version=-1)) == (422, "invalid_request")
    assert Payment.objects.get().in_doubt
    assert answer(lead, version=asked["version"]).status_code == 200


def answer(caller: Caller, verdict: str = "approve", *, key: str = "", **more: Any) -> Any:
    """To the one thing that is asked."""
    (asked,) = caller.get("/approvals?pending=true").json()["items"]
    return caller.post(f"/approvals/{asked['id']}/answer", {"verdict": verdict, **more}, key=key)


@pytest.fixture
def lead(restaurant: Restaurant) -> Caller:
    return person_of(restaurant, Role.FINANCE_LEAD)[0]


def test_what_a_person_has_seen_and_another_agrees_to_ends_a_doubt_once(
    finance: Caller, lead: Caller, doubtful: dict[str, Any]
) -> None:
    first, again = (act(finance, doubtful, "record_charged", key="press", amount=inr(84_000)) for _ in range(2))

    assert (first.status_code, first.json()["status"], first.json()["actions"]) == (200, "waiting_second_person", [])
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    assert Payment.objects.get().in_doubt
    approved = answer(lead, key="yes", reason="Seen as well.")
    assert (approved.status_code, approved.json()["status"]) == (200, "done")
    repeated = lead.post(f"/approvals/{approved.json()['id']}/answer", APPROVED, key="yes")
    assert (repeated.content, repeated.headers["idempotent-replayed"]) == (approved.content, "true")
    assert Payment.objects.get().status == PaymentStatus.COMPLETED
    assert code_of(act(finance, doubtful, "record_charged", amount=inr(84_000))) == (409, "already_ended")


APPROVED = {"verdict": "approve", "reason": "Seen as well."}


def test_an_app_says_any_amount_at_once_as_it_was_promised(finance: Caller, doubtful: dict[str, Any]) -> None:
    """What it asks of its people first is its own; the second person sees that it is another one."""
    assert act(finance, doubtful, "record_charged", amount=inr(840_000)).status_code == 200

    assert Approval.objects.get().after["attempts"][0]["mismatch"]


def test_a_request_says_what_it_changes_and_who_asks(finance: Caller, lead: Caller, doubtful: dict[str, Any]) -> None:
    act(finance, doubtful, "record_charged", amount=inr(84_000))

    (said,) = lead.get(f"/approvals?case={doubtful['id']}").json()["items"]
    assert (said["action"], said["status"], said["case"]) == ("record_charged", "pending", doubtful["id"])
    assert (said["before"]["payment"]["status"], said["after"]["payment"]["status"]) == ("processing", "completed")
    assert (said["reason"], said["asked_by"] is None, said["answered_by"]) == (WHY, False, None)
    assert lead.get(f"/approvals/{said['id']}").json() == said
    assert lead.get("/approvals?pending=false&status=rejected").json()["items"] == []


def test_who_asked_does_not_agree_and_who_agrees_not_may_not(
    restaurant: Restaurant, finance: Caller, lead: Caller, doubtful: dict[str, Any]
) -> None:
    act(finance, doubtful, "record_not_charged")
    colleague, _ = person_of(restaurant, Role.FINANCE)

    assert code_of(answer(finance)) == (403, "maker_is_checker")
    assert code_of(answer(colleague)) == (403, "not_a_checker")
    assert code_of(answer(lead, "withdraw", reason=WHY)) == (403, "not_the_maker")
    assert code_of(answer(lead, "reject")) == (422, "no_reason")
    assert code_of(act(lead, doubtful, "record_not_charged")) == (409, "waits_for_approval")
    assert code_of(lead.post(f"/cases/{doubtful['id']}/assign")) == (409, "waits_for_approval")
    assert Payment.objects.get().in_doubt
    assert answer(lead, "reject", reason="Look again.").json()["status"] == "rejected"
    assert finance.get(f"/cases/{doubtful['id']}").json()["status"] == "assigned"


def test_a_request_of_another_house_is_not_there(lead: Caller, finance: Caller, doubtful: dict[str, Any]) -> None:
    act(finance, doubtful, "record_not_charged")
    (asked,) = lead.get("/approvals").json()["items"]
    stranger, _ = person_of(RestaurantFactory.create(), Role.FINANCE_LEAD)

    assert stranger.get("/approvals").json()["items"] == []
    assert code_of(stranger.get(f"/approvals/{asked['id']}")) == (404, "not_found")
    assert code_of(stranger.post(f"/approvals/{asked['id']}/answer", APPROVED)) == (404, "not_found")


def test_an_amount_is_needed_and_is_of_the_payments_currency(finance: Caller, doubtful: dict[str, Any]) -> None:
    assert code_of(act(finance, doubtful, "record_charged")) == (422, "bad_amount")
    wrong = act(finance, doubtful, "record_charged", amount={"amount": 1, "currency": "USD"})
    assert (code_of(wrong), set(pointers(wrong))) == ((422, "wrong_currency"), {"/amount/currency"})
    assert code_of(act(finance, doubtful, "record_not_charged", amount=inr(1))) == (422, "bad_amount")
    assert Payment.objects.get().in_doubt


def test_not_charged_is_what_two_people_say_too(finance: Caller, lead: Caller, doubtful: dict[str, Any]) -> None:
    act(finance, doubtful, "record_not_charged")

    assert answer(lead).json()["status"] == "done"
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


def test_at_another_provider_where_somebody_says_so(
    key: Caller, finance: Caller, order: Order, provider_a: ScriptedGateway
) -> None:
    provider_a.charges.append(outcome(Outcome.DECLINED, ErrorCode.ISSUER_UNAVAILABLE))
    key.post("/payments", card(order, provider="a"))
    case = only_case(finance)

    answers = [act(finance, case, "retry", provider=name) for name in ("nobody", "cash", "b")]
    sweep_payments(width=1)

    assert [code_of(each) for each in answers[:2]] == [(422, "unknown_provider"), (422, "no_provider")]
    assert answers[2].status_code == 200
    tried = list(Attempt.objects.order_by("number").values_list("account__provider", "status"))
    assert tried == [("a", "declined"), ("b", "succeeded")]


def test_nothing_else_names_a_provider(finance: Caller, doubtful: dict[str, Any]) -> None:
    answer = act(finance, doubtful, "record_not_charged", provider="b")

    assert code_of(answer) == (422, "does_not_fit")
    assert pointers(answer) == {"/provider": "does_not_fit"}


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


def test_cases_are_filtered(finance: Caller, lead: Caller, doubtful: dict[str, Any]) -> None:
    def found(query: str) -> int:
        return len(finance.get(f"/cases?{query}").json()["items"])

    assert found("kind=in_doubt") == found("status=open") == found(f"payment={doubtful['payment']['id']}") == 1
    assert found("kind=surplus") == found("status=resolved") == 0
    act(finance, doubtful, "record_not_charged")
    assert found("status=waiting_second_person") == found("waiting=true") == 1
    answer(lead)
    assert found("waiting=true") == 0
    assert found("status=resolved") == 1


def test_every_kind_of_case_and_every_action_is_thought_of() -> None:
    ends_by_looking = {CaseKind.LATE_SUCCESS, CaseKind.CONTRADICTION, CaseKind.CREDENTIALS}
    ends_by_an_answer = {CaseKind.REFUND_APPROVAL, CaseKind.CREDENTIALS_CHANGE}
    offered = {action for actions in OFFERED.values() for action in actions}

    assert set(OFFERED) | ends_by_looking | ends_by_an_answer == set(CaseKind)
    assert offered | {Action.RESOLVE, Action.DISMISS, Action.REOPEN} == set(Action)
