"""The stage itself: who waits is seen, who deadlocks is reported, and nobody goes on without the baton."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from django.db import transaction

from kernel.errors import ServiceError
from orders.models import Order
from tests.factories import RestaurantFactory, order_of
from tests.races.actors import in_short
from tests.races.locks import Locks
from tests.races.stage import MOST_ACTORS, Stage


@pytest.fixture
def stage(transactional_db: None) -> Iterator[Stage]:
    with Locks() as locks:
        stage = Stage(locks)
        yield stage
        stage.abandon_whoever_is_left()
        stage.close()


@pytest.fixture
def orders(transactional_db: None) -> list[UUID]:
    restaurant = RestaurantFactory.create()
    return [order_of(restaurant).pk for _ in range(2)]


def locks_in_turn(*orders: UUID) -> Callable[[], None]:
    def work() -> None:
        with transaction.atomic():
            for order in orders:
                Order.objects.select_for_update().get(pk=order)

    return work


def test_whoever_waits_is_seen_and_goes_on_when_the_lock_is_free(stage: Stage, orders: list[UUID]) -> None:
    holder, waiter = stage.begin([("holder", locks_in_turn(orders[0])), ("waiter", locks_in_turn(orders[0]))])
    stage.go_on(holder, cuts=2)

    stage.run(waiter)
    stage.finish()

    lock = "SELECT orders_order FOR UPDATE"
    assert stage.sequence == [
        f"holder: {lock}",
        "holder: COMMIT",
        f"waiter: {lock}",
        "waiter: waits",
        "waiter: SELECT orders_order FOR UPDATE, at last",
        "holder: its end",
        "waiter: COMMIT",
        "waiter: its end",
    ]
    assert (holder.times_blocked, waiter.times_blocked) == (0, 1)


def test_a_third_who_waits_behind_a_second_is_seen_too(stage: Stage, orders: list[UUID]) -> None:
    parts = [(name, locks_in_turn(orders[0])) for name in ("first", "second", "third")]
    first, second, third = stage.begin(parts)
    stage.go_on(first, cuts=2)

    stage.run(second)
    stage.run(third)
    assert stage.ready == [first]
    stage.finish()

    assert [actor.times_blocked for actor in (first, second, third)] == [0, 1, 1]
    assert [actor.failure for actor in (first, second, third)] == [None, None, None]


def test_a_deadlock_is_a_failure_of_one_of_them(stage: Stage, orders: list[UUID]) -> None:
    one, other = stage.begin([("one", locks_in_turn(*orders)), ("other", locks_in_turn(*reversed(orders)))])
    stage.go_on(one, cuts=2)

    stage.run(other)
    stage.finish()

    failures = [str(actor.failure) for actor in (one, other) if actor.failure]
    assert len(failures) == 1
    assert "deadlock detected" in failures[0]


def test_a_refusal_is_no_failure_and_only_what_was_committed_is_an_act(stage: Stage, orders: list[UUID]) -> None:
    def moves_to(table: str, *moved: UUID) -> Callable[[], object]:
        return lambda: Order.objects.filter(pk__in=moved).update(table=table)

    @transaction.atomic
    def refuses() -> None:
        moves_to("8", *orders)()
        raise ServiceError("No.", code="never")

    works = {
        "refused": refuses,
        "wrote": moves_to("7", *orders),
        "wrote in a transaction": transaction.atomic(moves_to("9", *orders)),
        "found no row": moves_to("7", UUID(int=0)),
        "read": lambda: list(Order.objects.all()),
    }
    actors = stage.begin(list(works.items())[:MOST_ACTORS])
    stage.finish()
    actors += stage.begin(list(works.items())[MOST_ACTORS:])
    stage.finish()

    assert [(actor.has_committed, actor.refused, actor.failure) for actor in actors] == [
        (False, "never", None),
        (True, "", None),
        (True, "", None),
        (False, "", None),
        (False, "", None),
    ]


def test_whoever_is_abandoned_ends_also_in_the_database(stage: Stage, orders: list[UUID]) -> None:
    holder, waiter = stage.begin([("holder", locks_in_turn(orders[0])), ("waiter", locks_in_turn(orders[0]))])
    stage.go_on(holder, cuts=2)
    stage.run(waiter)

    stage.abandon_whoever_is_left()

    assert stage.is_over


def test_statements_are_named_by_verb_table_and_lock() -> None:
    assert (
        in_short('SELECT "a"."id" FROM "a" WHERE x FOR UPDATE OF "a" SKIP LOCKED') == "SELECT a FOR UPDATE SKIP LOCKED"
    )
    assert in_short('INSERT INTO "b" VALUES (1)') == "INSERT b"
    assert in_short('UPDATE "c" SET x = 1') == "UPDATE c"
    assert in_short('(SELECT y FROM "d") UNION ALL (SELECT y FROM "e")') == "SELECT d"
    assert in_short('SAVEPOINT "s1"') == "SAVEPOINT"
