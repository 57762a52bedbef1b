"""Views of the queue: kept under a name by whoever works on it, for themselves or for everyone of the restaurant."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Lower

from accounts.models import CHECKERS, LOOKING, OFFICE, Membership, Restaurant, User
from accounts.services.idempotency import Call, KeyTaken, PageUsed, claim, first_press
from accounts.services.people import works_as
from events.actors import Actor
from events.audit import Deed, audited
from failures.models import LONGEST_NAME, LONGEST_QUERY, SavedView
from failures.narrowing import ME, NOBODY, OWNER, RESTAURANT, in_one_form, is_known
from failures.services.facts import ViewRefused
from kernel import clock
from kernel.texts import check_text

# Of one person in one restaurant, shared or not: more than two rows of them above a list have to be searched.
MOST_OF_ONE = 10
# Of one restaurant, whoever shared them: all of its people have them above their list.
MOST_SHARED = 20
_MOST_PARTS = 50  # Of a query: more than there are filters, and kinds of cases to choose several of.
_STRANGE = "A view keeps filters and the order of this list. This has something else in it: choose its filters anew."


class ViewDeed(StrEnum):
    SHARE = "share_view"
    REMOVE = "remove_shared_view"


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewDraft:
    name: str
    query: str
    is_shared: bool


def save_view(*, restaurant_id: UUID, draft: ViewDraft, person: User, call: Call) -> SavedView:
    """The view of this press, and of the same press again."""
    name, query = _checked_name(draft.name), _checked_query(draft.query)
    try:
        with transaction.atomic():
            view_id = claim(call)
            # Of two who give the same name at once, or the last place, the second one hears of the first.
            restaurant = Restaurant.objects.select_for_update(no_key=True).get(pk=restaurant_id)
            _check_staff(person, restaurant)
            _check_is_of(restaurant, query)
            _check_room(restaurant, name, draft, person)
            view = SavedView(
                id=view_id, restaurant=restaurant, owner=person, name=name, query=query, is_shared=draft.is_shared
            )
            with _written_down(view, ViewDeed.SHARE, person):
                view.save(force_insert=True)
            return view
    except KeyTaken:
        kept = SavedView.objects.get(pk=first_press(call).subject_id)
        if kept.removed_at is not None:
            raise PageUsed("This view was kept, and removed since. Press again to keep it anew.") from None
        return kept


def remove_view(*, view_id: UUID, person: User) -> SavedView:
    """With the name that it had. One that was removed already stays so: a second press changes nothing."""
    with transaction.atomic():
        view = _seen_by(person).select_for_update(of=("self",)).filter(pk=view_id).first()
        if view is None:
            raise ViewRefused("This view is not there.")
        if view.removed_at is not None:
            return view
        if not may_remove(view, person, _role_of(person, view)):
            raise ViewRefused("Whoever shared this view removes it, or a finance lead or an admin of the restaurant.")
        with _written_down(view, ViewDeed.REMOVE, person):
            view.removed_at = clock.now()
            SavedView.objects.filter(pk=view.pk).update(removed_at=view.removed_at, name="")
    return view


def may_remove(view: SavedView, person: User, role: str) -> bool:
    """Given the role that this person has there. What nobody else sees is its owner's, whatever the role is by now."""
    is_own = view.owner_id == person.pk
    return is_own if not view.is_shared else role in CHECKERS or (is_own and role in OFFICE)


def _seen_by(person: User) -> QuerySet[SavedView]:
    """A superuser sees what every restaurant shares, as its cases."""
    views = SavedView.objects.filter(Q(owner=person) | Q(is_shared=True))
    houses = Membership.objects.filter(user=person, user__is_active=True, role__in=LOOKING).values("restaurant")
    return views if person.is_superuser else views.filter(restaurant__in=houses)


def _role_of(person: User, view: SavedView) -> str:
    roles = Membership.objects.filter(user=person, user__is_active=True, restaurant=view.restaurant_id)
    return roles.values_list("role", flat=True).first() or ""


