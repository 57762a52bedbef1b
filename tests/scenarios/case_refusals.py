"""What is refused about cases: each is a case that the live server opened."""

from __future__ import annotations

import time
from typing import Any

from tests.scenarios.examples import card, order
from tests.scenarios.recorder import Recorder
from tests.scenarios.refusals import (
    ASKED_ABOUT,
    INR_5,
    PAY,
    PROVIDER,
    SETTLES_SECONDS,
    USD,
    failed_refund,
    share_is_gone,
    sql,
    steer,
)

# As when the one has given the other a password: nothing else is known of it here.
SET_UP = """
    INSERT INTO events_auditentry (chain_id, number, mode, at, actor_kind, actor_id, request_id, action, subject_kind,
                                   subject_id, reason, before, after, seal)
    SELECT chain.id, chain.number + 1000, '', now(), 'user', maker.id, '', 'set_password', 'person', checker.id, '',
           '{}', '{}', ''
      FROM events_auditchain AS chain, accounts_user AS maker, accounts_user AS checker
     WHERE maker.username = 'finance' AND checker.username = 'lead' LIMIT 1
"""
WHY = "Seen in the provider's dashboard."


def record_case_refusals(r: Recorder) -> None:
    _failed_refund(r)
    _given_back_since(r)
    _exhausted(r)
    _wrong_amount(r)
    _second_person(r)


def case_of(r: Recorder, payment_id: str, kind: str) -> Any:
    until = time.monotonic() + SETTLES_SECONDS
    path = f"GET /cases?payment={payment_id}&kind={kind}&waiting=true"
    while not (found := r.ask(path, caller="finance")["items"]):
        assert time.monotonic() < until, f"No case of {kind}."
        time.sleep(0.2)
    return found[0]


def refuse(r: Recorder, case: Any, code: str, action: str, *, expected: int = 409, **more: Any) -> None:
    body = {"action": action, "reason": WHY, **more}
    path = f"POST /cases/{case['id']}/actions"
    r.refuse("act_on_case", code, path, body, caller="finance", expected=expected)


def _failed_refund(r: Recorder) -> None:
    refund = failed_refund(r)
    case = case_of(r, refund["payment"], "refund_failed")
    refuse(r, case, "no_reason", "dismiss", reason="", expected=422)
    refuse(r, case, "no_such_action", "keep", expected=422)
    refuse(r, case, "bad_amount", "dismiss", amount=INR_5, expected=422)
    refuse(r, case, "wrong_currency", "record_charged", amount=USD, expected=422)
    sql(r, ASKED_ABOUT, "look_up", "1 hour", refund["id"])
    refuse(r, case, "being_asked", "refund")
    sql(r, "UPDATE payments_refund SET next_action = '', next_action_at = NULL WHERE id = %s", refund["id"])
    r.ask(f"POST /payments/{refund['payment']}/refunds", {"reason": WHY})
    refuse(r, case, "nothing_to_refund", "refund")
    done = {"action": "dismiss", "reason": WHY}
    r.ask(f"POST /cases/{case['id']}/actions", done, caller="finance")
    refuse(r, case, "already_ended", "dismiss")
    path = f"POST /cases/{case['id']}/assign"
    r.refuse("assign_case", "already_ended", path, caller="finance", expected=409)


def _given_back_since(r: Recorder) -> None:
    """Somebody was faster, by another way."""
    refund = failed_refund(r)
    r.ask(f"POST /payments/{refund['payment']}/refunds", {"amount": refund["amount"], "reason": WHY})
    refuse(r, case_of(r, refund["payment"], "refund_failed"), "given_back_since", "refund")


def _exhausted(r: Recorder) -> None:
    def given_up() -> tuple[Any, Any]:
        payment = r.ask(PAY, card(order(r), "sim_decline_issuer_unavailable"))
        return payment, case_of(r, payment["id"], "exhausted")

    payment, case = given_up()
    share_is_gone(r, payment["order"], lambda code: refuse(r, case, code, "retry"))
    payment, case = given_up()
    r.ask(f"POST /orders/{payment['order']['id']}/cancel")
    refuse(r, case, "order_cancelled", "retry")
    refuse(r, case, "does_not_fit", "resolve", outcome="paid", expected=422)
    payment, case = given_up()
    r.ask(f"POST /payments/{payment['id']}/retry", {"method": "upi"})
    refuse(r, case, "not_failed", "retry")
    _, case = given_up()
    r.ask(f"POST /cases/{case['id']}/assign", caller="lead")
    refuse(r, case, "stale", "retry", version=case["version"])
    refuse(r, case, "needs_two", "dismiss", expected=422)
    refuse(r, case, "unknown_provider", "retry", provider="nobody", expected=422)
    refuse(r, case, "no_provider", "retry", provider="cash", expected=422)
    refuse(r, case, "does_not_fit", "dismiss", provider=PROVIDER, expected=422)


