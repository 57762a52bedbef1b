"""Permission groups are made, edited and deleted here, by superusers, and each change is in the audit."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db import transaction

from accounts.deeds import HouseDeed
from accounts.models import User
from events.actors import Actor
from events.audit import Deed, audited
from kernel.duplicates import refusing_a_second
from kernel.errors import ServiceError


class GroupRefused(ServiceError):
    code = "not_allowed"


def save_group(*, group: Group, permissions: Iterable[Permission], by: User) -> None:
    """As a form left it. A new one is written before its entry, which has to say which one it is."""
    _check(by)
    is_new = group.pk is None
    with transaction.atomic():
        if is_new:
            _save(group)
        elif not _is_there(group):
            raise GroupRefused("This group was deleted since you opened the page.")
        with audited(_deed_on(group, HouseDeed.CREATE_GROUP if is_new else HouseDeed.EDIT_GROUP, by, is_new=is_new)):
            _save(group)
            group.permissions.set(permissions)


def delete_group(*, group: Group, by: User) -> None:
    _check(by)
    with transaction.atomic():
        _is_there(group)  # First its row and then what hangs on it, as whoever saves it.
        with audited(_deed_on(group, HouseDeed.DELETE_GROUP, by)):
            Group.objects.filter(pk=group.pk).delete()


def _is_there(group: Group) -> bool:
    """And it stays until the transaction ends."""
    return Group.objects.select_for_update().filter(pk=group.pk).first() is not None


def _save(group: Group) -> None:
    taken = GroupRefused(f"There is a group {group.name} already.", field="name")
    with refusing_a_second("auth_group_name_key", taken):
        group.save()


def _check(by: User) -> None:
    """Whoever may write groups could write the own one."""
    if not (by.is_superuser and by.is_active):
        raise GroupRefused("Only a superuser decides about permissions.")


def _deed_on(group: Group, action: HouseDeed, by: User, *, is_new: bool = False) -> Deed:
    return Deed(
        actor=Actor.user(by),
        action=action,
        subject_kind="permission_group",
        subject_id=str(group.pk),
        picture=partial(_picture_of, group.pk),
        only_if_it_changes=not is_new,
    )


def _picture_of(group_id: int) -> dict[str, Any]:
    group = Group.objects.filter(pk=group_id).first()
    if group is None:
        return {}
    permissions = group.permissions.order_by("codename").values_list("codename", flat=True)
    people = group.user_set.order_by("pk").values_list("pk", flat=True)
    return {"name": group.name, "permissions": list(permissions), "people": [str(key) for key in people]}