def _check_staff(person: User, restaurant: Restaurant) -> None:
    if not works_as(person, OFFICE, restaurant_id=restaurant.pk):
        sentence = "Only finance staff of this restaurant keep views of its queue."
        raise ViewRefused(sentence, field="restaurant", code="not_finance_here")


def _checked_name(said: str) -> str:
    """In one way of writing: two that differ by their spaces alone are one name. What nobody sees is none."""
    name = " ".join(unicodedata.normalize("NFC", said).split())
    check_text(name, field="name", longest=LONGEST_NAME, refusal=ViewRefused)
    if not any(sign.isprintable() for sign in name):
        raise ViewRefused("Give it a name, such as “Doubts past the deadline”.", field="name")
    return name


def _checked_query(said: str) -> str:
    try:
        parts = parse_qs(said, keep_blank_values=True, strict_parsing=bool(said), max_num_fields=_MOST_PARTS)
    except ValueError as error:
        raise ViewRefused(_STRANGE) from error
    if not parts:
        raise ViewRefused("Choose a filter or an order first: without any, it is the queue itself.")
    if len(said) > LONGEST_QUERY or not all(is_known(name, value) for name in parts for value in parts[name]):
        raise ViewRefused(_STRANGE)
    return in_one_form(parts)


def _check_is_of(restaurant: Restaurant, query: str) -> None:
    """Everyone of the restaurant can open it, and nobody learns by it whether somebody works elsewhere."""
    said = {name: values[-1] for name, values in parse_qs(query).items()}
    if said.get(RESTAURANT, str(restaurant.pk)) != str(restaurant.pk):
        raise ViewRefused("This list is of another restaurant: keep it for that one.", field="restaurant")
    owner = said.get(OWNER, ME)
    if owner in {ME, NOBODY}:
        return
    if not Membership.objects.filter(user=UUID(owner), restaurant=restaurant, role__in=OFFICE).exists():
        raise ViewRefused(
            f"The person who has these cases does not work on cases of {restaurant.name}. Choose another, or nobody."
        )


def _check_room(restaurant: Restaurant, name: str, draft: ViewDraft, person: User) -> None:
    live = SavedView.objects.filter(restaurant=restaurant, removed_at=None)
    mine, shared = live.filter(owner=person), live.filter(is_shared=True)
    same = shared if draft.is_shared else mine.filter(is_shared=False)
    if same.alias(plain=Lower("name")).filter(plain=Lower(Value(name))).exists():
        whose = f"{restaurant.name} has a shared view" if draft.is_shared else "You have a view"
        raise ViewRefused(
            f"{whose} of this name already. Choose another name, or remove that one first.",
            field="name",
            code="view_name_taken",
        )
    if mine.count() >= MOST_OF_ONE:
        raise ViewRefused(f"You keep {MOST_OF_ONE} views of {restaurant.name} already. Remove one first.")
    if draft.is_shared and shared.count() >= MOST_SHARED:
        raise ViewRefused(
            f"{restaurant.name} shares {MOST_SHARED} views already. Remove one first, or keep this one for yourself."
        )


@contextmanager
def _written_down(view: SavedView, deed: ViewDeed, person: User) -> Iterator[None]:
    """What changes a page for others is in the audit. By its id: people may have given it somebody's name."""
    if not view.is_shared:
        yield
        return
    subject = Deed(
        actor=Actor.user(person),
        action=deed.value,
        subject_kind="saved_view",
        subject_id=str(view.pk),
        picture=lambda: _picture_of(view.pk),
        restaurant_id=view.restaurant_id,
    )
    with audited(subject):
        yield


def _picture_of(view_id: UUID) -> dict[str, Any]:
    view = SavedView.objects.filter(pk=view_id).first()
    if view is None:
        return {}
    return {"view": {"filters": view.query, "owner": str(view.owner_id), "is_removed": view.removed_at is not None}}
