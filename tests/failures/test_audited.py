"""What a named person decides about money leaves one entry in the audit, and what programs do leaves none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from uuid import UUID, uuid4

import pytest

from accounts.models import ApiKey, Role, User
from accounts.services.idempotency import Call
from accounts.services.keys import issue_api_key, revoke_api_key, rotate_api_key
from events.actors import GUEST, Actor, ActorKind
from events.audit import INSTALLATION, verdicts
from events.models import AuditEntry
from failures.decisions import Action, Decision, act_on_case
from failures.models import Case, CaseKind
from kernel.modes import Mode
from orders.models import Order
from orders.services import Amendment, LineDraft, amend_order, cancel_order
from payments.gateways.breaker import BreakerState
from payments.gateways.guard import Operation
from payments.models import Attempt, Refund
from payments.services import operators, providers
from payments.services.cash import CashTaken, confirm_cash, record_cash_refund, take_cash_against_doubt
from payments.services.circuit_overrides import force_circuit
from payments.services.evidence import Evidence, Finding, Source
from payments.services.mismatches import MismatchChoice
from payments.services.payments import cancel_payment, retry_payment
from payments.services.refund_requests import request_refund
from payments.services.refund_settlement import settle_refund
from payments.services.refusals import PaymentRefused
from tests import two_people
from tests.factories import accepted, order_of, paid, staff
from tests.failures.world import World, make_world
from tests.scripted import ScriptedGateway, provider_of

WHY = "The bank called."


@pytest.fixture
def world(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setitem(providers.PROVIDERS, "a", provider_of(ScriptedGateway()))
    world = make_world()
    assert {entry.action for entry in AuditEntry.objects.all()} == {"confirm_cash"}
    return world


@pytest.fixture
def admin(world: World) -> User:
    return staff(world.restaurant, Role.ADMIN)


def _confirm_cash(w: World, person: User) -> None:
    payment = paid(order_of(w.restaurant), method="cash")
    confirm_cash(payment_id=payment.pk, waiter=person, taken=CashTaken(amount_minor=84_000))


def _take_cash(w: World, person: User) -> None:
    # Nobody is asking any more.
    Attempt.objects.filter(pk=w.doubtful.pk).update(send_before="2020-01-01T00:00Z")
    taken = CashTaken(amount_minor=84_000)
    take_cash_against_doubt(payment_id=w.doubtful.payment_id, person=person, reason=WHY, taken=taken)


def _force_circuit(_: World, person: User) -> None:
    person.is_staff = True
    force_circuit(
        provider="a",
        mode=Mode.TEST,
        operation=Operation.CHARGE,
        state=BreakerState.OPEN,
        person=person,
        reason=WHY,
        lasts=timedelta(hours=1),
    )


def _issue_key(w: World, person: User) -> None:
    issue_api_key(restaurant=w.restaurant, mode=Mode.TEST, name="till", scopes=["orders:read"], by=Actor.user(person))


def _not_taken_back(w: World) -> UUID:
    refund = Refund.objects.get(attempt=w.surplus)
    settle_refund(refund_id=refund.pk, evidence=Evidence(source=Source.LOOK_UP, finding=Finding.DECLINED))
    return refund.pk


DEEDS: dict[str, Callable[[World, User], object]] = {
    "confirm_cash": _confirm_cash,
    "take_cash_against_doubt": _take_cash,
    "hand_back_cash": lambda w, person: record_cash_refund(payment_id=w.cash.payment_id, person=person, reason=WHY),
    "request_refund": lambda w, person: request_refund(
        payment_id=w.kept.payment_id, amount_minor=1_000, reason=WHY, actor=Actor.user(person)
    ),
    "resolve_mismatch": lambda w, person: operators.resolve_mismatch(
        payment_id=w.mismatched.payment_id, choice=MismatchChoice.REFUND_ALL, person=person, reason=WHY
    ),
    "retry": lambda w, person: retry_payment(payment_id=w.failed.payment_id, actor=Actor.user(person)),
    "cancel": lambda w, person: cancel_payment(
        payment_id=accepted(order_of(w.restaurant)).pk, actor=Actor.user(person)
    ),
    "cancel_order": lambda w, person: cancel_order(order_id=w.kept.payment.order_id, actor=Actor.user(person)),
    "force_circuit": _force_circuit,
    "issue_api_key": _issue_key,
}


BY_TWO: dict[str, Callable[[World, User], object]] = {
    "record_charged": lambda w, person: two_people.record_charged(
        payment_id=w.doubtful.payment_id, captured_minor=84_000, person=person, reason=WHY
    ),
    "record_not_charged": lambda w, person: two_people.record_not_charged(
        payment_id=w.doubtful.payment_id, person=person, reason=WHY
    ),
    "record_refund_made": lambda w, person: two_people.record_refund_made(
        refund_id=w.refund.pk, person=person, reason=WHY
    ),
    "record_refund_not_made": lambda w, person: two_people.record_refund_not_made(
        refund_id=w.refund.pk, person=person, reason=WHY
    ),
    "record_given_back": lambda w, person: two_people.record_given_back(
        payment_id=w.surplus.payment_id, subject_id=_not_taken_back(w), person=person, reason=WHY
    ),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_a_deed_has_one_entry_that_shows_what_changed(world: World, admin: User, deed: str) -> None:
    before = AuditEntry.objects.count()

    DEEDS[deed](world, admin)

    entry = AuditEntry.objects.latest("id")
    assert AuditEntry.objects.count() == before + 1
    assert (entry.action, entry.actor_id) == (deed, str(admin.pk))
    assert entry.chain_id == (INSTALLATION if deed == "force_circuit" else world.restaurant.pk)
    assert entry.before != entry.after
    assert not [sentence for verdict in verdicts() for sentence in verdict.wrong]


@pytest.mark.parametrize("deed", BY_TWO)
def test_what_two_people_do_names_both(world: World, admin: User, deed: str) -> None:
    before = AuditEntry.objects.latest("id").pk

    BY_TWO[deed](world, admin)

    asked, approved, done = AuditEntry.objects.filter(pk__gt=before).order_by("id")
    assert [each.action for each in (asked, approved, done)] == ["ask_approval", "approve_approval", deed]
    assert (asked.actor_id, done.actor_id == approved.actor_id) == (str(admin.pk), True)
    assert done.actor_id not in {"", str(admin.pk)}
    assert (asked.after["status"], approved.after["status"]) == ("pending", "approved")
    assert done.before != done.after
    assert not [sentence for verdict in verdicts() for sentence in verdict.wrong]


def test_a_key_is_followed_from_its_issue_to_its_end(world: World, admin: User) -> None:
    actor = Actor.user(admin)
    _issue_key(world, admin)
    key = rotate_api_key(key_id=ApiKey.objects.get(name="till").pk, by=actor)
    assert revoke_api_key(key_id=ApiKey.objects.latest("created_at").pk, by=actor)

    issued, rotated, revoked = AuditEntry.objects.order_by("-id")[:3][::-1]
    assert [entry.action for entry in (issued, rotated, revoked)] == [
        "issue_api_key",
        "rotate_api_key",
        "revoke_api_key",
    ]
    assert [len(entry.after["keys"]) for entry in (issued, rotated, revoked)] == [1, 2, 2]
    assert revoked.after["keys"][1]["revoked_at"] is not None
    assert key not in str([(entry.before, entry.after) for entry in (issued, rotated, revoked)])


def test_a_decision_about_a_case_is_one_entry_whatever_it_does(world: World, admin: User) -> None:
    case = Case.objects.get(kind=CaseKind.AMOUNT_MISMATCH)
    call = Call(
        principal="console:1",
        key=str(uuid4()),
        operation="POST /",
        body_hash="",
        restaurant_id=case.restaurant_id,
        mode=case.mode,
        runs_for=timedelta(seconds=10),
        subject_id=case.pk,
    )
    before = AuditEntry.objects.count()

    act_on_case(case_id=case.pk, decision=Decision(action=Action.REFUND_ALL, reason=WHY), person=admin, call=call)

    entry = AuditEntry.objects.latest("id")
    assert AuditEntry.objects.count() == before + 1
    assert (entry.action, entry.subject_id, entry.reason) == ("refund_all", str(case.pk), WHY)
    assert (entry.before["case"]["status"], entry.after["case"]["status"]) == ("open", "resolved")
    assert len(entry.after["refunds"]) == len(entry.before["refunds"]) + 1


def test_what_nobody_did_by_name_is_not_in_it(world: World) -> None:
    before = AuditEntry.objects.count()

    request_refund(payment_id=world.kept.payment_id, amount_minor=1_000, reason=WHY, actor=GUEST)
    cancel_order(order_id=world.failed.payment.order_id, actor=GUEST)

    assert AuditEntry.objects.count() == before


def test_a_step_that_is_done_already_is_not_done_again(world: World, admin: User) -> None:
    for _ in range(2):
        cancel_order(order_id=world.failed.payment.order_id, actor=Actor.user(admin))

    assert AuditEntry.objects.filter(action="cancel_order").count() == 1


@pytest.mark.parametrize("minor", [64_000, 90_000], ids=["gives back", "asks for more"])
def test_a_bill_that_a_person_changed_is_kept_with_what_it_was(world: World, admin: User, minor: int) -> None:
    """Whether money goes back or not, as with cancelling; by what things cost, and not by what somebody called them."""
    order = Order.objects.get(pk=world.surplus.payment.order_id)
    lines = (LineDraft(name="Cake for Asha", quantity=1, unit_minor=minor),)
    amendment = Amendment(lines=lines, version=order.version, refund_surplus=True)

    amend_order(order_id=order.pk, amendment=amendment, actor=Actor.user(admin))

    entry = AuditEntry.objects.latest("id")
    assert (entry.action, entry.subject_id, entry.actor_id) == ("amend_order", str(order.pk), str(admin.pk))
    now = "paid" if minor < order.total_minor else "part_paid"
    assert (entry.before["order"]["payment_state"], entry.after["order"]["payment_state"]) == ("paid", now)
    assert (entry.before["order"]["total_minor"], entry.after["order"]["total_minor"]) == (84_000, minor)
    assert entry.before["lines"] == [{"quantity": 1, "unit_minor": 84_000}]
    assert entry.after["lines"] == [{"quantity": 1, "unit_minor": minor}]
    assert order.restaurant_id == entry.chain_id


def test_a_bill_that_was_not_changed_is_no_deed(world: World, admin: User) -> None:
    """Less than what is paid, and nothing is to go back."""
    order = Order.objects.get(pk=world.surplus.payment.order_id)
    less = Amendment(lines=(LineDraft(name="Thali", quantity=1, unit_minor=1),), version=order.version)

    with pytest.raises(PaymentRefused, match="is paid already"):
        amend_order(order_id=order.pk, amendment=less, actor=Actor.user(admin))

    assert not AuditEntry.objects.filter(action="amend_order").exists()


def test_a_bill_that_a_program_changed_is_in_the_history_alone(world: World) -> None:
    order = Order.objects.get(pk=world.failed.payment.order_id)
    more = Amendment(lines=(LineDraft(name="Thali", quantity=2, unit_minor=84_000),), version=order.version)
    till = Actor(kind=ActorKind.API_KEY, id="till")

    for change in (partial(amend_order, amendment=more), cancel_order):
        change(order_id=order.pk, actor=till)

    assert {entry.action for entry in AuditEntry.objects.all()} == {"confirm_cash"}
