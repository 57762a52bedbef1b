"""People are set up, edited and shut out here: one entry of the audit each time, with nothing personal in it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import Q

from accounts.deeds import PERSON, HouseDeed, PersonDeed
from accounts.models import FormerName, User, UserToken
from accounts.selectors import people_edited_by
from accounts.services.people import hold_person, revoke_all_tokens_of
from events.actors import SHELL, Actor
from events.audit import INSTALLATION, Deed, Picture, audited, audited_afterwards
from kernel import clock
from kernel.duplicates import refusing_a_second
from kernel.errors import ServiceError

# Of these the audit says that they changed and never to what: a person can be forgotten.
_PERSONAL: Mapping[str, str] = {
    "username": "user name",
    "first_name": "first name",
    "last_name": "last name",
    "email": "e-mail",
    "password": "password",
}
# What a form changes of somebody who is there. A password and a sign-out are set in other ways.
_EDITED = (*(field for field in _PERSONAL if field != "password"), "is_active", "is_staff", "is_superuser")


class PersonRefused(ServiceError):
    code = "not_allowed"


def may_edit(person: User | None, *, by: User) -> bool:
    """Whoever could give a superuser another password would be one; and one of another restaurant, likewise."""
    return by.is_superuser or person is None or people_edited_by(by).filter(pk=person.pk).exists()


def check_may_edit(person_id: UUID, *, by: User) -> None:
    if not (by.is_superuser or people_edited_by(by).filter(pk=person_id).exists()):
        raise PersonRefused("A superuser does this, or an admin of all the restaurants where this person has a role.")


def save_person(
    *,
    person: User,
    by: User,
    groups: Iterable[Group] | None = None,
    permissions: Iterable[Permission] | None = None,
    changed: Collection[str] | None = None,
) -> None:
    """As a form left it, new or not. None: the form has no word on these.

    `changed` are the fields in which a form differed from the row that it read; None: any. The others stay as they are.
    """
    with transaction.atomic():
        supers = _locked(person.pk)
        was = supers.pop(person.pk, None)
        if was is not None and changed is not None:
            _leave_alone(person, was, changed)
        _check_rights(person, was, by, touches_rights=groups is not None or permissions is not None)
        _check_that_somebody_is_left(person, was, supers)
        if was is not None and was.username != person.username:
            # What was done under it is told under it.
            FormerName.objects.create(user=was, username=was.username)
        wanted = None if groups is None else _held_groups(groups)
        with audited(_deed_on(person.pk, _deed_of(person, was), Actor.user(by))):
            # Somebody may have been signed out, or given another password, since the form read the row, and stays it.
            with refusing_a_second("accounts_user_username_key", _name_taken(person)):
                person.save(update_fields=None if was is None else _EDITED)
            if wanted is not None:
                person.groups.set(wanted)
            if permissions is not None:
                person.user_permissions.set(permissions)


@contextmanager
def setting_password(*, person_id: UUID, by: User) -> Iterator[User]:
    """Around Django's own pages for it, which save a person whole. Where none was set in the end, nothing was done.

    Nobody is shut out between their reading of the row, which is given as it is by now, and that.
    """
    check_may_edit(person_id, by=by)
    with transaction.atomic():
        person = hold_person(person_id)
        with audited(_deed_on(person_id, PersonDeed.SET_PASSWORD, Actor.user(by))):
            yield person


def is_out_of_date(known: User, now: User) -> bool:
    """Of somebody who signed in as one and is the other by now: signed out everywhere, or shut out, in this moment."""
    return not now.is_active or now.get_session_auth_hash() != known.get_session_auth_hash()


@contextmanager
def setting_password_at_the_shell(*, person_id: UUID) -> Iterator[None]:
    """Around Django's own command."""
    with audited_afterwards(_deed_on(person_id, PersonDeed.SET_PASSWORD, SHELL)):
        yield


@contextmanager
def making_superusers_at_the_shell() -> Iterator[None]:
    """Around Django's own command, which asks for the name by itself."""
    deed = Deed(
        actor=SHELL,
        action=HouseDeed.CREATE_SUPERUSER,
        subject_kind="superusers",
        subject_id=str(INSTALLATION),
        picture=_picture_of_superusers,
    )
    with audited_afterwards(deed):
        yield


