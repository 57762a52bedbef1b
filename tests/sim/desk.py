"""The last evening's work: people of finance end, by the provider's books, whatever no clock could end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from accounts.models import User
from events.actors import Actor
from kernel.errors import ServiceError
from payments.services.cash import hand_over_refund
from payments.services.mismatches import MismatchChoice
from payments.services.operators import release_from_quarantine, resolve_mismatch
from payments.services.refund_requests import request_refund
from sandbox.behaviours import ChargeStatus, RefundStatus
from tests.sim.world import World
from tests.two_people import (
    record_charged,
    record_given_back,
    record_not_charged,
    record_refund_made,
    record_refund_not_made,
)

Work = Callable[[], object]
WHY = "By the provider's own books."

_STOPPED = """
    SELECT DISTINCT payment_id FROM failures_case
     WHERE kind = 'quarantined' AND closed_at IS NULL AND payment_id IS NOT NULL ORDER BY payment_id"""
_DOUBTS = """
    SELECT a.id::text, a.payment_id, a.mismatch, pa.provider
      FROM payments_attempt a JOIN payments_provideraccount pa ON pa.id = a.account_id
     WHERE a.status = 'unknown' AND pa.provider <> 'cash' ORDER BY a.id"""
_REFUNDS = """
    SELECT r.id::text, pa.provider
      FROM payments_refund r JOIN payments_provideraccount pa ON pa.id = r.account_id
     WHERE r.status IN ('requested', 'processing') OR (r.status IN ('completed', 'failed') AND r.next_action <> '')
     ORDER BY r.id"""
_REFUSED_SURPLUS = """
    SELECT a.id, a.payment_id FROM payments_attempt a
     WHERE a.capture = 'surplus' AND a.captured_minor > a.refunded_minor + a.refunding_minor ORDER BY a.id"""


def work_off(world: World) -> bool:
    """Whether anything could be ended. A refusal is an answer: the next round sees why."""
    done = False
    for name, work in list(_tasks(world)):
        try:
            work()
            world.say(name)
            done = True
        except ServiceError as refused:
            world.say(f"{name}: {refused.code}")
    return done


def _tasks(world: World) -> Iterator[tuple[str, Work]]:
    rows, person = world.reader.rows, world.house.finance[0]
    for (payment_id,) in rows(_STOPPED):
        yield f"take up {payment_id}", _taking_up(payment_id, person)
    for key, payment_id, mismatch, provider in rows(_DOUBTS):
        yield f"decide {key}", _decision(world, key, payment_id, mismatch, provider)
    for key, provider in rows(_REFUNDS):
        if work := _refund_decision(world, key, provider):
            yield f"decide refund {key}", work
    for attempt_id, payment_id in rows(_REFUSED_SURPLUS):
        if attempt_id.int % 2:
            yield f"return surplus {attempt_id}", _returning(attempt_id, payment_id, Actor.user(person))
        else:
            yield f"hand surplus {attempt_id} over", _handing_over(world, attempt_id, payment_id)


def _taking_up(payment_id: UUID, person: User) -> Work:
    return lambda: release_from_quarantine(payment_id=payment_id, person=person, reason="Repaired.")


def _returning(attempt_id: UUID, payment_id: UUID, actor: Actor) -> Work:
    return lambda: request_refund(payment_id=payment_id, attempt_id=attempt_id, reason="once more", actor=actor)


def _handing_over(world: World, attempt_id: UUID, payment_id: UUID) -> Work:
    """What a bank did not take the guest is given at the counter: of every second one."""
    person, lead = world.house.finance[0], world.house.lead
    return lambda: record_given_back(payment_id=payment_id, subject_id=attempt_id, person=person, checker=lead)


def _decision(world: World, key: str, payment_id: UUID, mismatch: bool, provider: str) -> Work:
    person, lead = world.house.finance[1], world.house.lead
    if mismatch:
        choice = MismatchChoice.REFUND_ALL
        return lambda: resolve_mismatch(payment_id=payment_id, choice=choice, person=person, reason=WHY)
    charge = world.providers[provider].charge_of(key)
    if charge is not None and charge.status is ChargeStatus.SUCCEEDED:
        captured = charge.moved_amount
        return lambda: record_charged(
            payment_id=payment_id, captured_minor=captured, person=person, reason=WHY, checker=lead
        )
    return lambda: record_not_charged(payment_id=payment_id, person=person, reason=WHY, checker=lead)


def _refund_decision(world: World, key: str, provider: str) -> Work | None:
    refund_id, words = UUID(key), {"person": world.house.finance[1], "reason": WHY, "checker": world.house.lead}
    if provider not in world.providers:
        return lambda: hand_over_refund(refund_id=refund_id, person=world.house.waiters[0])
    theirs = world.providers[provider].books.refund_of_key(key)
    if theirs is not None and theirs.status is RefundStatus.PENDING:
        return None  # The provider itself is not done with it.
    made = theirs is not None and theirs.status is RefundStatus.SUCCEEDED
    record: Callable[..., Any] = record_refund_made if made else record_refund_not_made
    return lambda: record(refund_id=refund_id, **words)