def _wrong_amount(r: Recorder) -> None:
    """What was captured by mistake goes back as a whole, and the provider refuses even that."""
    payment = r.ask(PAY, card(order(r), "sim_wrong_currency", provider=PROVIDER))
    refuse(r, case_of(r, payment["id"], "amount_mismatch"), "currency", "keep")
    payment = r.ask(PAY, card(order(r), "sim_wrong_amount", provider=PROVIDER))
    case = case_of(r, payment["id"], "amount_mismatch")
    refuse(r, case, "not_over", "dismiss")
    refuse(r, case, "not_due", "keep")
    refuse(r, case, "above_limit", "refund_all", expected=403)
    steer(r, "next-refund", behaviour="declined", times=1)
    body = {"action": "refund_all", "reason": WHY}
    r.ask(f"POST /cases/{case['id']}/actions", body, caller="lead")
    case_of(r, payment["id"], "refund_failed")
    part = {"amount": INR_5, "reason": "A part of what was too much."}
    path = f"POST /payments/{payment['id']}/refunds"
    r.refuse("create_refund", "surplus_is_whole", path, part, expected=409)
    recording = {"action": "record_given_back", "reason": "In cash, against a slip."}
    r.ask(f"POST /cases/{case_of(r, payment['id'], 'surplus')['id']}/actions", recording, caller="finance")
    r.refuse("create_refund", "being_recorded", path, {"reason": WHY}, expected=409)
    refuse(r, case_of(r, payment["id"], "refund_failed"), "being_recorded", "refund")


def _second_person(r: Recorder) -> None:
    """The guest has left: what is lost is written off, by two."""

    def pending(case: Any) -> str:
        (asked,) = r.ask(f"GET /approvals?pending=true&case={case['id']}", caller="lead")["items"]
        return f"POST /approvals/{asked['id']}/answer"

    def answer(code: str, path: str, verdict: str, *, caller: str = "lead", expected: int = 403, **more: Any) -> None:
        body = {"verdict": verdict, **more}
        r.refuse("answer_approval", code, path, body, caller=caller, expected=expected)

    payment = r.ask(PAY, card(order(r), "sim_decline_issuer_unavailable"))
    case = case_of(r, payment["id"], "exhausted")
    ask, wanted = f"POST /cases/{case['id']}/actions", {"action": "write_off", "reason": WHY}
    r.ask(ask, wanted, caller="finance")
    refuse(r, case, "waits_for_approval", "retry")
    take = f"POST /cases/{case['id']}/assign"
    r.refuse("assign_case", "waits_for_approval", take, caller="finance", expected=409)
    path = pending(case)
    answer("maker_is_checker", path, "approve", caller="finance")
    answer("not_the_maker", path, "withdraw", reason=WHY)
    answer("no_reason", path, "reject", expected=422)
    r.ask(path, {"verdict": "withdraw", "reason": WHY}, caller="finance")
    answer("already_decided", path, "approve", expected=409)
    r.ask(ask, wanted, caller="lead")
    answer("not_a_checker", pending(case), "approve", caller="finance")
    r.ask(pending(case), {"verdict": "withdraw", "reason": WHY}, caller="lead")
    r.ask(ask, wanted, caller="finance")
    r.ask(PAY, card(payment["order"]))
    answer("nothing_lost", pending(case), "approve", expected=409)
    r.ask(pending(case), {"verdict": "reject", "reason": WHY}, caller="lead")
    refuse(r, case, "nothing_lost", "write_off")
    payment = r.ask(PAY, card(order(r), "sim_decline_issuer_unavailable"))
    case = case_of(r, payment["id"], "exhausted")
    r.ask(f"POST /cases/{case['id']}/actions", wanted, caller="finance")
    sql(r, SET_UP)
    answer("not_independent", pending(case), "approve")
