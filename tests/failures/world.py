"""A small world within the rules, for tests that break it or ask about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, models, transaction

from accounts.models import Restaurant, Role
from events.actors import GUEST, SYSTEM
from events.services import Journal
from failures.models import Case
from kernel import clock
from kernel.money import Money
from orders.models import Order
from payments.gateways.contract import ErrorCode
from payments.models import Attempt, InboundNotice, ProviderAccount, Refund
from payments.services.attempts import begin_attempt
from payments.services.cash import CashTaken, confirm_cash
from payments.services.evidence import Evidence, Finding, Source
from payments.services.facts import PaymentEvent
from payments.services.refund_requests import request_refund
from payments.services.settlement import settle_attempt
from tests.factories import RestaurantFactory, accepted, order_of, routed, staff


@dataclass
class World:
    """One payment of every sort that the invariants speak of, all of it within the rules."""

    restaurant: Restaurant
    kept: Attempt
    refund: Refund
    doubtful: Attempt
    failed: Attempt
    surplus: Attempt
    mismatched: Attempt
    cash: Attempt
    notice: InboundNotice


def make_world() -> World:
    restaurant = RestaurantFactory.create()
    account, _ = routed(restaurant, "a", "cash")
    kept = attempted(order_of(restaurant), Finding.SUCCEEDED, minor=84_000)
    refund = request_refund(payment_id=kept.payment_id, amount_minor=4_000, reason="cold food", actor=GUEST)
    notice = InboundNotice.objects.create(
        restaurant_id=restaurant.pk, mode="test", account=account, event_id="evt_1", content="{}", state="applied"
    )
    made = World(
        restaurant=restaurant,
        kept=kept,
        refund=refund,
        doubtful=attempted(order_of(restaurant), Finding.UNKNOWN),
        failed=attempted(order_of(restaurant), Finding.DECLINED, code=ErrorCode.CARD_DECLINED),
        surplus=paid_twice(order_of(restaurant)),
        mismatched=attempted(order_of(restaurant), Finding.SUCCEEDED, minor=90_000),
        cash=paid_in_cash(restaurant),
        notice=notice,
    )
    run("SET CONSTRAINTS ALL IMMEDIATE")
    return made


def attempted(order: Order, finding: Finding, *, minor: int = 0, **said: Any) -> Attempt:
    """Phases one and three of a charge; what the provider said in between is made up here."""
    sending = begin_attempt(payment_id=accepted(order).pk)
    assert sending is not None
    return told(sending.attempt, finding, minor=minor, **said)


def told(attempt: Attempt, finding: Finding, *, minor: int = 0, **said: Any) -> Attempt:
    money = Money(minor, "INR") if minor else None
    evidence = Evidence(source=Source.LOOK_UP, finding=finding, money=money, **said)
    return settle_attempt(attempt_id=attempt.pk, evidence=evidence).attempt


def paid_twice(order: Order) -> Attempt:
    late = attempted(order, Finding.DECLINED, code=ErrorCode.CARD_DECLINED)
    attempted(order, Finding.SUCCEEDED, minor=84_000)
    return told(late, Finding.SUCCEEDED, minor=84_000)


def refund_called(refund_id: UUID, restaurant: Restaurant) -> Refund:
    """For events that are made up: what they are about is there."""
    kept = attempted(order_of(restaurant), Finding.SUCCEEDED, minor=84_000)
    return request_refund(refund_id=refund_id, payment_id=kept.payment_id, reason="cold food", actor=GUEST)


def orphan_of(restaurant: Restaurant) -> Case:
    """A case about no payment: a provider speaks of something unknown."""
    notice = InboundNotice.objects.create(
        restaurant_id=restaurant.pk,
        mode="test",
        account=ProviderAccount.objects.filter(restaurant=restaurant)[0],
        event_id=f"evt_{clock.new_id()}",
        content="{}",
        state="orphaned",
    )
    with transaction.atomic():
        journal = Journal(SYSTEM)
        journal.happened(PaymentEvent.NOTICE_ORPHANED, notice, key="nobody")
        notice.save(update_fields=["version"])
        journal.write()
    return Case.objects.get(subject_id=notice.pk)


def paid_in_cash(restaurant: Restaurant) -> Attempt:
    sending = begin_attempt(payment_id=accepted(order_of(restaurant), method="cash").pk)
    assert sending is not None
    told(sending.attempt, Finding.PENDING)
    waiter = staff(restaurant, Role.WAITER)
    confirm_cash(payment_id=sending.payment.pk, waiter=waiter, taken=CashTaken(amount_minor=84_000))
    return Attempt.objects.get(pk=sending.attempt.pk)


def run(sql: str, *arguments: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, arguments)


def update(row: models.Model, assignments: str) -> str:
    run(f"UPDATE {row._meta.db_table} SET {assignments} WHERE id = %s", row.pk)  # noqa: S608  Written in the tests.
    return str(row.pk)


def twin_of(row: Attempt | Refund | Case, **changes: Any) -> Attempt | Refund | Case:
    values = type(row)._default_manager.filter(pk=row.pk).values().get()
    twin = type(row)(**{**values, "id": clock.new_id(), **changes})
    twin.save(force_insert=True)
    return twin
