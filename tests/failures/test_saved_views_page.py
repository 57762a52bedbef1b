"""Views above the queue: kept with a press, opened as a link, and exactly the list from which they were kept."""

from __future__ import annotations

from http import HTTPStatus

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Membership, Restaurant, Role, User
from failures.admin import saved_views
from failures.models import Case, SavedView
from tests.factories import RestaurantFactory, UserFactory, routed, staff
from tests.failures.keeping import KEEP, form_in, keep, kept_from, links_of, open_in, rows_of, six_cases, text_of
from tests.failures.scenes import sentences_of
from tests.failures.test_desk import MOST_QUERIES, QUEUE, desk_of
from tests.failures.test_exporting import case_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


@pytest.fixture
def desk(finance: User) -> Client:
    return desk_of(finance)


@pytest.fixture
def cases(restaurant: Restaurant, finance: User) -> list[Case]:
    return six_cases(restaurant, finance)


LISTS = {
    "what is late": "?time=over",
    "all, sorted": "?which=all&o=3",
    "the other way round": "?which=all&o=-3",
    "by two columns": "?which=all&o=8.-3",
    "of two kinds": "?which=all&kind__exact=contradiction&kind__exact=in_doubt",
    "mine": "?owner=me&which=all",
    "of nobody": "?which=all&owner=nobody&mode__exact=test&o=1.3",
    "put off": "?which=put_off",
    "an order alone": "?o=-3",
}


@pytest.mark.parametrize("name", LISTS)
def test_an_opened_view_shows_exactly_the_list_that_it_was_kept_from(
    desk: Client, cases: list[Case], name: str
) -> None:
    shown = rows_of(desk, LISTS[name])
    assert len(shown) >= 1

    answer = kept_from(desk, LISTS[name])

    opened = links_of(desk)["Mine"]
    assert (answer.status_code, answer["Location"]) == (HTTPStatus.FOUND, QUEUE + opened)
    assert rows_of(desk, opened) == shown
    assert open_in(desk, opened) == ["Mine"]


@pytest.mark.parametrize("name", ["all, sorted", "the other way round", "by two columns"])
def test_whoever_has_no_boxes_to_tick_sees_it_in_the_same_order(
    restaurant: Restaurant, desk: Client, cases: list[Case], name: str
) -> None:
    """A column less stands before theirs."""
    auditor = desk_of(staff(restaurant, Role.AUDITOR))
    kept_from(desk, LISTS[name], is_shared="on")

    (opened,) = links_of(auditor).values()

    assert rows_of(auditor, opened) == rows_of(desk, LISTS[name])
    assert open_in(auditor, opened) == ["Mine shared"]


def test_neither_a_search_nor_a_page_is_kept_and_the_page_says_so(desk: Client, cases: list[Case]) -> None:
    address = "?which=all&q=T3&p=1"
    assert "What you searched for is not: it may be about a guest." in text_of(desk, address)
    assert "What you searched for is not" not in text_of(desk, "?which=all")

    kept_from(desk, address)

    assert SavedView.objects.get().query == "which=all"
    assert links_of(desk) == {"Mine": "?which=all"}
    assert open_in(desk, address) == []  # What is shown is less than the view.


@pytest.mark.parametrize("order", ["x", "99", "2", "4.7", "9" * 5_000, "."])
def test_an_order_that_the_list_passes_over_is_nothing_to_keep(desk: Client, cases: list[Case], order: str) -> None:
    assert form_in(text_of(desk, f"?which=all&o={order}"))["query"] == "which=all"


def test_a_search_alone_is_nothing_to_keep(desk: Client, cases: list[Case]) -> None:
    text = text_of(desk, "?q=T3")

    assert "A search is never kept: it may be about a guest." in text
    assert form_in(text) == {}


def test_where_nothing_was_chosen_nothing_is_offered(desk: Client, cases: list[Case]) -> None:
    text = text_of(desk)

    assert "Keep this view" not in text
    assert "Remove a view" not in text
    assert "desk-views" not in text


def test_one_that_is_shared_says_so_and_by_whom_it_is_found(
    restaurant: Restaurant, desk: Client, finance: User, cases: list[Case]
) -> None:
    answer = desk.post(KEEP, {**form_in(text_of(desk, "?time=over")), "name": "Late", "is_shared": "on"}, follow=True)
    keep(staff(restaurant, Role.ADMIN), restaurant, "The admin's own")

    assert sentences_of(answer) == [f"“Late” is kept. It is shared with everyone of {restaurant.name}."]
    for role in (Role.FINANCE, Role.FINANCE_LEAD, Role.AUDITOR):
        assert links_of(desk_of(staff(restaurant, role))) == {"Late shared": "?time=over"}
    boss = desk_of(UserFactory.create(is_superuser=True))
    assert links_of(boss) == {"Late shared": "?time=over"}
    assert links_of(desk_of(staff(RestaurantFactory.create(), Role.ADMIN))) == {}


