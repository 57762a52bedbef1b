"""Ways to break, behind everybody's back, what people decide: by name, and where it takes two, by two."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F

from accounts.models import Role
from events.actors import SYSTEM, Actor
from events.models import AuditEntry, Transition
from events.services import Journal
from failures.models import Case
from failures.services.working import assign_case
from kernel import clock
from orders.models import Order
from orders.services import Amendment, LineDraft, amend_order, cancel_order
from payments.models import CredentialChange, Refund
from tests.factories import staff
from tests.failures.world import World, run, update

Break = tuple[str, str, Callable[[World], str]]


def _recorded_alone(w: World) -> str:
    step = Transition.objects.create(
        restaurant_id=w.restaurant.pk,
        mode="test",
        subject_kind="attempt",
        subject_id=w.failed.pk,
        step="not_charged",
        from_status="unknown",
        to_status="not_charged",
        reason="I saw it.",
        evidence={"source": "operator", "finding": "not_charged"},
        actor_kind="user",
        actor_id="7",
    )
    return str(step.pk)


def _step(w: World, row: Case | Refund, step: str, was: str, becomes: str) -> None:
    Transition.objects.create(
        restaurant_id=w.restaurant.pk,
        mode="test",
        subject_kind=row._meta.model_name or "",
        subject_id=row.pk,
        step=step,
        from_status=was,
        to_status=becomes,
        reason="I say so.",
        actor_kind="user",
        actor_id="7",
    )


def _opened_again_alone(w: World) -> str:
    case = Case.objects.earliest("id")
    _step(w, case, "reopen", "resolved", "reopened")
    return str(case.pk)


def _sent_alone(w: World) -> str:
    _step(w, w.refund, "release", "waiting_approval", "requested")
    return str(w.refund.pk)


def _waits_for_nobody(w: World) -> str:
    return update(Case.objects.filter(payment=w.mismatched.payment_id).get(), "status = 'waiting_second_person'")


def _cash_by_nobody(w: World) -> str:
    run("ALTER TABLE events_transition DISABLE TRIGGER USER")
    run("UPDATE events_transition SET actor_id = '' WHERE subject_id = %s AND to_status = 'succeeded'", w.cash.pk)
    return str(w.cash.pk)


def _cash_confirmed_again(w: World) -> str:
    values = Transition.objects.values().get(subject_id=w.cash.pk, to_status="succeeded")
    Transition.objects.create(**{**values, "id": None})
    return str(w.cash.pk)


def _taken_unseen(w: World) -> str:
    case = Case.objects.filter(restaurant=w.restaurant).latest("id")
    assign_case(case_id=case.pk, person=staff(w.restaurant, Role.FINANCE))
    return _unseen(Transition.objects.get(subject_id=case.pk, step="assign"))


def _cash_taken_unseen(w: World) -> str:
    return _unseen(Transition.objects.filter(evidence__source="waiter").earliest("id"))


def _amended_unseen(w: World) -> str:
    order = w.kept.payment.order
    less = LineDraft(name="Thali", quantity=1, unit_minor=80_000)
    amendment = Amendment(lines=(less,), version=Order.objects.get(pk=order.pk).version, refund_surplus=True)
    amend_order(order_id=order.pk, amendment=amendment, actor=Actor.user(staff(w.restaurant, Role.ADMIN)))
    return _unseen(Transition.objects.get(subject_id=order.pk, step="amend"))


def _cancelled_unseen(w: World) -> str:
    order = w.failed.payment.order
    cancel_order(order_id=order.pk, actor=Actor.user(staff(w.restaurant, Role.ADMIN)))
    return _unseen(Transition.objects.get(subject_id=order.pk, step="cancel"))


def _unseen(step: Transition) -> str:
    """There are entries since long ago, and none of whoever did this."""
    entries = AuditEntry.objects.filter(actor_id=step.actor_id)
    entries.update(actor_id="", at=F("at") - timedelta(days=1))
    return str(step.pk)


def change(w: World, status: str = "waiting") -> str:
    """With its steps, and with nobody who was asked."""
    account, waits = w.kept.account, status == "waiting"
    credentials: Any = {"api_key": "new"} if waits else {}
    change = CredentialChange(
        restaurant_id=account.restaurant_id,
        mode=account.mode,
        account=account,
        credentials=credentials,
        reason="Rotated.",
        status=status,
        ended_at=None if waits else clock.now(),
    )
    run("SET CONSTRAINTS ALL DEFERRED")
    with transaction.atomic():
        change.save(force_insert=True)
        journal = Journal(SYSTEM)
        journal.created(change, reason=change.reason)
        journal.write()
    return str(change.pk)


OF_PEOPLE: list[Break] = [
    ("I16", "What a person decided", _taken_unseen),
    ("I16", "What a person decided", _cash_taken_unseen),
    ("I16", "What a person decided", _amended_unseen),
    ("I16", "What a person decided", _cancelled_unseen),
    ("I16", "What a person saw", _recorded_alone),
    ("I16", "What was written off", lambda w: update(Case.objects.earliest("id"), "outcome = 'written_off'")),
    ("I16", "What was written off", lambda w: update(w.refund, "origin = 'outside'")),
    ("I16", "What was written off", _opened_again_alone),
    ("I16", "A refund that waited", _sent_alone),
    ("I16", "Where something waits", lambda w: update(w.refund, "status = 'waiting_approval'")),
    ("I16", "Where something waits", _waits_for_nobody),
    ("I16", "Where something waits", change),
    ("I16", "New credentials came into use", lambda w: change(w, "in_use")),
    ("I17", "Kept cash was confirmed once", _cash_by_nobody),
    ("I17", "Kept cash was confirmed once", _cash_confirmed_again),
]
