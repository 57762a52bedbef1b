"""The database itself refuses a step without its history row, a deleted machine, and a history that changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, models, transaction

from events.actors import GUEST
from events.machines import machine_triggers
from events.models import Event, Transition
from failures.models import Case, CaseKind, CaseStatus
from kernel import clock
from kernel.money import Money
from orders.models import Order, OrderStatus
from orders.services import confirm_order
from payments.gateways.contract import RefundFact
from payments.models import Attempt, AttemptStatus, Capture, Payment, PaymentStatus, Refund, RefundStatus
from payments.services import providers
from payments.services.evidence import Evidence, Finding, Source
from payments.services.refund_requests import request_refund
from payments.services.settlement import settle_attempt
from tests.factories import RestaurantFactory, order_of, paid, routed
from tests.scripted import ScriptedGateway, provider_of


@dataclass(frozen=True)
class Machine:
    model: type[models.Model]
    status: str  # That of the one row there is.
    elsewhere: str  # A legal status that this row never had.

    @property
    def table(self) -> str:
        return self.model._meta.db_table

    def row(self) -> Any:
        return self.model._default_manager.get()


MACHINES = [
    Machine(Order, OrderStatus.PLACED, OrderStatus.FULFILLED),
    Machine(Payment, PaymentStatus.COMPLETED, PaymentStatus.PENDING),
    Machine(Attempt, AttemptStatus.SUCCEEDED, AttemptStatus.LATE_SUCCESS),
    Machine(Refund, RefundStatus.REQUESTED, RefundStatus.WAITING_APPROVAL),
    Machine(Case, CaseStatus.OPEN, CaseStatus.DISMISSED),
]
each_machine = pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.model.__name__.lower())
each_record = pytest.mark.parametrize("model", [Event, Transition])


@pytest.fixture(autouse=True)
def _one_row_of_each_machine(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(providers.PROVIDERS, "a", provider_of(ScriptedGateway()))
    restaurant = RestaurantFactory.create()
    routed(restaurant, "a")
    payment = paid(order_of(restaurant))
    request_refund(payment_id=payment.pk, amount_minor=4_000, reason="cold food", actor=GUEST)
    too_much = RefundFact(reference="dashboard-1", money=Money(84_000, "INR"), succeeded=True)
    seen = Evidence(source=Source.LOOK_UP, finding=Finding.SUCCEEDED, money=Money(84_000, "INR"), refunds=(too_much,))
    settle_attempt(attempt_id=Attempt.objects.get().pk, evidence=seen)


def in_one_transaction(*acts: Callable[[], Any]) -> None:
    with transaction.atomic():
        for act in acts:
            act()


def check(fact: bool) -> None:
    assert fact


def execute(sql: str, *arguments: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, arguments)


@each_machine
def test_there_is_one_of_each(machine: Machine) -> None:
    assert machine.row().status == machine.status


@each_machine
def test_raw_sql_cannot_move_a_machine_past_its_history(machine: Machine) -> None:
    row = machine.row()

    with pytest.raises(
        IntegrityError, match=f"status of {machine.table} {row.pk} changed without a row in the history"
    ):
        execute(f"UPDATE {machine.table} SET status = %s WHERE id = %s", machine.elsewhere, row.pk)  # noqa: S608

    assert machine.row().status == machine.status


@each_machine
def test_an_update_by_the_orm_cannot_either_and_it_is_the_commit_that_refuses(machine: Machine) -> None:
    rows = machine.model._default_manager

    with pytest.raises(IntegrityError, match="without a row in the history"):
        in_one_transaction(
            lambda: rows.update(status=machine.elsewhere),
            lambda: check(machine.row().status == machine.elsewhere),
        )

    assert machine.row().status == machine.status


@each_machine
def test_a_history_row_of_the_same_transaction_lets_the_step_pass(machine: Machine) -> None:
    row = machine.row()

    with transaction.atomic():
        machine.model._default_manager.update(status=machine.elsewhere)
        Transition.objects.create(**_said_about(row, to_status=machine.elsewhere))

    assert machine.row().status == machine.elsewhere


@each_machine
@pytest.mark.parametrize("wrong", ["subject_id", "to_status"])
def test_a_history_row_about_something_else_is_not_enough(machine: Machine, wrong: str) -> None:
    row = machine.row()
    said = _said_about(row, to_status=machine.elsewhere)
    said[wrong] = row.restaurant_id if wrong == "subject_id" else machine.status

    with pytest.raises(IntegrityError, match="without a row in the history"):
        in_one_transaction(
            lambda: machine.model._default_manager.update(status=machine.elsewhere),
            lambda: Transition.objects.create(**said),
        )

    assert machine.row().status == machine.status


def test_a_history_row_of_an_earlier_transaction_is_not_enough() -> None:
    order = Order.objects.get()
    confirm_order(order_id=order.pk, actor=GUEST)

    with pytest.raises(IntegrityError, match="without a row in the history"):
        Order.objects.update(status=OrderStatus.PLACED)

    assert Order.objects.get().status == OrderStatus.CONFIRMED


@each_machine
def test_a_row_that_no_history_explains_cannot_be_created(machine: Machine) -> None:
    new = {"id": clock.new_id(), "reference": "X-2", "number": 2, "kind": CaseKind.EXHAUSTED, "provider_reference": ""}
    if machine.model is Attempt:
        # A second attempt that holds the payment, or keeps money of it, is refused already.
        new |= {"status": AttemptStatus.LATE_SUCCESS, "capture": Capture.SURPLUS}
    values = machine.model._default_manager.values().get()
    twin = machine.model(**{name: new.get(name, value) for name, value in values.items()})

    with pytest.raises(IntegrityError, match=f"status of {machine.table} {new['id']} changed without a row"):
        twin.save(force_insert=True)

    assert machine.model._default_manager.count() == 1


@each_machine
def test_a_machine_is_never_deleted(machine: Machine) -> None:
    row = machine.row()

    with pytest.raises(DatabaseError, match=f"Cannot delete rows from {machine.table}"):
        execute(f"DELETE FROM {machine.table} WHERE id = %s", row.pk)  # noqa: S608  A table's name.
    with pytest.raises((DatabaseError, models.ProtectedError)):
        row.delete()
    with pytest.raises(DatabaseError, match="Cannot delete rows"):
        machine.model._default_manager.all()._raw_delete(using="default")

    assert machine.row() == row


@each_machine
def test_a_change_that_is_no_step_needs_no_history(machine: Machine) -> None:
    count = Transition.objects.count()

    machine.model._default_manager.update(status=machine.status, mode="test")

    assert Transition.objects.count() == count


@each_record
def test_what_was_recorded_never_changes(model: type[models.Model]) -> None:
    rows = model._default_manager
    before = list(rows.order_by("pk").values())
    assert before

    with pytest.raises(DatabaseError, match="Cannot update or delete rows"):
        rows.update(actor_id="somebody else")
    with pytest.raises(DatabaseError, match="Cannot update or delete rows"):
        execute(f"UPDATE {model._meta.db_table} SET mode = 'live'")  # noqa: S608  A table's name.
    with pytest.raises(DatabaseError, match="Cannot update or delete rows"):
        rows.order_by("pk")[0].save()

    assert list(rows.order_by("pk").values()) == before


@each_record
def test_what_was_recorded_is_never_deleted(model: type[models.Model]) -> None:
    count = model._default_manager.count()

    with pytest.raises(DatabaseError, match="Cannot update or delete rows"):
        model._default_manager.all().delete()
    with pytest.raises(DatabaseError, match="Cannot update or delete rows"):
        execute(f"DELETE FROM {model._meta.db_table}")  # noqa: S608  A table's name.

    assert model._default_manager.count() == count


@each_machine
def test_every_machine_has_its_three_triggers_enabled(machine: Machine) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgname, tgenabled::text FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal",
            [machine.table],
        )
        found: dict[str, str] = dict(cursor.fetchall())

    for trigger in machine_triggers():
        assert [enabled for name, enabled in found.items() if f"_{trigger.name}_" in name] == ["O"]


def _said_about(row: Any, *, to_status: str) -> dict[str, Any]:
    return {
        "restaurant_id": row.restaurant_id,
        "mode": row.mode,
        "subject_kind": type(row).__name__.lower(),
        "subject_id": row.pk,
        "step": "test",
        "from_status": row.status,
        "to_status": to_status,
        "reason": "A test.",
        "actor_kind": "system",
    }
