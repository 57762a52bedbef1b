"""Restaurants (the tenants), people, their roles, and API keys (hashed)."""

from __future__ import annotations

import datetime
from zoneinfo import available_timezones

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models

from kernel import clock
from kernel.modes import Mode
from kernel.money import is_currency

DEFAULT_DAY_START = datetime.time(4, 0)  # A night's last guests belong to the evening before.


def validate_currency(value: str) -> None:
    if not is_currency(value):
        raise ValidationError(f"{value!r} is not an ISO 4217 currency code, such as INR.")


def validate_time_zone(value: str) -> None:
    if value not in available_timezones():
        raise ValidationError(f"{value!r} is not a time zone name, such as Asia/Kolkata.")


class User(AbstractUser):
    id = models.UUIDField(primary_key=True, default=clock.new_id, editable=False)


class Restaurant(models.Model):
    id = models.UUIDField(primary_key=True, default=clock.new_id, editable=False)
    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=120)
    currency = models.CharField(max_length=3, default="INR", validators=[validate_currency])
    time_zone = models.CharField(max_length=64, default="Asia/Kolkata", validators=[validate_time_zone])
    day_starts_at = models.TimeField(default=DEFAULT_DAY_START)

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    CUSTOMER = "customer", "customer"
    WAITER = "waiter", "waiter"
    FINANCE = "finance", "finance"
    ADMIN = "admin", "admin"


class Membership(models.Model):
    """One person's role in one restaurant."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    restaurant = models.ForeignKey(Restaurant, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "restaurant"], name="one_role_per_person_and_restaurant"),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="membership_role_is_legal"),
        ]

    def __str__(self) -> str:
        return f"{self.user} is {self.role} of {self.restaurant}"


class ApiKey(models.Model):
    """A key for a program. Only its hash is stored; the key itself is shown once."""

    id = models.UUIDField(primary_key=True, default=clock.new_id, editable=False)
    restaurant = models.ForeignKey(Restaurant, on_delete=models.PROTECT, related_name="api_keys")
    mode = models.CharField(max_length=4, choices=Mode.choices)
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=16)
    key_hash = models.CharField(max_length=64, unique=True)
    scopes = ArrayField(models.CharField(max_length=40), default=list)
    created_at = models.DateTimeField(default=clock.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["restaurant", "mode", "name"], name="one_api_key_per_name"),
            models.CheckConstraint(condition=models.Q(mode__in=Mode.values), name="api_key_mode_is_legal"),
        ]

    def __str__(self) -> str:
        return f"{self.prefix}… ({self.name})"
