"""API keys are issued, rotated and revoked here and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from accounts.deeds import KeyDeed
from accounts.models import ApiKey, Restaurant, Role, User
from accounts.scopes import KEY_SCOPES
from accounts.services.people import works_as
from accounts.services.secrets import LAST_USED_STEP, hash_secret, new_secret
from events.actors import SHELL, SYSTEM, Actor, ActorKind
from events.audit import Deed, audited
from kernel import clock
from kernel.duplicates import refusing_a_second
from kernel.errors import ServiceError
from kernel.modes import Mode


class KeyRefused(ServiceError):
    code = "name_taken"


PREFIX_LENGTH = 12
# Long enough to bring the new key to every server, short enough not to be forgotten.
OVERLAP = timedelta(days=7)


def issue_api_key(
    *,
    restaurant: Restaurant,
    mode: Mode,
    name: str,
    scopes: Sequence[str],
    key: str = "",
    also_for: Sequence[Restaurant] = (),
    lasts: timedelta | None = None,
    by: Actor = SYSTEM,
) -> str:
    """Returns the key, which cannot be read again. A given key serves the demo, which repeats itself."""
    _check_who(by, restaurant, *also_for)
    _check_scopes(scopes)
    key = key or new_secret(mode.value)
    mine = ApiKey.objects.filter(restaurant=restaurant, mode=mode, name=name)
    given = mine.filter(key_hash=hash_secret(key)).first()
    if given is not None:
        if given.scopes != list(scopes):  # A demo of a newer version may do more with the same key.
            given.scopes = list(scopes)
            given.save(update_fields=["scopes"])
        return key
    row = ApiKey(
        restaurant=restaurant,
        mode=mode,
        name=name,
        prefix=key[:PREFIX_LENGTH],
        key_hash=hash_secret(key),
        scopes=list(scopes),
        expires_at=clock.now() + lasts if lasts else None,
    )
    with audited(_deed_on(row, KeyDeed.ISSUE, by)):
        _insert(row, also_for)
    return key


def rotate_api_key(*, key_id: UUID, overlap: timedelta = OVERLAP, by: Actor = SYSTEM) -> str:
    """A new key for the same caller. The old one works until the overlap is over."""
    with transaction.atomic():
        old = ApiKey.objects.select_for_update().get(pk=key_id)
        _check_who(by, old.restaurant, *old.also_for.all())
        if old.revoked_at or old.replaced_at:
            raise KeyRefused("This key was revoked or rotated already.", code="key_ended")
        with audited(_deed_on(old, KeyDeed.ROTATE, by)):
            return _rotate(old, overlap)


def revoke_api_key(*, key_id: UUID, by: Actor = SYSTEM) -> bool:
    """At once: the next request with it is refused. False: it was revoked before."""
    with transaction.atomic():
        key = ApiKey.objects.select_for_update().filter(pk=key_id, revoked_at=None).first()
        if key is None:
            return False
        _check_who(by, key.restaurant, *key.also_for.all())
        with audited(_deed_on(key, KeyDeed.REVOKE, by)):
            key.revoked_at = clock.now()
            key.save(update_fields=["revoked_at"])
    return True


def note_use(key: ApiKey) -> None:
    now = clock.now()
    if key.last_used_at is None or now - key.last_used_at >= LAST_USED_STEP:
        old_enough = Q(last_used_at=None) | Q(last_used_at__lte=now - LAST_USED_STEP)
        ApiKey.objects.filter(old_enough, pk=key.pk).update(last_used_at=now)


def _rotate(old: ApiKey, overlap: timedelta) -> str:
    now = clock.now()
    lasts = old.expires_at - old.created_at if old.expires_at else None
    old.replaced_at = now
    old.expires_at = min(now + overlap, old.expires_at or now + overlap)
    old.save(update_fields=["replaced_at", "expires_at"])
    key = new_secret(old.mode)
    row = ApiKey(
        lineage=old.lineage,
        restaurant_id=old.restaurant_id,
        mode=old.mode,
        name=old.name,
        prefix=key[:PREFIX_LENGTH],
        key_hash=hash_secret(key),
        scopes=old.scopes,
        # As long as the old one was meant to last.
        expires_at=now + lasts if lasts else None,
    )
    _insert(row, list(old.also_for.all()))
    return key


def _insert(row: ApiKey, also_for: Sequence[Restaurant]) -> None:
    taken = f"There is a key named {row.name} already. Revoke it, or choose another name."
    with refusing_a_second("one_api_key_per_name", KeyRefused(taken, field="name")):
        row.save(force_insert=True)
        row.also_for.set(also_for)


def _deed_on(key: ApiKey, action: KeyDeed, by: Actor) -> Deed:
    return Deed(
        actor=by,
        action=action,
        subject_kind="api_key",
        subject_id=str(key.lineage),  # One search finds a caller's whole story.
        picture=partial(_picture_of, key.lineage),
        restaurant_id=key.restaurant_id,
        mode=key.mode,
    )


def _picture_of(lineage: UUID) -> dict[str, Any]:
    """The caller's keys, also those that were rotated: their first letters, never more of them."""
    shown = ("prefix", "name", "scopes", "expires_at", "replaced_at", "revoked_at")
    rows = ApiKey.objects.filter(lineage=lineage).order_by("created_at")
    others = rows.filter(also_for__isnull=False).order_by("also_for").values_list("also_for", flat=True).distinct()
    return {
        "keys": [{name: _plain(value) for name, value in row.items()} for row in rows.values(*shown)],
        "also_for": [str(each) for each in others],
    }


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _check_who(by: Actor, *restaurants: Restaurant) -> None:
    """A person answers for every restaurant that the key speaks for. The system and the shell have been let in."""
    if by.kind is not ActorKind.USER or by.id == SHELL.id:
        return
    person = User.objects.filter(pk=by.id, is_active=True).first()
    if person is None or not (person.is_superuser or all(_is_admin(person, each) for each in restaurants)):
        raise KeyRefused("Only an admin of each restaurant that a key speaks for looks after it.", code="not_an_admin")


def _is_admin(person: User, restaurant: Restaurant) -> bool:
    return works_as(person, [Role.ADMIN], restaurant_id=restaurant.pk)


def _check_scopes(scopes: Sequence[str]) -> None:
    unknown = sorted(set(scopes) - {scope.value for scope in KEY_SCOPES})
    if unknown:
        known = ", ".join(sorted(scope.value for scope in KEY_SCOPES))
        raise KeyRefused(f"{unknown[0]!r} is no scope of a key. Known are: {known}.", field="scopes", code="bad_scope")
