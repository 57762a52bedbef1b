"""What is asked about people: whether they have a second factor, and how many recovery codes are left."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from accounts.factor_policy import FactorPolicy
from accounts.models import RecoveryCode, SecondFactor, User


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
