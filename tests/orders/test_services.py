"""Orders are placed, confirmed, fulfilled and cancelled here; what is refused leaves nothing behind."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import Restaurant
from events.actors import GUEST, SYSTEM, Actor, ActorKind
from events.models import Event, Transition
from events.services import Journal
from kernel import clock
from kernel.modes import Mode
from kernel.money import MAX_MINOR
from orders.models import Channel, Order, OrderLine, OrderStatus, PaymentState
from orders.services import (
    MAX_LINES,
    LineDraft,
    OrderDraft,
    OrderEvent,
    OrderRefused,
    cancel_order,
    confirm_order,
    fulfil_order,
    lock_order,
    place_order,
    set_payment_state,
)
from tests.factories import RestaurantFactory
from tests.lock_waits import wait_until_somebody_waits_for_us

CARD = "4111 1111 1111 1111"
WAITER = Actor(kind=ActorKind.USER, id="waiter-7", request_id="req-1")
STEPS = {"confirm": confirm_order, "fulfil": fulfil_order, "cancel": cancel_order}


@pytest.fixture
def restaurant(db: None) -> Restaurant:
    return RestaurantFactory.create()


def draft_of(restaurant: Restaurant, **more: Any) -> OrderDraft:
    lines = (LineDraft(name="Thali", quantity=2, unit_minor=32_000), LineDraft(name="Chai", quantity=1, unit_minor=0))
    draft = OrderDraft(restaurant=restaurant, mode=Mode.TEST, currency="INR", lines=lines)
    return replace(draft, **more)


def placed(restaurant: Restaurant, **more: Any) -> Order:
    return place_order(draft=draft_of(restaurant, **more), actor=GUEST)


def written() -> tuple[int, int, int, int]:
    return (Order.objects.count(), OrderLine.objects.count(), Event.objects.count(), Transition.objects.count())


def commit_now() -> None:
    """What a commit would check: the history triggers are deferred to it."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_an_order_is_placed_with_its_lines_and_its_history(restaurant: Restaurant) -> None:
    order = place_order(
        draft=draft_of(
            restaurant,
            channel=Channel.DELIVERY,
            table="12",
            client_reference="SW-77",
            customer={"name": "Asha Rao", "phone": "+91 98765 43210", "email": "asha@example.com"},
        ),
        actor=WAITER,
    )
    commit_now()

    order = Order.objects.get(pk=order.pk)
    assert (order.status, order.payment_state) == (OrderStatus.PLACED, PaymentState.UNPAID)
    assert (order.total_minor, order.currency, order.mode) == (64_000, "INR", Mode.TEST)
    assert (order.channel, order.table, order.client_reference) == (Channel.DELIVERY, "12", "SW-77")
    assert order.reference.startswith("O-")
    assert (order.customer_name, order.customer_phone) == ("Asha Rao", "+91 98765 43210")
    lines = order.lines.order_by("position").values_list("position", "name", "quantity", "unit_minor", "total_minor")
    assert list(lines) == [(1, "Thali", 2, 32_000, 64_000), (2, "Chai", 1, 0, 0)]
    event = Event.objects.get()
    assert (event.type, event.version, event.actor_id) == (OrderEvent.PLACED, 1, "waiter-7")
    assert event.data == {"total_minor": 64_000, "currency": "INR"}
    assert Transition.objects.get().to_status == OrderStatus.PLACED


def test_events_carry_no_personal_data(restaurant: Restaurant) -> None:
    order = placed(restaurant, customer={"name": "Asha Rao", "phone": "+91 98765 43210"})
    confirm_order(order_id=order.pk, actor=GUEST)

    said = " ".join(str(row) for model in (Event, Transition) for row in model._default_manager.values())
    assert "Asha" not in said
    assert "98765" not in said


