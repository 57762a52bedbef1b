"""Sabotages of what an answer means: silence taken for a no, a glance for a proof, a stranger for the provider."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from events.actors import SYSTEM, Actor
from kernel import clock
from kernel.money import Money
from payments.gateways import guard, reading, verdicts
from payments.gateways.contract import (
    Answer,
    CancelAnswer,
    CancelResult,
    ErrorCode,
    Notice,
    Outcome,
    Result,
    Subject,
)
from payments.models import Attempt, AttemptStatus, Refund
from payments.services import captures, closings, evidence, lookups, notices, refund_settlement, settlement, timing
from payments.services.evidence import Finding
from payments.services.refund_settlement import SettlingRefund
from payments.services.settlement import Settled
from payments.services.settling import Settling
from tests.sim.mutants.registry import instead, mutant

Handlers = Mapping[Finding, Callable[[Any], None]]


# Of one that gives up: the very first that brings nothing.
LAST_LOOK_UP = 1


def judge(stack: ExitStack, misjudged: Callable[[Result], bool], **verdict: Any) -> None:
    """Whatever is misjudged of the answers to charges and refunds gets this verdict."""
    real = verdicts.failed_call

    def failed_call(exchange: Any, **form: Any) -> Result:
        result = real(exchange, **form)
        return replace(result, **verdict) if misjudged(result) else result

    instead(stack, reading, "failed_call", failed_call)


def handle(stack: ExitStack, owner: Any, handlers: Handlers) -> None:
    instead(stack, owner, "_HANDLERS", {**owner._HANDLERS, **handlers})


@mutant("providers", breaks=["I5", "I11"])
def a_time_out_is_a_failure(stack: ExitStack) -> None:
    judge(
        stack,
        lambda result: result.code is ErrorCode.TIMED_OUT,
        outcome=Outcome.DECLINED,
        code=ErrorCode.PROVIDER_ERROR,
    )


@mutant("providers", breaks=["I5", "I11"])
def a_server_error_is_final(stack: ExitStack) -> None:
    judge(
        stack,
        lambda result: result.code is ErrorCode.SERVER_ERROR,
        outcome=Outcome.DECLINED,
        code=ErrorCode.PROVIDER_ERROR,
    )


@mutant("providers", breaks=["I11"])
def a_lost_connection_is_not_sent(stack: ExitStack) -> None:
    judge(
        stack,
        lambda result: result.code is ErrorCode.CONNECTION_LOST,
        outcome=Outcome.NOT_SENT,
        code=ErrorCode.UNREACHABLE,
    )


@mutant("providers", breaks=["I11"])
def the_call_that_trips_the_circuit_is_not_sent(stack: ExitStack) -> None:
    """As with pybreaker's own default: the caller hears of the circuit and not of its call."""
    real = guard.GuardedGateway._ask

    def ask(self: guard.GuardedGateway, verb: Any, send: Any, send_before: Any = None) -> Any:
        answer = real(self, verb, send, send_before)
        circuit = self.breakers.get(verb.operation)
        tripped = circuit is not None and not circuit.would_allow()
        doubtful = isinstance(answer, Result) and answer.outcome is Outcome.UNKNOWN
        return verb.refused if tripped and doubtful else answer

    instead(stack, guard.GuardedGateway, "_ask", ask)


@mutant("providers", breaks=["I11"])
def a_refused_look_up_is_applied_to_the_attempt(stack: ExitStack) -> None:
    real = evidence.from_look_up

    def from_look_up(result: Any, **more: Any) -> Any:
        said = real(result, **more)
        return replace(said, finding=Finding.DECLINED) if result.answer is Answer.NO_ANSWER else said

    instead(stack, lookups, "from_look_up", from_look_up)


def _close_at_once(s: Settling) -> None:
    if s.attempt.status == AttemptStatus.UNKNOWN:
        closings.close(s, s.attempt.not_charged, reason="It is not there.")


@mutant("providers", breaks=["I11"])
def not_found_is_believed_at_once(stack: ExitStack) -> None:
    handle(stack, settlement, {Finding.NOT_FOUND: _close_at_once})


