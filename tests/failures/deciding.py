"""How two people decide about a case, in a test's few words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from accounts.models import Approval, User
from accounts.services.idempotency import Call
from failures.approvals import Reply, Verdict, decide_approval
from failures.decisions import Action, Decision, act_on_case
from failures.models import Case
from kernel.errors import ServiceError

WHY = "Their pages show it."


def about(case: Case) -> UUID:
    assert case.payment_id is not None
    return case.payment_id


def call_about(case: Case) -> Call:
    return Call(
        principal="console:1",
        key=str(uuid4()),
        operation="POST /",
        body_hash="",
        restaurant_id=case.restaurant_id,
        mode=case.mode,
        runs_for=timedelta(seconds=10),
        subject_id=case.pk,
    )


def ask(case: Case, person: User, action: Action, **said: Any) -> Approval:
    decision = Decision(action=action, reason=WHY, **said)
    act_on_case(case_id=case.pk, decision=decision, person=person, call=call_about(case))
    return Approval.objects.latest("id")


def reply(approval: Approval, person: User, verdict: Verdict, reason: str = "Seen as well.", **said: Any) -> Approval:
    return decide_approval(approval_id=approval.pk, reply=Reply(verdict=verdict, reason=reason, **said), person=person)


def agree(approval: Approval, person: User) -> Approval:
    return reply(approval, person, Verdict.APPROVE)


def refused(do: Callable[[], object]) -> str:
    with pytest.raises(ServiceError) as told_no:
        do()
    return told_no.value.code
