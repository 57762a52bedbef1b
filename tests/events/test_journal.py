"""The journal: what one transaction has to say, in two statements, heard in the same transaction (I13)."""

from __future__ import annotations

import re
from collections import defaultdict
from enum import StrEnum

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django_fsm import TransitionNotAllowed

from accounts.models import Restaurant
from events import services
from events.actors import GUEST, SYSTEM, Actor, ActorKind
from events.models import Event, Transition
from events.services import REASON_LENGTH, Journal, kind_of, subscribe
from kernel.modes import Mode
from orders.models import Order, OrderStatus
from tests.factories import RestaurantFactory, UserFactory, order_of

WAITER = Actor(kind=ActorKind.USER, id="waiter-7", request_id="req-00000001")


class Said(StrEnum):
    HELLO = "test.hello"
    ANSWER = "test.answer"
    BYE = "test.bye"


@pytest.fixture(autouse=True)
def _own_subscribers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "_subscribers", defaultdict(list))


@pytest.fixture
def order(db: None) -> Order:
    return order_of(RestaurantFactory.create())


def confirm_and_say_hello(order: Order) -> None:
    with transaction.atomic():
        journal = Journal(SYSTEM)
        journal.move(order, order.confirm, reason="so")
        journal.happened(Said.HELLO, order)
        order.save()
        journal.write()


def the_last_events(order: Order) -> list[tuple[str, int]]:
    return list(
        Event.objects.filter(stream_id=order.pk, version__gt=1).order_by("version").values_list("type", "version")
    )


def test_however_much_happened_it_takes_one_statement(order: Order) -> None:
    journal = Journal(SYSTEM)
    for number in range(20):
        journal.note(order, step=f"step_{number}", reason="so")
        journal.happened(Said.HELLO, order, number=number)

    with CaptureQueriesContext(connection) as written:
        journal.write()

    assert [re.findall(r'INSERT INTO "(\w+)"', query["sql"]) for query in written] == [
        ["events_transition", "events_event"]
    ]
    assert Transition.objects.filter(subject_id=order.pk, reason="so").count() == 20
    assert [event.data["number"] for event in Event.objects.filter(type=Said.HELLO).order_by("version")] == [*range(20)]


def test_a_journal_with_nothing_to_say_asks_the_database_nothing(db: None) -> None:
    with CaptureQueriesContext(connection) as asked:
        Journal(SYSTEM).write()

    assert len(asked) == 0


def test_what_was_written_is_not_written_again(order: Order) -> None:
    journal = Journal(SYSTEM)
    journal.happened(Said.HELLO, order)
    journal.write()
    journal.write()
    journal.happened(Said.BYE, order)
    journal.write()

    assert the_last_events(order) == [("test.hello", 2), ("test.bye", 3)]


def test_a_journal_outside_a_transaction_is_refused_and_loses_nothing(transactional_db: None) -> None:
    order = order_of(RestaurantFactory.create())
    before = (Event.objects.count(), Transition.objects.count())
    journal = Journal(SYSTEM)
    journal.move(order, order.confirm, reason="so")
    journal.happened(Said.HELLO, order)

    with pytest.raises(RuntimeError, match="in the transaction that it describes"):
        journal.write()

    assert (Event.objects.count(), Transition.objects.count()) == before
    with transaction.atomic():
        order.save()
        journal.write()
    assert Event.objects.count() == before[0] + 1


def test_each_stream_counts_its_own_events_without_a_gap(order: Order) -> None:
    other = order_of(order.restaurant)
    journal = Journal(SYSTEM)

    for stream in (order, other, order, order, other):
        journal.happened(Said.HELLO, stream)
    journal.write()

    assert (order.version, other.version) == (4, 3)
    assert [version for _, version in the_last_events(order)] == [2, 3, 4]
    assert [version for _, version in the_last_events(other)] == [2, 3]


def test_two_that_count_the_same_stream_apart_cannot_both_be_right(order: Order) -> None:
    journal = Journal(SYSTEM)
    journal.happened(Said.HELLO, order)
    journal.happened(Said.BYE, Order.objects.get(pk=order.pk))

    with pytest.raises(IntegrityError, match="one_event_per_stream_version"), transaction.atomic():
        journal.write()

    assert the_last_events(order) == []


def test_an_event_says_what_happened_to_whom_and_who_did_it(order: Order) -> None:
    journal = Journal(WAITER)
    journal.happened(Said.HELLO, order, total_minor=84_000)
    journal.write()

    event = Event.objects.get(type=Said.HELLO)
    assert (event.restaurant_id, event.mode) == (order.restaurant_id, Mode.TEST)
    assert (event.stream_kind, event.stream_id, event.version) == ("order", order.pk, 2)
    assert event.data == {"total_minor": 84_000}
    assert (event.actor_kind, event.actor_id, event.request_id) == ("user", "waiter-7", "req-00000001")


def test_a_step_is_in_the_history_with_its_reason_evidence_and_transaction(order: Order) -> None:
    journal = Journal(WAITER)
    journal.move(order, order.confirm, reason="The stock is there.", evidence={"shelf": 3})
    order.save()
    journal.write()

    step = Transition.objects.get(step="confirm")
    assert (step.subject_kind, step.subject_id) == ("order", order.pk)
    assert (step.restaurant_id, step.mode) == (order.restaurant_id, Mode.TEST)
    assert (step.from_status, step.to_status) == ("placed", "confirmed")
    assert (step.reason, step.evidence) == ("The stock is there.", {"shelf": 3})
    assert (step.actor_kind, step.actor_id, step.request_id) == ("user", "waiter-7", "req-00000001")
    with connection.cursor() as cursor:
        cursor.execute("SELECT txid_current()")
        assert cursor.fetchone() == (step.transaction_id,)


