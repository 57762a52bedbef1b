"""What people and programs, known by their ids, are called: then, and now. For lists, with their own question."""

from __future__ import annotations

from typing import Any

from django.db.models import Case, CharField, F, OuterRef, Subquery, UUIDField, Value, When
from django.db.models.functions import Cast, Coalesce, Concat

from accounts.models import ApiKey, FormerName, User
from events.actors import SHELL, ActorKind

# Some actors are known by other things than an id.
_IS_ID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
_WITHOUT_NAMES = {
    ActorKind.SYSTEM.value: "Steward",
    ActorKind.GUEST.value: "the guest",
    ActorKind.PROVIDER.value: "the provider",
}


def name_now(person: Any) -> Subquery:
    return Subquery(User.objects.filter(pk=person).values("username")[:1])


def name_then(person: Any) -> Coalesce:
    """When the row was written, at `at`: the first name that ended later; without any, the one that has not ended."""
    later = FormerName.objects.filter(user=person, until__gt=OuterRef("at")).order_by("until")
    return Coalesce(Subquery(later.values("username")[:1]), name_now(person))


def program_of(lineage: Any) -> Subquery:
    """A key that was rotated is the same program: it is called as it is called now."""
    keys = ApiKey.objects.filter(lineage=lineage).order_by("-created_at")
    return Subquery(keys.values(told=Concat("name", Value(", a program"), output_field=CharField()))[:1])


def id_in(field: str) -> Case:
    """Of a text that may be one."""
    return Case(When(**{f"{field}__regex": _IS_ID}, then=Cast(F(field), UUIDField())), default=None)


def with_actors(rows: Any) -> Any:
    """Of the history: what `actor_of` reads."""
    key = OuterRef("actor_key")
    return rows.annotate(actor_key=id_in("actor_id")).annotate(
        actor_name=Coalesce(name_then(key), program_of(key), output_field=CharField())
    )


def actor_of(row: Any) -> str:
    if row.actor_kind in _WITHOUT_NAMES:
        return _WITHOUT_NAMES[row.actor_kind]
    if row.actor_id == SHELL.id:
        return "somebody at the shell"
    return str(row.actor_name or "somebody who is not known any more")
