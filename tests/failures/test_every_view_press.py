"""Every press about a view: made once, by whom it may be, and refused in words with what was typed."""

from __future__ import annotations

import re
from html import unescape
from http import HTTPStatus
from uuid import uuid4

import pytest
from django.test import Client

from accounts.models import Membership, Restaurant, Role, User
from events.models import AuditEntry
from failures.models import Case, SavedView
from failures.services.saved_views import ViewDeed
from tests.factories import RestaurantFactory, UserFactory, staff
from tests.failures.keeping import (
    KEEP,
    REMOVE,
    form_in,
    keep,
    kept_from,
    links_of,
    rows_in,
    rows_of,
    six_cases,
    text_of,
)
from tests.failures.scenes import sentences_of
from tests.failures.test_desk import QUEUE, desk_of
from tests.snapshots import everything, what_changed

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


WRONG = {
    "no name": ({"name": " "}, "This field is required.", HTTPStatus.BAD_REQUEST),
    "a long name": ({"name": "x" * 41}, "at most 40 characters", HTTPStatus.BAD_REQUEST),
    "a card": ({"name": "4111 1111 1111 1111"}, "This looks like a card number", HTTPStatus.CONFLICT),
    "a crafted filter": (
        {"query": "payment__customer__contains=asha"},
        "This has something else in it",
        HTTPStatus.CONFLICT,
    ),
    "a search": ({"query": "q=asha"}, "This has something else in it", HTTPStatus.CONFLICT),
    "nothing": ({"query": ""}, "Choose a filter or an order first", HTTPStatus.CONFLICT),
    "no press": ({"press": "one"}, "Nothing was kept.", HTTPStatus.BAD_REQUEST),
    "another restaurant": ({"restaurant": str(uuid4())}, "Nothing was kept.", HTTPStatus.BAD_REQUEST),
    "no restaurant": ({"restaurant": ""}, "Nothing was kept.", HTTPStatus.BAD_REQUEST),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_and_what_was_typed_stands_there(desk: Client, cases: list[Case], name: str) -> None:
    said, sentence, status = WRONG[name]
    before = everything()

    answer = kept_from(desk, "?time=over", **{"name": "Late ones", **said})

    text = answer.content.decode()
    assert answer.status_code == status
    assert sentence in text
    assert '<details class="desk-keep" open>' in text
    assert f'value="{said.get("name", "Late ones").strip()}"' in text or name == "no name"
    assert rows_in(text) == rows_of(desk, "?time=over")  # Below it stands the list, as it was.
    assert what_changed(before, everything()) == {}


def test_a_name_that_is_taken_is_said_beside_it_and_another_one_is_kept(
    restaurant: Restaurant, desk: Client, cases: list[Case]
) -> None:
    keep(staff(restaurant, Role.FINANCE), restaurant, "Late", is_shared=True)

    answer = kept_from(desk, "?time=over", name="late", is_shared="on")

    text = answer.content.decode()
    assert answer.status_code == HTTPStatus.CONFLICT
    assert f"{restaurant.name} has a shared view of this name already." in unescape(text)
    assert 'aria-invalid="true"' in text
    assert desk.post(f"{KEEP}?time=over", form_in(text) | {"name": "Mine"}).status_code == HTTPStatus.FOUND


def test_pressed_twice_it_is_one(desk: Client, cases: list[Case]) -> None:
    said = form_in(text_of(desk, "?time=over")) | {"name": "Late", "is_shared": "on"}

    first = desk.post(f"{KEEP}?time=over", said)
    before = everything()
    second = desk.post(f"{KEEP}?time=over", said)

    assert (first.status_code, first["Location"]) == (second.status_code, second["Location"])
    assert (SavedView.objects.count(), AuditEntry.objects.filter(action=ViewDeed.SHARE).count()) == (1, 1)
    assert what_changed(before, everything()) == {}


def test_a_page_that_was_used_is_good_for_no_other_view_but_its_answer_is(desk: Client, cases: list[Case]) -> None:
    said = form_in(text_of(desk, "?time=over")) | {"name": "Late"}
    desk.post(f"{KEEP}?time=over", said)

    used = desk.post(f"{KEEP}?time=over", said | {"name": "Later"})

    assert used.status_code == HTTPStatus.CONFLICT
    assert "This page was used already for something else." in used.content.decode()
    again = form_in(used.content.decode())
    assert (again["name"], again["press"] != said["press"]) == ("Later", True)
    assert desk.post(f"{KEEP}?time=over", again).status_code == HTTPStatus.FOUND
    assert SavedView.objects.count() == 2


@pytest.mark.parametrize("address", [KEEP, REMOVE])
def test_it_is_a_press_and_not_a_link(desk: Client, cases: list[Case], address: str) -> None:
    """The links of a page on which one was refused lead back to the list."""
    before = everything()

    assert desk.get(f"{address}?which=all&o=3")["Location"] == f"{QUEUE}?which=all&o=3"
    assert desk.get(address, {"view": str(uuid4()), "name": "x"}).status_code == HTTPStatus.FOUND
    assert what_changed(before, everything()) == {}


# --- By whom ----------------------------------------------------------------------------------------------------------

LOOKING = {
    "an auditor": (lambda restaurant: desk_of(staff(restaurant, Role.AUDITOR)), HTTPStatus.FORBIDDEN),
    "a waiter": (lambda restaurant: desk_of(staff(restaurant, Role.WAITER)), HTTPStatus.FORBIDDEN),
    "a superuser": (lambda _: desk_of(UserFactory.create(is_superuser=True)), HTTPStatus.FORBIDDEN),
    "next door": (lambda _: desk_of(staff(RestaurantFactory.create(), Role.ADMIN)), HTTPStatus.BAD_REQUEST),
    "nobody": (lambda _: Client(), HTTPStatus.FOUND),
}


@pytest.mark.parametrize("name", LOOKING)
def test_nobody_else_keeps_or_removes_one(
    restaurant: Restaurant, desk: Client, finance: User, cases: list[Case], name: str
) -> None:
    client_of, status = LOOKING[name]
    client, said = client_of(restaurant), form_in(text_of(desk, "?time=over")) | {"name": "Late"}
    own, shared = keep(finance, restaurant, "own"), keep(finance, restaurant, "shared", is_shared=True)
    before = everything()

    assert client.post(f"{KEEP}?time=over", said).status_code == status
    for view in (own, shared):
        assert client.post(REMOVE, {"view": str(view.pk)}).status_code in {HTTPStatus.FOUND, HTTPStatus.FORBIDDEN}

    assert what_changed(before, everything()) == {}


def test_whoever_only_looks_is_offered_none_of_it(restaurant: Restaurant, finance: User, cases: list[Case]) -> None:
    keep(finance, restaurant, is_shared=True)

    for looking in (staff(restaurant, Role.AUDITOR), UserFactory.create(is_superuser=True)):
        text = text_of(desk_of(looking), "?time=over")
        assert "Keep this view" not in text
        assert "Remove a view" not in text


def test_it_cannot_be_sent_from_another_site(restaurant: Restaurant, desk: Client, finance: User) -> None:
    said = form_in(text_of(desk, "?time=over")) | {"name": "Late"}
    view = keep(finance, restaurant, "own")
    victim = Client(enforce_csrf_checks=True)
    victim.force_login(finance, backend="accounts.backends.PersonBackend")
    before = everything()

    assert victim.post(KEEP, said).status_code == HTTPStatus.FORBIDDEN
    assert victim.post(REMOVE, {"view": str(view.pk)}).status_code == HTTPStatus.FORBIDDEN
    assert what_changed(before, everything()) == {}


# --- Removed ----------------------------------------------------------------------------------------------------------


def test_the_open_one_is_chosen_and_removed(restaurant: Restaurant, desk: Client, finance: User) -> None:
    keep(staff(restaurant, Role.FINANCE), restaurant, "Theirs", is_shared=True)
    view = keep(finance, restaurant, "Late")
    text = text_of(desk, "?time=over")
    options = re.findall(r'<option value="([^"]+)"( selected)?>(.*?)</option>', text)
    assert (str(view.pk), " selected", "Late") in options
    assert "Theirs" not in {name for *_, name in options}

    answers = [desk.post(f"{REMOVE}?time=over", {"view": str(view.pk)}) for _ in range(2)]

    assert [answer["Location"] for answer in answers] == [f"{QUEUE}?time=over"] * 2
    assert sentences_of(desk.get(QUEUE)) == ["“Late” is removed.", "It was removed already."]
    assert links_of(desk) == {"Theirs shared": "?time=over"}


@pytest.mark.parametrize("said", [{}, {"view": ""}, {"view": "late"}, {"view": str(uuid4())}])
def test_what_is_not_there_is_not_removed(desk: Client, said: dict[str, str]) -> None:
    answer = desk.post(REMOVE, said, follow=True)

    assert sentences_of(answer) in (["Choose the view that is to be removed."], ["This view is not there."])


def test_one_of_a_colleague_who_left_leads_to_the_whole_list_and_can_be_removed(
    restaurant: Restaurant, desk: Client, finance: User, cases: list[Case]
) -> None:
    colleague = staff(restaurant, Role.FINANCE)
    keep(finance, restaurant, "Theirs", query=f"owner={colleague.pk}")
    Membership.objects.filter(user=colleague).delete()

    answer = desk.get(QUEUE + links_of(desk)["Theirs"], follow=True)

    assert "is not there, so the list is shown without its filters" in answer.content.decode()
    assert "Remove a view" in answer.content.decode()
