"""Sabotages that prove the harness: each is a mistake that real systems make, and the simulation has to notice it.

They are patches from outside. The product has no switch for any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

from kernel import clock
from payments.gateways import reading, transport, verdicts
from payments.gateways.contract import Answer, ChargeRequest, ErrorCode, Outcome, Result
from payments.models import Attempt, AttemptStatus, NextAction
from payments.models.leased import Leased
from payments.services import (
    attempts,
    captures,
    closings,
    evidence,
    lookups,
    notices,
    refund_requests,
    refund_settlement,
    settlement,
    settling,
    timing,
)
from payments.services.evidence import Finding
from tests.sim import actions

Patch = Callable[[ExitStack], None]
MUTANTS: dict[str, Patch] = {}


def mutant(patch: Patch) -> Patch:
    MUTANTS[patch.__name__] = patch
    return patch


@contextmanager
def sabotaged(name: str) -> Iterator[None]:
    with ExitStack() as stack:
        MUTANTS[name](stack)
        yield


def _instead(stack: ExitStack, owner: object, name: str, new: object) -> None:
    stack.enter_context(mock.patch.object(owner, name, new))


def _judge(stack: ExitStack, misjudged: Callable[[Result], bool], **verdict: Any) -> None:
    """Whatever is misjudged of the answers to charges and refunds gets this verdict."""
    real = verdicts.failed_call

    def failed_call(exchange: Any, **form: Any) -> Result:
        result = real(exchange, **form)
        return replace(result, **verdict) if misjudged(result) else result

    _instead(stack, reading, "failed_call", failed_call)


@mutant
def a_time_out_is_taken_for_a_failure(stack: ExitStack) -> None:
    verdict = {"outcome": Outcome.DECLINED, "code": ErrorCode.PROVIDER_ERROR}
    _judge(stack, lambda result: result.code is ErrorCode.TIMED_OUT, **verdict)


@mutant
def a_lost_connection_is_taken_for_not_sent(stack: ExitStack) -> None:
    verdict = {"outcome": Outcome.NOT_SENT, "code": ErrorCode.UNREACHABLE}
    _judge(stack, lambda result: result.outcome is Outcome.UNKNOWN, **verdict)


@mutant
def a_refused_look_up_is_applied_to_the_attempt(stack: ExitStack) -> None:
    real = evidence.from_look_up

    def from_look_up(result: Any, **more: Any) -> Any:
        said = real(result, **more)
        return replace(said, finding=Finding.DECLINED) if result.answer is Answer.NO_ANSWER else said

    _instead(stack, lookups, "from_look_up", from_look_up)


@mutant
def a_send_again_has_a_new_key(stack: ExitStack) -> None:
    real = ChargeRequest

    def request(**words: Any) -> Any:
        sends = Attempt.objects.values_list("sends", flat=True).get(pk=words["key"])
        return real(**{**words, "key": f"{words['key']}-{sends}" if sends > 1 else words["key"]})

    _instead(stack, attempts, "ChargeRequest", request)


@mutant
def a_lease_fences_nobody(stack: ExitStack) -> None:
    _instead(stack, Leased, "is_held_by", lambda self, token: True)
    _instead(stack, Leased, "may_be_taken_by", lambda self, token: True)
    _instead(stack, transport.Call, "about_to_write", _write)


def _write(call: transport.Call) -> None:
    call.sent = True


@mutant
def not_found_is_believed_at_once(stack: ExitStack) -> None:
    def not_found(s: settling.Settling) -> None:
        if s.attempt.status == AttemptStatus.UNKNOWN:
            closings.close(s, s.attempt.not_charged, reason="It is not there.")

    handlers: Mapping[Finding, Any] = {**settlement._HANDLERS, Finding.NOT_FOUND: not_found}
    _instead(stack, settlement, "_HANDLERS", handlers)


@mutant
def closed_attempts_are_not_watched(stack: ExitStack) -> None:
    """And no message comes to the rescue."""
    _instead(stack, settling.Settling, "watch", lambda self: None)
    _instead(stack, notices, "apply_notice", lambda **words: None)
    _instead(stack, actions, "apply_notice", lambda **words: None)


@mutant
def a_surplus_is_kept_in_silence(stack: ExitStack) -> None:
    _instead(stack, captures, "return_surplus", lambda s: None)


@mutant
def every_capture_is_kept(stack: ExitStack) -> None:
    _instead(stack, captures, "_is_due", lambda s: True)


@mutant
def another_amount_is_taken_for_what_was_asked(stack: ExitStack) -> None:
    _instead(stack, captures, "hold_mismatch", captures.capture)


@mutant
def refunds_are_not_checked_against_what_is_left(stack: ExitStack) -> None:
    _instead(stack, refund_requests, "_check", lambda *words: None)


@mutant
def a_refund_s_time_out_is_taken_for_a_failure(stack: ExitStack) -> None:
    handlers: Mapping[Finding, Any] = {
        **refund_settlement._HANDLERS,
        Finding.UNKNOWN: refund_settlement._HANDLERS[Finding.DECLINED],
    }
    _instead(stack, refund_settlement, "_HANDLERS", handlers)


@mutant
def a_reservation_is_freed_twice(stack: ExitStack) -> None:
    real = refund_settlement.SettlingRefund.free_reservation

    def free(self: refund_settlement.SettlingRefund) -> None:
        real(self)
        if self.attempt.refunding_minor >= self.refund.total_minor:
            real(self)

    _instead(stack, refund_settlement.SettlingRefund, "free_reservation", free)


@mutant
def a_dead_sender_is_taken_for_not_sent(stack: ExitStack) -> None:
    _instead(stack, lookups, "SENDER_DIED", replace(evidence.SENDER_DIED, finding=Finding.NOT_SENT))


@mutant
def a_withdrawn_payment_fails_at_once(stack: ExitStack) -> None:
    """Without asking the provider to close what the guest may still pay."""
    handlers: Mapping[Finding, Any] = {
        **settlement._HANDLERS,
        Finding.PENDING: lambda s: closings.close(s, s.attempt.decline, reason="Withdrawn."),
    }
    _instead(stack, settlement, "_HANDLERS", handlers)
    _instead(stack, settling.Settling, "watch", lambda self: None)


@mutant
def nobody_is_told_of_a_doubt_that_goes_on(stack: ExitStack) -> None:
    _instead(stack, closings, "tell_prolonged_doubt", lambda s: None)


@mutant
def a_row_without_a_next_action(stack: ExitStack) -> None:
    """The wake-up is lost with the queue that held it."""
    real = Leased.plan

    def plan(self: Leased, action: Any, at: Any = None) -> None:
        real(self, action, at)
        if action == "look_up" and at is not None and at > clock.now() + timing.HOLD:
            self.next_action, self.next_action_at = NextAction.NONE, None

    _instead(stack, Leased, "plan", plan)


# Those that a few dozen seeds catch, for every test run; the others need the hundreds of a full proof.
QUICK = (
    "a_lost_connection_is_taken_for_not_sent",
    "a_send_again_has_a_new_key",
    "a_lease_fences_nobody",
    "a_withdrawn_payment_fails_at_once",
    "nobody_is_told_of_a_doubt_that_goes_on",
    "a_row_without_a_next_action",
)
