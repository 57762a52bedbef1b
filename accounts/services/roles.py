"""Roles are given, changed and taken here: by whom, and to whom, is in the restaurant's audit."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.deeds import PERSON, PersonDeed
from accounts.models import LOOKING, Membership, Role, User
from accounts.selectors import people_of_nobody_else
from accounts.services.people import hold_person, works_as
from events.actors import Actor
from events.audit import Deed, audited
from kernel.duplicates import refusing_a_second
from kernel.errors import ServiceError


class RoleRefused(ServiceError):
    code = "not_allowed"


def may_give_roles(by: User, *, restaurant_id: UUID, person_id: UUID) -> bool:
    """A superuser; or an admin of the restaurant who has that permission, and never for oneself."""
    if by.is_superuser:
        return by.is_active
    is_trusted = any(by.has_perm(f"accounts.{verb}_membership") for verb in ("add", "change", "delete"))
    return is_trusted and person_id != by.pk and works_as(by, [Role.ADMIN], restaurant_id=restaurant_id)


def save_role(*, membership: Membership, by: User) -> None:
    """As a form left it, new or not. It holds from the next request on: roles are read for each."""
    with transaction.atomic():
        was = Membership.objects.select_for_update().filter(pk=membership.pk).first()
        hold_person(membership.user_id)
        _check(membership, by)
        if was is None:
            _check_is_new(membership)
            _check_that_nobody_else_loses(membership, by)
        elif (was.user_id, was.restaurant_id) != (membership.user_id, membership.restaurant_id):
            raise RoleRefused("A role stays where it is and with whom. Take it, and give another one.", field="user")
        with audited(_deed_on(membership, PersonDeed.CHANGE_ROLE if was else PersonDeed.GIVE_ROLE, by)):
            with refusing_a_second("one_role_per_person_and_restaurant", _given_meanwhile()):
                membership.save()
            _let_into_console(membership)


def take_role(*, membership: Membership, by: User) -> None:
    """Whoever had it keeps the cases at hand until somebody else takes them."""
    with transaction.atomic():
        Membership.objects.select_for_update().filter(pk=membership.pk).first()  # As it is by now, it is written down.
        hold_person(membership.user_id)
        _check(membership, by)
        with audited(_deed_on(membership, PersonDeed.TAKE_ROLE, by)):
            Membership.objects.filter(pk=membership.pk).delete()


def _let_into_console(membership: Membership) -> None:
    """Who works there has to get in. Whoever is not to, is shut out, or has the box unticked afterwards."""
    if membership.role in LOOKING:
        User.objects.filter(pk=membership.user_id, is_staff=False).update(is_staff=True)


def _check(membership: Membership, by: User) -> None:
    if not may_give_roles(by, restaurant_id=membership.restaurant_id, person_id=membership.user_id):
        raise RoleRefused("Roles here are given by a superuser, or by an admin of the restaurant to somebody else.")


def _check_is_new(membership: Membership) -> None:
    """What a colleague took away is not given back by an older page."""
    if not membership._state.adding:
        raise RoleRefused("This role was taken away since you opened the page. Give it anew if that was wrong.")


def _given_meanwhile() -> RoleRefused:
    return RoleRefused("This person has a role here by now. Open it on the list to change it.", field="user")


def _check_that_nobody_else_loses(membership: Membership, by: User) -> None:
    """With a role in a second restaurant the first one's admins could not edit their own colleague any more."""
    if not people_of_nobody_else(by).filter(pk=membership.user_id).exists():
        sentence = "Somebody who has a role in another restaurant gets one here from a superuser."
        raise RoleRefused(sentence, field="user")


def _deed_on(membership: Membership, action: PersonDeed, by: User) -> Deed:
    return Deed(
        actor=Actor.user(by),
        action=action,
        subject_kind=PERSON,
        subject_id=str(membership.user_id),
        picture=partial(_picture_of, membership.user_id, membership.restaurant_id),
        restaurant_id=membership.restaurant_id,
        only_if_it_changes=True,
    )


def _picture_of(person_id: UUID, restaurant_id: UUID) -> dict[str, Any]:
    mine = Membership.objects.filter(user=person_id, restaurant=restaurant_id)
    opens = User.objects.filter(pk=person_id, is_staff=True).exists()
    return {"role": mine.values_list("role", flat=True).first(), "opens_console": opens}