REFUSALS: list[tuple[dict[str, Any], str, str]] = [
    ({"currency": "USD"}, "wrong_currency", "currency"),
    ({"lines": ()}, "line_count", "lines"),
    ({"lines": (LineDraft(name="Chai", quantity=1, unit_minor=1),) * (MAX_LINES + 1)}, "line_count", "lines"),
    ({"lines": (LineDraft(name="Chai", quantity=0, unit_minor=100),)}, "bad_line", "lines[0]"),
    ({"lines": (LineDraft(name="Chai", quantity=-1, unit_minor=100),)}, "bad_line", "lines[0]"),
    ({"lines": (LineDraft(name="Discount", quantity=1, unit_minor=-100),)}, "bad_line", "lines[0]"),
    ({"lines": (LineDraft(name="  ", quantity=1, unit_minor=100),)}, "bad_line", "lines[0]"),
    ({"lines": (LineDraft(name="Chai", quantity=1, unit_minor=10.5),)}, "not_an_integer", "lines[0]"),  # type: ignore[arg-type]  # The wrong type is the test.
    ({"lines": (LineDraft(name="Chai", quantity=1.0, unit_minor=10),)}, "not_an_integer", "lines[0]"),  # type: ignore[arg-type]  # The wrong type is the test.
    ({"lines": (LineDraft(name="Chai", quantity=True, unit_minor=10),)}, "not_an_integer", "lines[0]"),
    ({"lines": (LineDraft(name="Chai", quantity=1, unit_minor=0),)}, "total_range", "lines"),
    ({"lines": (LineDraft(name="Chai", quantity=1, unit_minor=MAX_MINOR + 1),)}, "total_range", "lines"),
    ({"table": CARD}, "card_number", "table"),
    ({"customer": {"name": f"Asha {CARD}"}}, "card_number", "name"),
    ({"customer": {"phone": CARD}}, "card_number", "phone"),
    ({"customer": {"email": "4111111111111111@example.com"}}, "card_number", "email"),
    ({"lines": (LineDraft(name=f"Card {CARD}", quantity=1, unit_minor=100),)}, "card_number", "lines[0].name"),
]


@pytest.mark.parametrize(("wish", "code", "field"), REFUSALS)
def test_what_is_no_order_is_refused_and_nothing_is_written(
    restaurant: Restaurant, wish: dict[str, Any], code: str, field: str
) -> None:
    before = written()

    with pytest.raises(OrderRefused) as refused:
        placed(restaurant, **wish)

    assert (refused.value.code, refused.value.field) == (code, field)
    assert refused.value.sentence.endswith(".")
    assert "4111" not in refused.value.sentence
    assert written() == before


def test_a_bad_line_is_named_by_its_place(restaurant: Restaurant) -> None:
    good, bad = LineDraft(name="Chai", quantity=1, unit_minor=100), LineDraft(name="", quantity=1, unit_minor=100)

    with pytest.raises(OrderRefused) as refused:
        placed(restaurant, lines=(good, good, bad))

    assert refused.value.field == "lines[2]"


