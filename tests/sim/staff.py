"""What people of the house do: waiters take cash, two of finance end doubts, an operator forces circuits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from accounts.models import User
from events.actors import Actor
from failures.services.working import dismiss_case, resolve_case
from kernel.modes import Mode
from payments.gateways.breaker import BreakerState
from payments.gateways.guard import Operation
from payments.models import Attempt
from payments.services.cash import (
    CashTaken,
    confirm_cash,
    hand_over_refund,
    record_cash_refund,
    take_cash_against_doubt,
)
from payments.services.circuit_overrides import force_circuit
from payments.services.mismatches import MismatchChoice
from payments.services.operators import release_from_quarantine, resolve_mismatch
from payments.services.refund_requests import request_refund
from sandbox.behaviours import ChargeStatus
from tests.sim.acting import any_row, enter, move
from tests.sim.world import World
from tests.two_people import record_charged, record_not_charged

IN_CASH = "pa.provider = 'cash'"
# Somebody who looks into the provider's books waits until what was sent must be there.
LOOKS_AFTER = timedelta(minutes=1)


@move(2)
def take_cash(world: World) -> None:
    if attempt := _attempt(world, f"a.status = 'pending' AND {IN_CASH}"):
        attempt_id, payment_id, amount, _ = attempt
        waiter, tip = world.rng.choice(world.house.waiters), world.rng.choice([0, 300])
        taken = CashTaken(amount_minor=amount, added_tip_minor=tip)
        enter(
            world,
            f"cash for attempt {attempt_id}",
            lambda: confirm_cash(payment_id=payment_id, waiter=waiter, taken=taken),
        )


@move(1)
def take_cash_anyway(world: World) -> None:
    if attempt := _attempt(world, "a.status = 'unknown' AND NOT a.mismatch"):
        attempt_id, payment_id, amount, _ = attempt
        taken = CashTaken(amount_minor=amount)
        enter(
            world,
            f"cash against doubt {attempt_id}",
            lambda: take_cash_against_doubt(
                payment_id=payment_id, person=world.house.waiters[0], reason="The guest has to go.", taken=taken
            ),
        )


@move(1)
def give_cash_back(world: World) -> None:
    if attempt := _attempt(world, f"a.capture = 'kept' AND {IN_CASH}"):
        (attempt_id, payment_id, _, _), amount = attempt, world.rng.choice([None, 500, 1_000])
        enter(
            world,
            f"cash back for attempt {attempt_id} {amount or 'all'}",
            lambda: record_cash_refund(
                payment_id=payment_id, person=world.house.waiters[1], reason="cold food", amount_minor=amount
            ),
        )


@move(1)
def hand_over(world: World) -> None:
    refund = any_row(
        world,
        "SELECT r.id FROM payments_refund r JOIN payments_provideraccount pa ON pa.id = r.account_id"
        " WHERE r.status = 'requested' AND pa.provider = 'cash' ORDER BY r.id",
    )
    if refund:
        (refund_id,), waiter = refund, world.house.waiters[0]
        enter(world, f"hand over {refund_id}", lambda: hand_over_refund(refund_id=refund_id, person=waiter))


@move(3)
def decide(world: World) -> None:
    """One of finance decides about an undecided amount, or says what the provider's own books say."""
    attempt = _attempt(world, "a.status = 'unknown' AND pa.provider <> 'cash'")
    if attempt is None:
        return
    attempt_id, payment_id, _, mismatch = attempt
    person, choice = world.rng.choice(world.house.finance), world.rng.choice(list(MismatchChoice))
    if mismatch:
        enter(
            world,
            f"decide {attempt_id} {choice}",
            lambda: resolve_mismatch(
                payment_id=payment_id, choice=choice, person=person, reason="As agreed with the guest."
            ),
        )
    else:
        enter(world, f"look into the books for {attempt_id}", lambda: _look_and_tell(world, attempt_id, person))


def _attempt(world: World, which: str) -> tuple[Any, ...] | None:
    return any_row(
        world,
        "SELECT a.id, a.payment_id, a.amount_minor, a.mismatch FROM payments_attempt a"  # noqa: S608  Ours.
        f" JOIN payments_provideraccount pa ON pa.id = a.account_id WHERE {which} ORDER BY a.id",
    )


def _look_and_tell(world: World, attempt_id: UUID, person: User) -> None:
    """They look and say what they saw, and the lead looks and agrees, in one go."""
    lead = world.house.lead
    attempt = Attempt.objects.select_related("account").get(pk=attempt_id)
    charge = world.providers[attempt.account.provider].charge_of(str(attempt_id))
    if charge is None and world.clock.now() > attempt.send_before + LOOKS_AFTER:
        record_not_charged(
            payment_id=attempt.payment_id, person=person, reason="Their books have nothing.", checker=lead
        )
    elif charge is not None and charge.status is ChargeStatus.SUCCEEDED and charge.moved_currency == "INR":
        record_charged(
            payment_id=attempt.payment_id,
            captured_minor=charge.moved_amount,
            person=person,
            reason="Their books show it.",
            checker=lead,
        )


@move(1)
def return_refused_surplus(world: World) -> None:
    """Whose refund failed is asked for again by whoever works on the queue."""
    if case := _case(world, "kind = 'surplus' AND payment_id IS NOT NULL"):
        (_, _, attempt_id, payment_id), who = case, Actor.user(world.house.finance[0])
        enter(
            world,
            f"return surplus {attempt_id}",
            lambda: request_refund(payment_id=payment_id, attempt_id=attempt_id, reason="once more", actor=who),
        )


@move(1)
def take_up_again(world: World) -> None:
    """Whatever was set aside because it broke its workers."""
    if case := _case(world, "kind = 'quarantined' AND payment_id IS NOT NULL"):
        payment_id = case[-1]
        enter(
            world,
            f"take up {payment_id}",
            lambda: release_from_quarantine(payment_id=payment_id, person=world.house.finance[1], reason="Repaired."),
        )


@move(1)
def end_a_case(world: World) -> None:
    """Both of finance may press the button; what is not over stays."""
    if case := _case(world, "TRUE"):
        case_id, kind, subject_id, _ = case
        person, how = world.rng.choice(world.house.finance), world.rng.choice([resolve_case, dismiss_case])
        enter(
            world,
            f"{how.__name__} {kind} {subject_id}",
            lambda: how(case_id=case_id, person=person, reason="Looked at."),
        )


def _case(world: World, which: str) -> tuple[Any, ...] | None:
    return any_row(
        world,
        "SELECT id, kind, subject_id, payment_id FROM failures_case"  # noqa: S608  Ours.
        f" WHERE closed_at IS NULL AND {which} ORDER BY id",
    )


@move(1)
def force(world: World) -> None:
    state = world.rng.choice([BreakerState.OPEN, BreakerState.CLOSED, None])
    provider, operation = world.rng.choice(sorted(world.providers)), world.rng.choice(list(Operation))
    enter(
        world,
        f"circuit {provider} {operation} {state or 'released'}",
        lambda: force_circuit(
            provider=provider,
            mode=Mode.TEST,
            operation=operation,
            state=state,
            person=world.house.operator,
            reason="by hand",
            lasts=timedelta(minutes=5),
        ),
    )
