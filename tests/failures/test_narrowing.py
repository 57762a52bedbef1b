"""What of a list is kept: its filters and its order, written in one way; and never what somebody searched for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from accounts.models import Membership, Restaurant, Role, User
from failures.admin.queue import CaseAdmin
from failures.models import LONGEST_QUERY, CaseKind, SavedView
from failures.narrowing import FILTERS, SORTED_BY, in_one_form
from kernel.modes import Mode
from tests.factories import RestaurantFactory, staff
from tests.failures.keeping import keep, sentence_of
from tests.snapshots import everything, what_changed


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


def test_each_filter_and_each_order_of_the_list_is_known() -> None:
    """A new one fails here until it can be kept."""
    filters: Sequence[Any] = CaseAdmin.list_filter
    asked = [each if isinstance(each, str) else each.parameter_name for each in filters]
    columns = {name: getattr(CaseAdmin, name) for name in CaseAdmin.list_display}
    orders = {name for name, column in columns.items() if getattr(column, "admin_order_field", None)}

    assert sorted(FILTERS) == sorted(f"{name}__exact" if name in {"kind", "mode"} else name for name in asked)
    assert set(SORTED_BY) == orders


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("time=over", "time=over"),
        ("which=all&time=over&mode__exact=live", "mode__exact=live&time=over&which=all"),
        ("kind__exact=surplus&kind__exact=in_doubt&kind__exact=surplus", "kind__exact=in_doubt&kind__exact=surplus"),
        ("which=mine&which=free", "which=free"),
        ("owner=me&o=-waits.what", "o=-waits.what&owner=me"),
    ],
)
def test_the_same_list_is_written_in_one_way(restaurant: Restaurant, finance: User, said: str, kept: str) -> None:
    view = keep(finance, restaurant, query=said)

    assert view == SavedView.objects.get()
    assert (view.query, view.name, view.is_shared, view.owner, view.restaurant) == (
        *(kept, "Late", False),
        *(finance, restaurant),
    )


NEVER = {
    "a search": "time=over&q=9820012345",
    "a search alone": "q=asha%40example.com",
    "a page": "time=over&p=2",
    "a field of the row": "payment__customer__contains=asha",
    "another lookup": "kind__contains=a",
    "no kind of case": "kind__exact=robbery",
    "no choice": "which=zzz",
    "an empty choice": "which=",
    "no id": "owner=somebody",
    "an id in other letters": f"owner={str(uuid4()).upper()}",
    "a restaurant by a word": "restaurant=me",
    "an order by number": "o=3",
    "an order by what is no column": "o=payment__customer",
    "an endless order": "o=what.what.what.what",
    "no order": "o=",
    "what is no address": "time",
    "too much": "&".join(["time=over"] * 51),
    "too long": f"time=over&{'&'.join(['owner=me'] * 40)}&{'x' * LONGEST_QUERY}=1",
    "a script": "time=%3Cscript%3E",
}


@pytest.mark.parametrize("name", NEVER)
def test_nothing_else_is_ever_kept(restaurant: Restaurant, finance: User, name: str) -> None:
    before = everything()

    assert sentence_of(lambda: keep(finance, restaurant, query=NEVER[name])).startswith("A view keeps filters and the")
    assert what_changed(before, everything()) == {}


def test_without_any_filter_it_is_the_queue_itself(restaurant: Restaurant, finance: User) -> None:
    assert "Choose a filter or an order first" in sentence_of(lambda: keep(finance, restaurant, query=""))


def test_everything_at_once_has_room() -> None:
    several = {"kind__exact": CaseKind.values, "mode__exact": Mode.values, "which": ["put_off"], "time": ["over"]}
    ids = {name: [str(uuid4())] for name in ("owner", "restaurant")}

    assert len(in_one_form({**several, **ids, "o": [".".join(f"-{name}" for name in SORTED_BY)]})) <= LONGEST_QUERY


def test_whose_cases_it_shows_works_there(restaurant: Restaurant, finance: User) -> None:
    """Nobody learns by it whether somebody works elsewhere."""
    colleague, waiter = staff(restaurant, Role.ADMIN), staff(restaurant, Role.WAITER)
    stranger = staff(RestaurantFactory.create(), Role.FINANCE)

    said = {sentence_of(partial(keep, finance, restaurant, query=f"owner={who}")) for who in _ids(waiter, stranger)}

    assert len(said) == 1
    assert f"does not work on cases of {restaurant.name}" in said.pop()
    assert keep(finance, restaurant, query=f"owner={colleague.pk}").query == f"owner={colleague.pk}"


def _ids(*people: User) -> list[str]:
    return [*(str(person.pk) for person in people), str(uuid4())]


def test_a_list_of_one_restaurant_is_kept_for_that_one(restaurant: Restaurant, finance: User) -> None:
    other = RestaurantFactory.create()
    Membership.objects.create(user=finance, restaurant=other, role=Role.FINANCE)

    said = sentence_of(lambda: keep(finance, restaurant, query=f"restaurant={other.pk}"))

    assert said == "This list is of another restaurant: keep it for that one."
    assert keep(finance, other, query=f"restaurant={other.pk}").restaurant == other
