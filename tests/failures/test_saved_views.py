"""Views of the queue: by whom they are kept and removed, under which names, once, and what the audit has of it."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from accounts.models import Membership, Restaurant, Role, User
from accounts.services.idempotency import PageUsed
from events.audit import verdicts
from events.models import AuditEntry
from failures.models import LONGEST_NAME, SavedView
from failures.selectors import views_seen
from failures.services import saved_views
from failures.services.saved_views import MOST_OF_ONE, remove_view
from kernel import clock
from tests.factories import RestaurantFactory, UserFactory, staff
from tests.failures.deciding import refused
from tests.failures.keeping import LATE, keep, press_of, sentence_of
from tests.failures.test_second_person_at_once import at_once
from tests.snapshots import everything, what_changed

OFFICE = (Role.FINANCE, Role.FINANCE_LEAD, Role.ADMIN)


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


# --- Names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("", "view_refused"),
        (" \t ", "view_refused"),
        ("\u200b", "view_refused"),
        ("x" * (LONGEST_NAME + 1), "bad_text"),
        ("a\0b", "bad_text"),
        ("a\u202eb", "bad_text"),
        ("4111 1111 1111 1111", "card_number"),
    ],
)
def test_a_name_is_a_few_words(restaurant: Restaurant, finance: User, name: str, code: str) -> None:
    assert refused(lambda: keep(finance, restaurant, name)) == code
    assert not SavedView.objects.exists()


def test_the_longest_name_is_kept_in_any_script(restaurant: Restaurant, finance: User) -> None:
    assert keep(finance, restaurant, "देर" * 13).name == "देर" * 13
    assert keep(finance, restaurant, "x" * LONGEST_NAME).name == "x" * LONGEST_NAME


@pytest.mark.parametrize("again", ["Late doubts", "late DOUBTS", "  Late   doubts "])
def test_two_that_look_alike_are_one_name(restaurant: Restaurant, finance: User, again: str) -> None:
    keep(finance, restaurant, "Late doubts")
    keep(finance, restaurant, "Shared doubts", is_shared=True)
    colleague = staff(restaurant, Role.FINANCE)

    assert refused(lambda: keep(finance, restaurant, again)) == "view_name_taken"
    shared = again.replace("Late", "Shared").replace("late", "SHARED")
    said = sentence_of(lambda: keep(colleague, restaurant, shared, is_shared=True))
    assert said == (
        f"{restaurant.name} has a shared view of this name already. Choose another name, or remove that one first."
    )
    # What a colleague calls theirs is nobody else's business, and what is removed has no name any more.
    keep(colleague, restaurant, again)
    remove_view(view_id=SavedView.objects.get(owner=finance, is_shared=False).pk, person=finance)
    keep(finance, restaurant, again)


def test_there_are_so_many_and_no_more(restaurant: Restaurant, finance: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved_views, "MOST_SHARED", 3)
    colleague = staff(restaurant, Role.FINANCE)
    for number in range(MOST_OF_ONE):
        keep(finance, restaurant, f"{number}", is_shared=number < 2)
    keep(colleague, restaurant, "3", is_shared=True)

    assert "You keep 10 views" in sentence_of(lambda: keep(finance, restaurant, "one more"))
    assert "shares 3 views already" in sentence_of(lambda: keep(colleague, restaurant, "one more", is_shared=True))
    keep(colleague, restaurant, "one more")
    remove_view(view_id=SavedView.objects.get(name="0").pk, person=finance)
    keep(finance, restaurant, "one more", is_shared=True)


# --- Who --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [*Role, None])
@pytest.mark.parametrize("is_shared", [True, False])
def test_whoever_works_on_the_cases_keeps_views_and_nobody_else(
    restaurant: Restaurant, role: Role | None, is_shared: bool
) -> None:
    person = staff(restaurant, role) if role else UserFactory.create(is_superuser=True)
    next_door = staff(RestaurantFactory.create(), Role.ADMIN)
    before = everything()

    assert refused(lambda: keep(next_door, restaurant, is_shared=is_shared)) == "not_finance_here"
    if role in OFFICE:
        assert keep(person, restaurant, is_shared=is_shared).owner == person
    else:
        assert refused(lambda: keep(person, restaurant, is_shared=is_shared)) == "not_finance_here"
        assert what_changed(before, everything()) == {}


def test_whoever_is_shut_out_keeps_none(restaurant: Restaurant, finance: User) -> None:
    User.objects.filter(pk=finance.pk).update(is_active=False)

    assert refused(lambda: keep(finance, restaurant)) == "not_finance_here"


@pytest.mark.parametrize(
    ("role", "may"),
    [*((role, role in {Role.FINANCE_LEAD, Role.ADMIN}) for role in Role), (None, False)],
)
def test_what_is_shared_is_removed_by_who_shared_it_or_a_lead_or_an_admin(
    restaurant: Restaurant, finance: User, role: Role | None, may: bool
) -> None:
    view = keep(finance, restaurant, is_shared=True)
    person = staff(restaurant, role) if role else UserFactory.create(is_superuser=True)

    if may:
        assert remove_view(view_id=view.pk, person=person).removed_at is not None
    else:
        assert refused(lambda: remove_view(view_id=view.pk, person=person)) == "view_refused"
        assert SavedView.objects.get().removed_at is None
        remove_view(view_id=view.pk, person=finance)
    assert SavedView.objects.get().removed_at is not None


def test_what_is_ones_own_is_removed_by_nobody_else(restaurant: Restaurant, finance: User) -> None:
    view = keep(finance, restaurant)
    others = [staff(restaurant, role) for role in Role] + [UserFactory.create(is_superuser=True)]
    others.append(staff(RestaurantFactory.create(), Role.ADMIN))

    said = {sentence_of(partial(remove_view, view_id=view.pk, person=person)) for person in others}

    assert said == {"This view is not there."}  # As one that never was.
    assert sentence_of(lambda: remove_view(view_id=uuid4(), person=finance)) in said
    assert SavedView.objects.get().removed_at is None


def test_a_new_role_takes_away_what_it_does_not_have(restaurant: Restaurant, finance: User) -> None:
    own, shared = keep(finance, restaurant), keep(finance, restaurant, is_shared=True)
    Membership.objects.filter(user=finance).update(role=Role.AUDITOR)

    assert refused(lambda: remove_view(view_id=shared.pk, person=finance)) == "view_refused"
    assert remove_view(view_id=own.pk, person=finance).removed_at is not None


def test_people_see_their_own_and_what_their_restaurants_share(restaurant: Restaurant, finance: User) -> None:
    other = RestaurantFactory.create(name="Bombay Canteen")
    stranger, colleague = staff(other, Role.FINANCE), staff(restaurant, Role.AUDITOR)
    own, shared, theirs = (
        keep(finance, restaurant, "b"),
        keep(finance, restaurant, "a", is_shared=True),
        keep(stranger, other, "c", is_shared=True),
    )
    remove_view(view_id=keep(finance, restaurant, "gone", is_shared=True).pk, person=finance)
    here, both = Restaurant.objects.filter(pk=restaurant.pk), Restaurant.objects.all()

    assert list(views_seen(person=finance, restaurants=here)) == [shared, own]
    assert list(views_seen(person=colleague, restaurants=here)) == [shared]
    assert list(views_seen(person=finance, restaurants=both)) == [shared, own, theirs]
    assert list(views_seen(person=finance, restaurants=both, first=other.pk)) == [theirs, shared, own]
    assert list(views_seen(person=finance, restaurants=Restaurant.objects.none())) == []


# --- Once -------------------------------------------------------------------------------------------------------------


def test_a_second_press_is_the_first_one(restaurant: Restaurant, finance: User) -> None:
    call = press_of(finance, restaurant)
    first = keep(finance, restaurant, is_shared=True, call=call)
    before = everything()

    assert keep(finance, restaurant, is_shared=True, call=call) == first
    with pytest.raises(PageUsed):
        keep(finance, restaurant, "Other", call=press_of(finance, restaurant, key=call.key, body_hash="other"))
    assert what_changed(before, everything()) == {}


def test_a_press_that_was_refused_may_be_made_again(restaurant: Restaurant, finance: User) -> None:
    keep(finance, restaurant, "Late")
    call = press_of(finance, restaurant)

    assert refused(lambda: keep(finance, restaurant, "Late", call=call)) == "view_name_taken"
    assert keep(finance, restaurant, "Later", call=call).name == "Later"


def test_one_that_was_removed_stays_so(restaurant: Restaurant, finance: User) -> None:
    view = remove_view(view_id=keep(finance, restaurant, is_shared=True).pk, person=finance)
    before = everything()

    assert remove_view(view_id=view.pk, person=staff(restaurant, Role.ADMIN)).removed_at == view.removed_at
    assert {*what_changed(before, everything())} == {"accounts_user", "accounts_membership"}


def test_a_press_whose_view_was_removed_is_told_so(restaurant: Restaurant, finance: User) -> None:
    """The page that is gone back to says what a new press does, and its key is a new one."""
    call = press_of(finance, restaurant)
    remove_view(view_id=keep(finance, restaurant, "Late", call=call).pk, person=finance)

    with pytest.raises(PageUsed, match="was kept, and removed since"):
        keep(finance, restaurant, "Late", call=call)

    assert keep(finance, restaurant, "Late").name == "Late"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("names", [("Late", "Late"), ("Late", "late")])
def test_of_two_who_share_one_name_at_once_one_is_told(restaurant: Restaurant, names: tuple[str, str]) -> None:
    people = [staff(restaurant, Role.FINANCE) for _ in names]
    acts = [partial(keep, person, restaurant, name, is_shared=True) for person, name in zip(people, names, strict=True)]

    assert at_once(*acts) == ["done", "view_name_taken"]
    assert SavedView.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_presses_of_one_page_at_once_one_makes_it(restaurant: Restaurant) -> None:
    person = staff(restaurant, Role.FINANCE)
    call = press_of(person, restaurant)

    assert at_once(*[partial(keep, person, restaurant, is_shared=True, call=call)] * 3) == ["done"] * 3
    assert (SavedView.objects.count(), AuditEntry.objects.count()) == (1, 1)


# --- What is written down ---------------------------------------------------------------------------------------------


def test_what_others_see_is_in_the_audit_without_its_name(restaurant: Restaurant, finance: User) -> None:
    own = keep(finance, restaurant, "Asha's table")
    remove_view(view_id=own.pk, person=finance)
    assert not AuditEntry.objects.exists()

    view, lead = keep(finance, restaurant, "Asha's table", is_shared=True), staff(restaurant, Role.FINANCE_LEAD)
    remove_view(view_id=view.pk, person=lead)

    shared, gone = AuditEntry.objects.order_by("id")
    shown = {"filters": LATE, "owner": str(finance.pk), "is_removed": False}
    assert (shared.action, shared.actor_id, shared.before, shared.after) == (
        *("share_view", str(finance.pk), {}),
        {"view": shown},
    )
    assert (gone.action, gone.actor_id, gone.before, gone.after) == (
        *("remove_shared_view", str(lead.pk), {"view": shown}),
        {"view": {**shown, "is_removed": True}},
    )
    assert {(entry.subject_kind, entry.subject_id) for entry in (shared, gone)} == {("saved_view", str(view.pk))}
    assert {entry.chain_id for entry in (shared, gone)} == {restaurant.pk}
    assert [sentence for verdict in verdicts() for sentence in verdict.wrong] == []


# --- What the table itself refuses ------------------------------------------------------------------------------------

HARMS: dict[str, dict[str, Any]] = {
    "another name": {"name": "Other"},
    "another query": {"query": "which=all"},
    "shared later": {"is_shared": True},
    "another owner": {"owner_id": uuid4()},
    "another restaurant": {"restaurant_id": uuid4()},
}


@pytest.mark.parametrize("name", HARMS)
def test_what_is_kept_is_fixed(restaurant: Restaurant, finance: User, name: str) -> None:
    view = keep(finance, restaurant)

    with pytest.raises(DatabaseError), transaction.atomic():
        SavedView.objects.filter(pk=view.pk).update(**HARMS[name])


def test_the_name_of_one_that_is_removed_is_forgotten(restaurant: Restaurant, finance: User) -> None:
    view = keep(finance, restaurant, "Mrs Rao's table")

    told = remove_view(view_id=view.pk, person=finance)

    assert told.name == "Mrs Rao's table"  # For whoever removed it.
    assert SavedView.objects.get().name == ""


def test_a_row_is_removed_once_and_never_deleted(restaurant: Restaurant, finance: User) -> None:
    view = remove_view(view_id=keep(finance, restaurant).pk, person=finance)

    for harm in (SavedView.objects.all().delete, lambda: SavedView.objects.update(removed_at=None)):
        with pytest.raises(DatabaseError), transaction.atomic():
            harm()
    assert SavedView.objects.get().removed_at == view.removed_at


@pytest.mark.parametrize("is_shared", [True, False])
def test_a_name_is_there_once_whatever_the_code_believes(
    restaurant: Restaurant, finance: User, is_shared: bool
) -> None:
    row = {"restaurant": restaurant, "owner": finance, "query": LATE, "is_shared": is_shared}
    SavedView.objects.create(name="Late", **row)
    SavedView.objects.create(name="Late", **{**row, "is_shared": not is_shared})
    SavedView.objects.create(name="", removed_at=clock.now(), **row)

    removed = {**row, "name": "Later", "removed_at": clock.now()}
    for spoiled in ({**row, "name": "lATE"}, {**row, "name": ""}, {**row, "name": "x", "query": ""}, removed):
        with pytest.raises(IntegrityError), transaction.atomic():
            SavedView.objects.create(**spoiled)
    connection.check_constraints()