def sign_out_everywhere(*, person: User, by: User | None) -> int:
    """In the console and with tokens, of which it says how many worked until now. By None: at the shell, where all are
    in reach.
    """
    if by is not None:
        check_may_edit(person.pk, by=by)
    deed = Deed(
        actor=Actor.user(by) if by else SHELL,
        action=PersonDeed.SIGN_OUT,
        subject_kind=PERSON,
        subject_id=str(person.pk),
        picture=partial(_signed_in_as, person.pk),
    )
    with transaction.atomic():
        hold_person(person.pk)
        with audited(deed):
            person.signed_out_at = clock.now()
            person.save(update_fields=["signed_out_at"])
            return revoke_all_tokens_of(person=person)


def _name_taken(person: User) -> PersonRefused:
    return PersonRefused(f"There is somebody called {person.username} already. Choose another name.", field="username")


def _leave_alone(person: User, was: User, changed: Collection[str]) -> None:
    for field in set(_EDITED) - set(changed):
        setattr(person, field, getattr(was, field))


# --- What is not allowed ----------------------------------------------------------------------------------------------


def _locked(person_id: UUID) -> dict[UUID, User]:
    """The person and all superusers, always in one order: of two who leave at once the second one sees the first."""
    rows = User.objects.select_for_update().filter(Q(pk=person_id) | Q(is_superuser=True)).order_by("pk")
    return {row.pk: row for row in rows}


def _held_groups(groups: Iterable[Group]) -> list[Group]:
    """Before the audit's chain, which whoever deletes one of them waits for with its row in hand."""
    keys = [group.pk for group in groups]
    return list(Group.objects.select_for_update(no_key=True).filter(pk__in=keys).order_by("pk"))


def _check_rights(person: User, was: User | None, by: User, *, touches_rights: bool) -> None:
    if by.is_superuser:
        return
    if person.is_superuser or touches_rights or (was is not None and was.is_superuser):
        raise PersonRefused("Only a superuser decides about superusers, and about permissions.")
    if was is not None:
        check_may_edit(was.pk, by=by)


def _check_that_somebody_is_left(person: User, was: User | None, others: Mapping[UUID, User]) -> None:
    held = was is not None and was.is_superuser and was.is_active
    holds = person.is_superuser and person.is_active
    if held and not holds and not any(other.is_active for other in others.values()):
        raise PersonRefused(
            "This is the last superuser who may sign in. Make somebody else one first: "
            "without any, nobody could give a role again.",
            code="last_superuser",
        )


# --- What the audit keeps ---------------------------------------------------------------------------------------------


def _deed_of(person: User, was: User | None) -> PersonDeed:
    if was is None:
        return PersonDeed.CREATE
    if was.is_active != person.is_active:
        return PersonDeed.LET_IN if person.is_active else PersonDeed.SHUT_OUT
    return PersonDeed.EDIT


def _deed_on(person_id: UUID, action: PersonDeed, actor: Actor) -> Deed:
    return Deed(
        actor=actor,
        action=action,
        subject_kind=PERSON,
        subject_id=str(person_id),
        picture=_picture_of(person_id),
        only_if_it_changes=True,
    )


def _picture_of(person_id: UUID) -> Callable[[], Picture]:
    was = _personal(person_id)

    def picture() -> Picture:
        person = User.objects.filter(pk=person_id).first()
        if person is None:
            return {}
        now = _personal(person_id)
        return {
            "is_active": person.is_active,
            "is_staff": person.is_staff,
            "is_superuser": person.is_superuser,
            "groups": list(person.groups.order_by("name").values_list("name", flat=True)),
            "permissions": list(person.user_permissions.order_by("codename").values_list("codename", flat=True)),
            "changed": [word for field, word in _PERSONAL.items() if was and was[field] != now[field]],
        }

    return picture


def _personal(person_id: UUID) -> dict[str, str]:
    return User.objects.filter(pk=person_id).values(*_PERSONAL).first() or {}


def _picture_of_superusers() -> Picture:
    supers = User.objects.filter(is_superuser=True).order_by("pk").values_list("pk", flat=True)
    return {"superusers": [str(key) for key in supers]}


def _signed_in_as(person_id: UUID) -> dict[str, Any]:
    tokens = UserToken.objects.filter(user=person_id, revoked_at=None, expires_at__gt=clock.now()).count()
    ended = User.objects.values_list("signed_out_at", flat=True).get(pk=person_id)
    return {"tokens": tokens, "signed_out_at": ended.isoformat() if ended else None}