def test_a_creation_comes_from_nowhere_and_a_note_stays_where_it_is(order: Order) -> None:
    created = Transition.objects.get(subject_id=order.pk)
    journal = Journal(SYSTEM)
    journal.note(order, step="send_again", reason="Send 2.")
    journal.write()

    noted = Transition.objects.get(step="send_again")
    assert (created.step, created.from_status, created.to_status) == ("create", "", "placed")
    assert (noted.from_status, noted.to_status) == ("placed", "placed")


def test_a_step_that_is_not_allowed_leaves_no_trace(order: Order) -> None:
    journal = Journal(SYSTEM)
    journal.move(order, order.cancel, reason="so")

    with pytest.raises(TransitionNotAllowed):
        journal.move(order, order.confirm, reason="so")
    order.save()
    journal.write()

    steps = Transition.objects.filter(subject_id=order.pk).order_by("id").values_list("step", flat=True)
    assert list(steps) == ["create", "cancel"]


def test_a_providers_long_sentence_is_cut_and_never_a_reason_to_fail(order: Order) -> None:
    journal = Journal(SYSTEM)
    journal.note(order, step="talk", reason="म" * 2_000)
    journal.write()

    assert Transition.objects.get(step="talk").reason == "म" * REASON_LENGTH


def test_subscribers_hear_their_events_in_order_with_the_actor_after_the_rows_are_there(order: Order) -> None:
    heard: list[tuple[str, str, int]] = []

    def listener(event: Event, actor: Actor) -> None:
        assert Event.objects.filter(pk=event.pk).exists()
        assert Transition.objects.filter(step="confirm").exists()
        heard.append((event.type, actor.id, event.version))

    subscribe(Said.HELLO, listener)
    subscribe(Said.BYE, listener)
    journal = Journal(WAITER)
    for event_type in (Said.BYE, Said.ANSWER, Said.HELLO, Said.HELLO):
        journal.happened(event_type, order)
    journal.move(order, order.confirm, reason="so")
    journal.write()

    assert heard == [("test.bye", "waiter-7", 2), ("test.hello", "waiter-7", 4), ("test.hello", "waiter-7", 5)]


def test_who_subscribes_twice_hears_once(order: Order) -> None:
    heard: list[Event] = []

    def listener(event: Event, _: Actor) -> None:
        heard.append(event)

    subscribe(Said.HELLO, listener)
    subscribe(Said.HELLO, listener)
    journal = Journal(SYSTEM)
    journal.happened(Said.HELLO, order)
    journal.write()

    assert len(heard) == 1


def test_a_subscriber_may_write_a_journal_of_its_own(order: Order) -> None:
    def answer(event: Event, actor: Actor) -> None:
        mine = Journal(actor)
        mine.happened(Said.ANSWER, order, to=str(event.pk))
        mine.write()

    subscribe(Said.HELLO, answer)
    journal = Journal(WAITER)
    journal.happened(Said.HELLO, order)
    journal.write()

    assert the_last_events(order) == [("test.hello", 2), ("test.answer", 3)]
    assert Event.objects.get(type=Said.ANSWER).actor_id == "waiter-7"


def test_what_a_subscriber_did_rolls_back_with_what_it_heard(transactional_db: None) -> None:
    order = order_of(RestaurantFactory.create())

    def open_a_second_restaurant(event: Event, _: Actor) -> None:
        Restaurant.objects.create(slug="second", name=event.type)

    subscribe(Said.HELLO, open_a_second_restaurant)
    with transaction.atomic():
        journal = Journal(SYSTEM)
        journal.happened(Said.HELLO, order)
        journal.write()
        assert Restaurant.objects.filter(slug="second").exists()
        transaction.set_rollback(True)

    assert not Restaurant.objects.filter(slug="second").exists()
    assert not Event.objects.filter(type=Said.HELLO).exists()


def test_a_subscriber_that_fails_takes_the_whole_transaction_with_it(transactional_db: None) -> None:
    """Otherwise there would be a payment that needs a human and no case."""
    order = order_of(RestaurantFactory.create())

    def fail(event: Event, _: Actor) -> None:
        raise ConnectionError(event.type)

    subscribe(Said.HELLO, fail)
    with pytest.raises(ConnectionError):
        confirm_and_say_hello(order)

    assert Order.objects.get().status == OrderStatus.PLACED
    assert not Event.objects.filter(type=Said.HELLO).exists()
    assert not Transition.objects.filter(step="confirm").exists()


def test_actors_are_ids_so_that_a_person_can_be_forgotten(db: None) -> None:
    person = UserFactory.create(username="asha", email="asha@example.com")

    actor = Actor.user(person, request_id="req-1")

    assert (actor.kind, actor.id, actor.request_id) == (ActorKind.USER, str(person.pk), "req-1")
    assert (SYSTEM.id, GUEST.id) == ("", "")


def test_a_subject_is_called_by_the_name_of_its_model(order: Order) -> None:
    assert kind_of(order) == "order"
    assert kind_of(order.restaurant) == "restaurant"
