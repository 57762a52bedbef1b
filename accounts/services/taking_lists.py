"""Lists that leave the house: who took which, by what choice and how much of it, written down before it goes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from accounts.models import Membership, Role, User
from events.actors import Actor
from events.audit import Deed, audited


class ListDeed(StrEnum):
    EXPORT = "export"


class ListForm(StrEnum):
    """As what it leaves. Entries from before there was a choice do not say it: of cases they are CSV."""

    CSV = "csv"
    XLSX = "xlsx"
    JSONL = "jsonl"


def restaurants_where(person: User, roles: Collection[Role]) -> QuerySet[Membership, UUID]:
    """Asked anew, as for each decision: a role may have been taken away since the page was drawn."""
    memberships = Membership.objects.filter(user=person, user__is_active=True, role__in=roles)
    return memberships.values_list("restaurant", flat=True)


def write_down(*, name: str, form: ListForm, chosen: Mapping[str, Any], rows: Mapping[UUID, int], person: User) -> None:
    """In the chain of each restaurant of which rows leave. Nothing is changed by it: both pictures are the same."""
    for restaurant_id, count in sorted(rows.items()):
        picture = {"list": name, "form": form.value, "chosen": dict(chosen), "rows": count}
        _write(restaurant_id, picture, person)


def _write(restaurant_id: UUID, picture: Mapping[str, Any], person: User) -> None:
    deed = Deed(
        actor=Actor.user(person),
        action=ListDeed.EXPORT,
        subject_kind="restaurant",
        subject_id=str(restaurant_id),
        picture=lambda: picture,
        restaurant_id=restaurant_id,
    )
    with audited(deed):
        pass
