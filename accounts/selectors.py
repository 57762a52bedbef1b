"""What is asked about people: whose they are, their second factors, and what they did."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import or_
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import CharField, Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Cast

from accounts.deeds import PERSON, PersonDeed
from accounts.factor_policy import FactorPolicy
from accounts.models import Membership, RecoveryCode, Restaurant, Role, SecondFactor, User
from events.audit import INSTALLATION
from events.models import AuditEntry


def factor_of(person: Any) -> SecondFactor | None:
    """One that counts: a secret that was only shown is none."""
    factor: SecondFactor | None = SecondFactor.objects.filter(user=person.pk, confirmed=True).first()
    return factor


def offered_to(person: User) -> SecondFactor | None:
    """With a secret that was shown, and of which no code was given yet."""
    factor: SecondFactor | None = SecondFactor.objects.filter(user=person).first()
    return factor if factor is not None and factor.offered_key else None


def has_to_set_one_up(person: Any) -> bool:
    """Of somebody without one."""
    return bool(person.is_staff) and settings.STEWARD_SECOND_FACTOR is FactorPolicy.REQUIRED


def recovery_codes_left(factor: SecondFactor) -> int:
    return RecoveryCode.objects.filter(factor=factor, used_at=None).count()


def administered_by(person: Any) -> QuerySet[Restaurant]:
    return Restaurant.objects.filter(memberships__user=person, memberships__role=Role.ADMIN)


def people_of_nobody_else(person: User) -> QuerySet[User]:
    """Without any role, a guest's included, outside of the restaurants that this person administers."""
    if person.is_superuser:
        return User.objects.all()
    elsewhere = Membership.objects.exclude(restaurant__in=administered_by(person))
    return User.objects.exclude(pk__in=elsewhere.values("user"))


def people_edited_by(person: User) -> QuerySet[User]:
    """Oneself, and those of the own restaurants alone: with another password one would be them elsewhere too (I20).

    Of those without any role only whom this person has made and nobody has given one yet: the others are on their way
    to another restaurant, or may go back to it, and would come there with a password that a stranger knows.
    """
    if person.is_superuser:
        return User.objects.all()
    here = Membership.objects.filter(restaurant__in=administered_by(person))
    is_mine = Q(pk__in=here.values("user")) | Q(pk__in=_made_and_without_any_right(person).values("pk"))
    mine = people_of_nobody_else(person).filter(is_mine, is_superuser=False)
    return User.objects.filter(Q(pk=person.pk) | Q(pk__in=mine.values("pk")))


def people_shown_to(person: User) -> QuerySet[User]:
    """With those who work elsewhere as well: a colleague here is no secret here."""
    if person.is_superuser:
        return User.objects.all()
    here = Membership.objects.filter(restaurant__in=administered_by(person))
    return User.objects.filter(Q(pk__in=here.values("user")) | Q(pk__in=people_edited_by(person).values("pk")))


def _made_and_without_any_right(person: User) -> QuerySet[User]:
    deeds = AuditEntry.objects.filter(subject_kind=PERSON)
    made = deeds.filter(action=PersonDeed.CREATE, actor_id=str(person.pk))
    given = deeds.filter(action=PersonDeed.GIVE_ROLE, subject_id=Cast(OuterRef("pk"), CharField()))
    rights = (Membership, User.groups.through, User.user_permissions.through)
    has_any = [Exists(right._default_manager.filter(user=OuterRef("pk"))) for right in rights]
    people = User.objects.alias(key=Cast("pk", CharField())).filter(~Exists(given), key__in=made.values("subject_id"))
    return people.exclude(reduce(or_, has_any))


def entries_about(restaurants: Iterable[UUID]) -> Q:
    """Of the audit: of these restaurants, and of the whole installation's what is about their people."""
    houses = list(restaurants)
    people = Membership.objects.filter(restaurant__in=houses).values(key=Cast("user", CharField()))
    return Q(chain__in=houses) | Q(chain=INSTALLATION, subject_kind=PERSON, subject_id__in=people)
