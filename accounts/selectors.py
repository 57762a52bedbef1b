"""What is asked about people: their second factors, and what they did."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import CharField, Q
from django.db.models.functions import Cast

from accounts.deeds import PERSON
from accounts.factor_policy import FactorPolicy
from accounts.models import Membership, RecoveryCode, SecondFactor, User
from events.audit import INSTALLATION


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


def entries_about(restaurants: Iterable[UUID]) -> Q:
    """Of the audit: of these restaurants, and of the whole installation's what is about their people."""
    houses = list(restaurants)
    people = Membership.objects.filter(restaurant__in=houses).values(key=Cast("user", CharField()))
    return Q(chain__in=houses) | Q(chain=INSTALLATION, subject_kind=PERSON, subject_id__in=people)
