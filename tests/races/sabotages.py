"""Sabotages that prove the races: each takes away one thing that makes two actors safe, and has to be noticed.

They are patches from outside. The product has no switch for any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock
from uuid import UUID

from django.db.backends.utils import CursorWrapper

from accounts import making
from kernel import clock
from payments.models import Attempt
from payments.services import captures, cash, payments, refund_requests, settlement
from payments.services.bill import Bill, lock_bill_of_attempt
from tests.races import acts, refund_groups
from tests.sim.mutants.registry import Patch, instead

# By name: the patch, and the two acts that need what it takes away, with their scene.
SABOTAGES: dict[str, tuple[Patch, str, tuple[str, str]]] = {}


def sabotage(scene: str, first: str, second: str) -> Callable[[Patch], Patch]:
    def remember(patch: Patch) -> Patch:
        SABOTAGES[patch.__name__] = patch, scene, (first, second)
        return patch

    return remember


@contextmanager
def sabotaged(name: str) -> Iterator[None]:
    with ExitStack() as stack:
        SABOTAGES[name][0](stack)
        yield


_execute = CursorWrapper.execute


def _execute_without_a_lock(cursor: CursorWrapper, sql: Any, params: Any = None) -> Any:
    return _execute(cursor, sql.partition(" FOR UPDATE")[0] if isinstance(sql, str) else sql, params)


@sabotage("completed", "wants_all_back", "wants_all_back")
def nobody_locks_rows(stack: ExitStack) -> None:
    check = refund_requests.check_refund

    def check_and_meet(*words: Any) -> None:
        check(*words)
        refund_groups.meet()

    instead(stack, CursorWrapper, "execute", _execute_without_a_lock)
    instead(stack, refund_requests, "check_refund", check_and_meet)


@sabotage("completed", "wants_all_back", "wants_all_back")
def what_is_left_is_checked_before_the_lock(stack: ExitStack) -> None:
    """And not again under it: the mistake that another orchestrator's refunds have."""
    real, check = refund_requests.request_refund, refund_requests.check_refund

    def request_refund(*, payment_id: UUID, amount_minor: int | None = None, tip_minor: int = 0, **words: Any) -> Any:
        seen = Attempt.objects.get(payment=payment_id)
        tip_left = refund_requests.tip_left_of(seen)
        if amount_minor is None:
            amount_minor, tip_minor = seen.refundable_minor - tip_left, tip_left
        check(seen, amount_minor, tip_minor, tip_left)
        refund_groups.meet()
        return real(payment_id=payment_id, amount_minor=amount_minor, tip_minor=tip_minor, **words)

    instead(stack, refund_requests, "check_refund", lambda *words: None)
    for holder in (acts, cash, refund_groups):
        instead(stack, holder, "request_refund", request_refund)


@sabotage("sent_again", "settles", "takes_cash_against_doubt")
def a_settlement_trusts_what_it_read_before_its_lock(stack: ExitStack) -> None:
    """A stale row overwrites what another process settled meanwhile."""

    def stale_bill(attempt_id: UUID) -> Bill:
        with mock.patch.object(CursorWrapper, "execute", _execute_without_a_lock):
            seen = lock_bill_of_attempt(attempt_id)
        lock_bill_of_attempt(attempt_id)
        return seen

    instead(stack, settlement, "lock_bill_of_attempt", stale_bill)


@sabotage("doubt", "asks", "takes_cash_against_doubt")
def what_came_second_is_kept_in_silence(stack: ExitStack) -> None:
    instead(stack, captures, "return_surplus", lambda s: None)


@sabotage("late_money", "pays", "watches")
def whatever_comes_is_taken_for_due(stack: ExitStack) -> None:
    instead(stack, captures, "_is_due", lambda s: True)


@sabotage("share_on_hold", "presses", "presses")
def a_key_is_not_claimed(stack: ExitStack) -> None:
    instead(stack, payments, "claim", lambda call: clock.new_id())


@sabotage("share_on_hold", "presses", "presses")
def the_same_request_is_taken_for_another(stack: ExitStack) -> None:
    instead(stack, making, "is_same", lambda call, earlier: False)
