"""Two people at the same moment: one wins, the other is told, and money is decided once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from accounts.models import Approval, ApprovalStatus, Role, User
from failures.approvals import Verdict
from failures.decisions import Action
from failures.models import Case
from kernel.errors import ServiceError
from payments.models import Attempt, Payment, PaymentStatus
from payments.services.evidence import Finding
from tests.factories import staff
from tests.failures.deciding import about, agree, ask, reply
from tests.failures.world import World, told

OPPOSITE: list[tuple[Action, Action]] = [
    (Action.RECORD_CHARGED, Action.RECORD_NOT_CHARGED),
    (Action.RECORD_NOT_CHARGED, Action.RECORD_CHARGED),
]


def at_once(*acts: Callable[[], object]) -> list[str]:
    def answer(act: Callable[[], object]) -> str:
        try:
            act()
        except ServiceError as no:
            return no.code
        finally:
            connection.close()
        return "done"

    with ThreadPoolExecutor(len(acts)) as pool:
        return sorted(pool.map(answer, acts))


@pytest.mark.parametrize("wants", OPPOSITE)
def test_of_two_with_opposite_decisions_one_wins_and_the_other_is_told(
    doubt: Case, maker: User, house: World, wants: tuple[Action, Action]
) -> None:
    other = staff(house.restaurant, Role.FINANCE)

    def asking(person: User, action: Action) -> Callable[[], object]:
        amount = 84_000 if action == Action.RECORD_CHARGED else None
        return lambda: ask(doubt, person, action, amount_minor=amount)

    assert at_once(asking(maker, wants[0]), asking(other, wants[1])) == ["done", "waits_for_approval"]
    assert Approval.objects.count() == 1


def test_of_two_who_answer_at_once_one_wins_and_the_other_is_told(
    doubt: Case, maker: User, lead: User, house: World
) -> None:
    approval, admin = ask(doubt, maker, Action.RECORD_NOT_CHARGED), staff(house.restaurant, Role.ADMIN)

    answers = at_once(
        lambda: reply(approval, lead, Verdict.APPROVE),
        lambda: reply(approval, admin, Verdict.REJECT),
        lambda: reply(approval, maker, Verdict.WITHDRAW),
        lambda: reply(approval, maker, Verdict.APPROVE),
    )

    assert answers.count("done") == 1
    assert set(answers) <= {"done", "already_decided", "maker_is_checker"}
    payment = Payment.objects.get(pk=about(doubt))
    is_done = Approval.objects.get().status == ApprovalStatus.DONE
    assert (payment.status == PaymentStatus.FAILED) is is_done


def test_of_consent_and_the_providers_answer_at_once_money_is_decided_once(
    doubt: Case, maker: User, lead: User, house: World
) -> None:
    approval = ask(doubt, maker, Action.RECORD_NOT_CHARGED)

    answers = at_once(
        lambda: agree(approval, lead),
        lambda: told(house.doubtful, Finding.SUCCEEDED, minor=84_000),
    )

    attempt = Attempt.objects.get(payment=doubt.payment_id)
    assert "done" in answers
    # Either the provider was first; or its money came late, and is kept all the same.
    assert (attempt.captured_minor, Payment.objects.get(pk=about(doubt)).status) == (84_000, "completed")
