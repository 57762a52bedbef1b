"""What is ticked in the queue, or all of the list, becomes a plan: with what is to be done and how it ended."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from accounts.models import Membership, Restaurant, Role, User
from events.models import AuditEntry
from failures.admin import bulk as pages
from failures.bulk import planning
from failures.models import BulkAction, BulkRun, Case, Outcome
from tests.factories import RestaurantFactory, routed, staff
from tests.failures.bulking import contradicted
from tests.failures.test_bulk_pages import BULK, LIST, choose, own_page, planned_cases, shown
from tests.failures.test_desk import QUEUE, desk_of, page_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


@pytest.fixture
def desk(finance: User) -> Client:
    return desk_of(finance)


@pytest.fixture
def cases(restaurant: Restaurant) -> list[Case]:
    return [contradicted(restaurant) for _ in range(3)]


class TestChoosing:
    def test_has_a_box_for_each_row_and_one_button(self, desk: Client, cases: list[Case]) -> None:
        page = desk.get(QUEUE).content.decode()

        boxes = re.findall(r'name="case" value="([^"]+)" form="desk-bulk"', page)
        assert sorted(boxes) == sorted(str(case.pk) for case in cases)
        assert "All 3 of this list" in page
        assert "See what it would do" in page

    def test_is_not_there_for_whoever_only_looks(self, restaurant: Restaurant, cases: list[Case]) -> None:
        page = desk_of(staff(restaurant, Role.AUDITOR)).get(QUEUE).content.decode()

        assert page_of(cases[0]) in page
        assert "desk-bulk" not in page

    def test_leads_to_a_plan_and_does_nothing(self, desk: Client, cases: list[Case]) -> None:
        answer = choose(desk, cases[0], cases[2])

        run = BulkRun.objects.get()
        assert (answer.status_code, answer["Location"]) == (302, own_page(run))
        assert {case.pk for case in planned_cases()} == {cases[0].pk, cases[2].pk}
        assert not AuditEntry.objects.exists()
        assert "2 will be yours." in shown(desk, run)

    def test_counts_what_was_ticked_on_other_pages(self, desk: Client, cases: list[Case]) -> None:
        choose(desk, cases[0], others=f"{cases[1].pk} {cases[2].pk}")

        assert len(planned_cases()) == 3

    def test_takes_all_of_the_list_as_it_is_filtered_and_in_its_order(
        self, restaurant: Restaurant, desk: Client
    ) -> None:
        at_four = [contradicted(restaurant, table="T4") for _ in range(3)]
        contradicted(restaurant, table="T5")

        choose(desk, query="?q=T4&o=-3", which="all")

        assert planned_cases() == at_four[::-1]

    @pytest.mark.parametrize("which", ["chosen", "all"])
    def test_of_nothing_is_refused_on_the_same_list(self, desk: Client, cases: list[Case], which: str) -> None:
        query = "?kind__exact=in_doubt"

        answer = choose(desk, which=which, query=query)

        assert answer["Location"] == f"../{query}"
        assert "Choose at least one case." in desk.get(QUEUE).content.decode()

    def test_of_too_many_says_how_to_have_fewer(
        self, desk: Client, cases: list[Case], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(planning, "MOST_CASES", 2)
        monkeypatch.setattr(pages, "MOST_CASES", 2)

        page = desk.get(QUEUE).content.decode()
        choose(desk, *cases)
        choose(desk, which="all")

        assert "This list has more than 2 cases." in page
        assert "At most 2 cases are done at once." in desk.get(QUEUE).content.decode()
        assert not BulkRun.objects.exists()

    @pytest.mark.parametrize(
        "action",
        [
            *("", "refund", "write_off", "record_charged"),
            *("resolve", "resolve written_off", "resolve given_back_elsewhere"),
        ],
    )
    def test_offers_nothing_that_needs_two_people_or_an_amount(
        self, desk: Client, cases: list[Case], action: str
    ) -> None:
        assert desk.post(BULK, {"case": [str(cases[0].pk)], "action": action})["Location"] == "../?"
        assert not BulkRun.objects.exists()

    def test_to_close_says_how_they_ended_before_anything_is_planned(self, desk: Client, cases: list[Case]) -> None:
        page = desk.get(QUEUE).content.decode()
        offered = dict(re.findall(r'<option value="(resolve[^"]*)">([^<]+)<', page))
        choose(desk, *cases, action="resolve repaired")

        assert offered == {
            "resolve paid": "Close: paid after all",
            "resolve paid_elsewhere": "Close: paid in another way",
            "resolve never_paid": "Close: never paid",
            "resolve given_back": "Close: given back to the guest",
            "resolve repaired": "Close: what was broken is repaired",
        }
        run = BulkRun.objects.get()
        assert (run.action, run.outcome) == (BulkAction.RESOLVE, Outcome.REPAIRED)
        assert "What was broken is repaired" in shown(desk, run)
        assert "Close: what was broken is repaired" in desk.get(LIST).content.decode()

    def test_of_two_restaurants_is_two_plans(self, restaurant: Restaurant, desk: Client, finance: User) -> None:
        second = RestaurantFactory.create()
        routed(second, "a")
        Membership.objects.create(user=finance, restaurant=second, role=Role.FINANCE)

        answer = choose(desk, contradicted(restaurant), contradicted(second))

        assert answer["Location"] == LIST
        page = desk.get(LIST).content.decode()
        assert "each of these is a plan of its own" in page
        assert page.count("0 of 1 done") == 2

    def test_is_a_press_and_no_link(self, desk: Client) -> None:
        assert desk.get(BULK).status_code == 405