def test_whoever_loses_the_role_sees_the_restaurants_views_no_more(restaurant: Restaurant, finance: User) -> None:
    keep(staff(restaurant, Role.ADMIN), restaurant, is_shared=True)
    desk = desk_of(finance)
    there = RestaurantFactory.create()
    Membership.objects.create(user=finance, restaurant=there, role=Role.FINANCE)
    assert links_of(desk)

    Membership.objects.filter(user=finance, restaurant=restaurant).delete()

    assert links_of(desk) == {}


class TestWhoWorksInSeveral:
    @pytest.fixture
    def there(self, finance: User) -> Restaurant:
        there = RestaurantFactory.create(name="Bombay Canteen")
        routed(there, "a")
        Membership.objects.create(user=finance, restaurant=there, role=Role.ADMIN)
        return there

    def test_is_asked_for_which(self, restaurant: Restaurant, desk: Client, there: Restaurant) -> None:
        text = text_of(desk, "?time=over")
        assert "For which restaurant" in text
        assert "Share with everyone there" in text

        forgotten = kept_from(desk, "?time=over")
        kept_from(desk, "?time=over", restaurant=str(there.pk))

        assert forgotten.status_code == HTTPStatus.BAD_REQUEST
        assert "This field is required." in forgotten.content.decode()
        assert 'value="Mine"' in forgotten.content.decode()
        assert SavedView.objects.get().restaurant == there

    def test_is_not_asked_where_the_list_is_of_one(
        self, restaurant: Restaurant, desk: Client, there: Restaurant, finance: User
    ) -> None:
        address = f"?restaurant={there.pk}"
        shown = case_of(there, 84_000)
        case_of(restaurant, 84_000)
        assert "Share with everyone of Bombay Canteen" in text_of(desk, address)

        kept_from(desk, address, is_shared="on")

        assert SavedView.objects.get().restaurant == there
        assert rows_of(desk, links_of(desk)["Mine shared"]) == [str(shown.pk)]
        # A colleague who works there only sees the same, without a filter to choose.
        colleague = desk_of(staff(there, Role.FINANCE))
        assert rows_of(colleague, links_of(colleague)["Mine shared"]) == [str(shown.pk)]

    def test_sees_whose_each_is_and_those_of_the_list_first(
        self, restaurant: Restaurant, desk: Client, there: Restaurant, finance: User
    ) -> None:
        keep(finance, restaurant, "a")
        keep(finance, there, "b", is_shared=True)

        assert [*links_of(desk)] == [f"a {restaurant.name}", "b Bombay Canteen, shared"]
        assert next(iter(links_of(desk, f"?restaurant={there.pk}"))) == "b Bombay Canteen, shared"

    def test_finds_all_of_one_where_there_are_too_many(
        self, restaurant: Restaurant, desk: Client, there: Restaurant, finance: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(saved_views, "MOST_SHOWN", 2)
        keep(finance, restaurant, "a")
        keep(finance, there, "b")
        assert "There are more." not in text_of(desk)
        keep(finance, there, "c")

        assert "There are more. Choose a restaurant in the filters to see all of its views." in text_of(desk)
        assert [*links_of(desk, f"?restaurant={there.pk}")] == ["b Bombay Canteen", "c Bombay Canteen"]

    def test_keeps_none_where_the_role_is_to_look(self, restaurant: Restaurant, desk: Client, finance: User) -> None:
        there = RestaurantFactory.create()
        Membership.objects.create(user=finance, restaurant=there, role=Role.AUDITOR)

        text = text_of(desk, f"?restaurant={there.pk}")
        answer = desk.post(f"{KEEP}?restaurant={there.pk}", form_in(text_of(desk, "?time=over")) | {"name": "Mine"})

        assert "Keep this view" not in text
        assert answer.status_code == HTTPStatus.FORBIDDEN


# --- What it costs ----------------------------------------------------------------------------------------------------


def test_views_cost_the_queue_one_question_however_many_there_are(
    restaurant: Restaurant, desk: Client, finance: User, cases: list[Case]
) -> None:
    def questions(address: str) -> list[str]:
        with CaptureQueriesContext(connection) as asked:
            text_of(desk, address)
        return [query["sql"] for query in asked.captured_queries]

    for number in range(4):
        keep(finance, restaurant, f"{number}", is_shared=number % 2 == 0)

    for address in ("", "?time=over", "?q=840", "?q=9820012345&which=all&owner=nobody&time=over&mode__exact=test"):
        asked = questions(address)
        assert len(asked) <= MOST_QUERIES
        assert len([sql for sql in asked if "failures_savedview" in sql]) == 1
