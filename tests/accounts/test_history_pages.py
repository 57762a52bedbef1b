"""Who did it stands in the history and beside the events by name, where anybody knows one."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import ApiKey, Restaurant, Role, User
from accounts.services.editing_people import save_person
from accounts.services.keys import issue_api_key
from events.actors import GUEST, PROVIDER, SHELL, SYSTEM, Actor, ActorKind
from events.models import Event, Transition
from kernel.modes import Mode
from orders.models import Order
from orders.services import cancel_order
from tests.factories import RestaurantFactory, UserFactory, order_of, staff
from tests.failures.test_desk import desk_of

pytestmark = pytest.mark.django_db
STEPS, EVENTS = "/admin/events/transition/", "/admin/events/event/"


@pytest.fixture
def restaurant() -> Restaurant:
    return RestaurantFactory.create()


@pytest.fixture
def person(restaurant: Restaurant) -> User:
    return UserFactory.create(username="asha")


def cancelled_by(restaurant: Restaurant, actor: Actor) -> Order:
    order = order_of(restaurant)
    cancel_order(order_id=order.pk, actor=actor)
    return order


def listed(restaurant: Restaurant, order: Order) -> str:
    page = desk_of(staff(restaurant, Role.AUDITOR)).get(f"{STEPS}?q={order.pk}").content.decode()
    return str(re.findall(r"field-who[^>]*>\s*(.*?)\s*<", page)[0])


def test_a_step_names_the_person(restaurant: Restaurant, person: User) -> None:
    order = cancelled_by(restaurant, Actor.user(person))

    assert listed(restaurant, order) == "asha"
    for path, model in ((STEPS, Transition), (EVENTS, Event)):
        row = model.objects.filter(actor_id=str(person.pk)).latest("pk")
        page = desk_of(staff(restaurant, Role.AUDITOR)).get(f"{path}{row.pk}/change/").content.decode()
        assert re.search(r">\s*asha\s*<", page)


def test_by_the_name_of_that_day(restaurant: Restaurant, person: User) -> None:
    order = cancelled_by(restaurant, Actor.user(person))
    person.username = "asha.rao"
    save_person(person=person, by=UserFactory.create(is_superuser=True))

    assert listed(restaurant, order) == "asha"


def test_a_program_is_called_by_its_key(restaurant: Restaurant) -> None:
    issue_api_key(restaurant=restaurant, mode=Mode.TEST, name="till", scopes=["orders:read"])
    order = cancelled_by(restaurant, Actor(kind=ActorKind.API_KEY, id=str(ApiKey.objects.get().lineage)))

    assert listed(restaurant, order) == "till, a program"


@pytest.mark.parametrize(
    ("actor", "words"),
    [
        (SYSTEM, "Steward"),
        (GUEST, "the guest"),
        (PROVIDER, "the provider"),
        (SHELL, "somebody at the shell"),
        (Actor(kind=ActorKind.API_KEY, id="no id at all"), "somebody who is not known any more"),
    ],
)
def test_who_has_no_name_is_told_all_the_same(restaurant: Restaurant, actor: Actor, words: str) -> None:
    assert listed(restaurant, cancelled_by(restaurant, actor)) == words


def test_more_rows_ask_no_more(restaurant: Restaurant, person: User) -> None:
    desk = desk_of(staff(restaurant, Role.AUDITOR))
    cancelled_by(restaurant, Actor.user(person))
    desk.get(STEPS)
    with CaptureQueriesContext(connection) as few:
        desk.get(STEPS)
    for _ in range(3):
        cancelled_by(restaurant, Actor.user(person))
    with CaptureQueriesContext(connection) as many:
        desk.get(STEPS)

    assert len(many) == len(few)