@mutant("providers", breaks=["I11"])
def not_found_is_believed_after_one_look(stack: ExitStack) -> None:
    """Late enough, but a provider that hides what it has is believed the first time, and is not sent the key again."""
    real, next_look_up = settlement._HANDLERS[Finding.NOT_FOUND], timing.next_look_up

    def look_late(look_ups: int, *since: datetime | None) -> datetime:
        visible = clock.now() + timing.lease() + timing.provider_deadline()
        return next_look_up(look_ups, *since) if look_ups else visible

    instead(stack, timing, "next_look_up", look_late)
    handle(
        stack,
        settlement,
        {Finding.NOT_FOUND: lambda s: (_close_at_once if s.now >= s.attempt.invisible_until else real)(s)},
    )


@mutant("crashes", breaks=["I11"])
def a_dead_sender_is_not_sent(stack: ExitStack) -> None:
    instead(stack, lookups, "SENDER_DIED", replace(evidence.SENDER_DIED, finding=Finding.NOT_SENT))


@mutant("providers", breaks=["I11"])
def a_doubt_ends_with_the_guest_s_patience(stack: ExitStack) -> None:
    """As the leading orchestrator does it: after its last look-up the payment is called failed."""
    real = settlement._HANDLERS[Finding.NO_ANSWER]

    def give_up(s: Settling) -> None:
        if s.attempt.status == AttemptStatus.UNKNOWN and s.attempt.look_ups >= LAST_LOOK_UP:
            closings.close(s, s.attempt.not_charged, reason="Nobody answers.")
        else:
            real(s)

    handle(stack, settlement, {Finding.NO_ANSWER: give_up, Finding.NOT_FOUND: give_up})


@mutant("mail", breaks=["I7", "I11"])
def a_withdrawn_payment_fails_at_once(stack: ExitStack) -> None:
    """The provider is neither told to close what the guest may still pay, nor asked about it later."""
    real = lookups.close_attempt
    closed = evidence.from_cancel(CancelResult(answer=CancelAnswer.CANCELLED))

    def close(*, attempt: Attempt, lease_token: UUID | None = None, actor: Actor = SYSTEM) -> Settled:
        if not attempt.payment.close_wanted:
            return real(attempt=attempt, lease_token=lease_token, actor=actor)
        settled = settlement.settle_attempt(attempt_id=attempt.pk, evidence=closed, actor=actor)
        Attempt.objects.filter(pk=attempt.pk).update(watch_at=None)
        return settled

    instead(stack, lookups, "close_attempt", close)


@mutant("mail", breaks=["I7"])
def what_waits_for_the_guest_is_taken_for_paid(stack: ExitStack) -> None:
    handle(stack, settlement, {Finding.PENDING: lambda s: captures.capture(s, s.expected)})


@mutant("refunds", breaks=["I7"])
def a_refund_under_way_is_taken_for_made(stack: ExitStack) -> None:
    made = refund_settlement._HANDLERS[Finding.SUCCEEDED]

    def pending(s: SettlingRefund) -> None:
        s.evidence = replace(s.evidence, money=Money(s.refund.total_minor, s.refund.currency))
        made(s)

    handle(stack, refund_settlement, {Finding.PENDING: pending})


@mutant("mail", breaks=["I7", "I11"])
def a_notice_settles_what_belongs_to_another_account(stack: ExitStack) -> None:
    def find(account: Any, notice: Notice) -> UUID | None:
        model = Attempt if notice.subject == Subject.CHARGE else Refund
        return model._default_manager.filter(pk=notice.key).values_list("pk", flat=True).first()

    instead(stack, notices, "_find_subject", find)


@mutant("providers", breaks=["I7"])
def late_money_is_ignored(stack: ExitStack) -> None:
    """What was closed stays closed, whatever the provider says later."""
    real = settlement._HANDLERS[Finding.SUCCEEDED]

    def succeeded(s: Settling) -> None:
        if s.attempt.is_live or s.attempt.capture:
            real(s)

    handle(stack, settlement, {Finding.SUCCEEDED: succeeded})


@mutant("storm", breaks=["I7"])
def closed_attempts_are_not_watched(stack: ExitStack) -> None:
    """Then only a message tells of money that comes late, and messages are lost."""
    instead(stack, Settling, "watch", lambda self: None)