def test_a_banquet_at_the_limits_is_placed(restaurant: Restaurant) -> None:
    plates = LineDraft(name="Plate", quantity=1, unit_minor=MAX_MINOR // MAX_LINES)

    order = placed(restaurant, lines=(plates,) * MAX_LINES)

    assert (order.total_minor, order.lines.count()) == (MAX_MINOR, MAX_LINES)


def test_a_reference_that_looks_like_a_card_number_is_still_a_reference(restaurant: Restaurant) -> None:
    assert placed(restaurant, client_reference="4111111111111111").client_reference == "4111111111111111"


def test_a_client_reference_is_taken_once_per_restaurant_and_mode(restaurant: Restaurant) -> None:
    placed(restaurant, client_reference="SW-77")
    before = written()

    with pytest.raises(OrderRefused) as refused:
        placed(restaurant, client_reference="SW-77")

    assert (refused.value.code, refused.value.field) == ("client_reference_taken", "client_reference")
    assert written() == before
    placed(restaurant, client_reference="SW-77", mode=Mode.LIVE)
    placed(RestaurantFactory.create(), client_reference="SW-77")
    placed(restaurant)
    placed(restaurant)
    assert Order.objects.count() == 5


def test_another_broken_constraint_is_not_called_a_taken_reference(
    restaurant: Restaurant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "new_reference", lambda prefix: f"{prefix}-SAME")
    placed(restaurant)
    before = written()

    with pytest.raises(IntegrityError, match="one_order_per_reference"):
        placed(restaurant)

    assert written() == before


LEGAL = [
    (("confirm",), OrderStatus.CONFIRMED),
    (("fulfil",), OrderStatus.FULFILLED),
    (("cancel",), OrderStatus.CANCELLED),
    (("confirm", "fulfil"), OrderStatus.FULFILLED),
    (("confirm", "cancel"), OrderStatus.CANCELLED),
]
ILLEGAL = [
    (("fulfil",), "confirm"),
    (("fulfil",), "cancel"),
    (("cancel",), "confirm"),
    (("cancel",), "fulfil"),
]


@pytest.mark.parametrize(("steps", "status"), LEGAL)
def test_a_legal_step_is_taken_with_its_event_and_history(
    restaurant: Restaurant, steps: tuple[str, ...], status: OrderStatus
) -> None:
    order = placed(restaurant)

    for step in steps:
        STEPS[step](order_id=order.pk, actor=WAITER)
    commit_now()

    order = Order.objects.get()
    assert (order.status, order.version) == (status, 1 + len(steps))
    history = Transition.objects.order_by("id").values_list("step", "to_status", "actor_id")
    assert [row[0] for row in history] == ["create", *steps]
    assert history[len(steps)] == (steps[-1], status, "waiter-7")
    events = list(Event.objects.order_by("version").values_list("type", "version"))
    assert events[-1] == (f"order.{status.value}", 1 + len(steps))
    said = {"may_refund": True} if status == OrderStatus.CANCELLED else {}
    assert Event.objects.latest("version").data == {"reference": order.reference, **said}


@pytest.mark.parametrize(("before", "step"), ILLEGAL)
def test_an_illegal_step_is_refused_and_nothing_is_written(
    restaurant: Restaurant, before: tuple[str, ...], step: str
) -> None:
    order = placed(restaurant)
    for each in before:
        order = STEPS[each](order_id=order.pk, actor=GUEST)
    status, rows = order.status, written()

    with pytest.raises(OrderRefused) as refused:
        STEPS[step](order_id=order.pk, actor=GUEST)

    assert refused.value.code == f"cannot_{step}"
    assert order.reference in refused.value.sentence
    assert OrderStatus(status).label in refused.value.sentence
    assert Order.objects.get().status == status
    assert written() == rows


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_is_taken_already_changes_nothing(restaurant: Restaurant, step: str) -> None:
    order = placed(restaurant)
    once = STEPS[step](order_id=order.pk, actor=GUEST)
    rows = written()

    again = STEPS[step](order_id=order.pk, actor=WAITER)

    assert (again.status, again.version) == (once.status, once.version)
    assert written() == rows


@pytest.mark.parametrize("step", STEPS)
def test_an_order_that_is_not_there_cannot_be_changed(restaurant: Restaurant, step: str) -> None:
    with pytest.raises(Order.DoesNotExist):
        STEPS[step](order_id=clock.new_id(), actor=GUEST)


def test_a_step_keeps_what_others_wrote_meanwhile(restaurant: Restaurant) -> None:
    """The row is read again under its lock: no copy of it, however old, is written back."""
    order = placed(restaurant, table="12")
    Order.objects.update(table="14")

    confirm_order(order_id=order.pk, actor=GUEST)

    assert Order.objects.get().table == "14"


@pytest.mark.parametrize(("step", "end"), [("fulfil", "cannot_fulfil"), ("cancel", "done")])
def test_of_two_steps_at_once_the_second_waits_and_sees_what_the_first_did(
    transactional_db: None, step: str, end: str
) -> None:
    order = placed(RestaurantFactory.create())

    def take() -> str:
        try:
            STEPS[step](order_id=order.pk, actor=GUEST)
        except OrderRefused as refused:
            return refused.code
        finally:
            connection.close()
        return "done"

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            cancel_order(order_id=order.pk, actor=GUEST)
            second = pool.submit(take)
            wait_until_somebody_waits_for_us()
        assert second.result(timeout=10) == end

    assert Order.objects.get().status == OrderStatus.CANCELLED
    assert list(Event.objects.order_by("version").values_list("type", flat=True)) == ["order.placed", "order.cancelled"]


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (PaymentState.PAID, OrderEvent.PAID),
        (PaymentState.PART_PAID, OrderEvent.PAYMENT_STATE_CHANGED),
        (PaymentState.REFUNDED, OrderEvent.PAYMENT_STATE_CHANGED),
    ],
)
def test_a_new_payment_state_is_an_event_of_the_order(
    restaurant: Restaurant, state: PaymentState, event: OrderEvent
) -> None:
    order = lock_order(placed(restaurant).pk)
    journal = Journal(SYSTEM)

    assert set_payment_state(order=order, state=state, journal=journal, money_came=True)
    order.save(update_fields=["payment_state", "version"])
    journal.write()

    said = Event.objects.latest("version")
    assert (said.type, said.version) == (event, 2)
    assert said.data == {"payment_state": state.value, "before": "unpaid"}
    assert Order.objects.get().payment_state == state


def test_the_same_payment_state_again_is_no_news(restaurant: Restaurant) -> None:
    order = lock_order(placed(restaurant).pk)
    journal = Journal(SYSTEM)

    assert not set_payment_state(order=order, state=PaymentState.UNPAID, journal=journal, money_came=True)
    journal.write()

    assert (order.version, Event.objects.count()) == (1, 1)
