"""Restaurants (the tenants), people, their roles, and API keys (hashed)."""

from __future__ import annotations

import datetime
from zoneinfo import available_timezones

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models

from kernel import clock
from kernel.fields import EncryptedField
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
    FINANCE_LEAD = "finance_lead", "finance lead"  # The second person, where two are needed.
    ADMIN = "admin", "admin"
    AUDITOR = "auditor", "auditor"  # Sees everything and changes nothing.


# Who decides about money.
OFFICE = (Role.FINANCE, Role.FINANCE_LEAD, Role.ADMIN)


class Membership(models.Model):
    """One person's role in one restaurant."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    restaurant = models.ForeignKey(Restaurant, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=12, choices=Role.choices)

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
    # A rotated key is the same caller: its retries find what was done under the key before.
    lineage = models.UUIDField(default=clock.new_id, editable=False)
    restaurant = models.ForeignKey(Restaurant, on_delete=models.PROTECT, related_name="api_keys")
    also_for = models.ManyToManyField(
        Restaurant, blank=True, related_name="+", help_text="Others that it may speak for; a request names one."
    )
    mode = models.CharField(max_length=4, choices=Mode.choices)
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=16)
    key_hash = models.CharField(max_length=64, unique=True)
    scopes = ArrayField(models.CharField(max_length=40), default=list)
    created_at = models.DateTimeField(default=clock.now)
    last_used_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    replaced_at = models.DateTimeField(null=True, blank=True, help_text="When its successor was issued.")
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["restaurant", "mode", "name"],
                condition=models.Q(replaced_at=None, revoked_at=None),
                name="one_api_key_per_name",
            ),
            models.CheckConstraint(condition=models.Q(mode__in=Mode.values), name="api_key_mode_is_legal"),
        ]

    def __str__(self) -> str:
        return f"{self.prefix}… ({self.name})"


class UserToken(models.Model):
    """What a person's app shows instead of the password: for one restaurant and mode, and it can be taken back."""

    id = models.UUIDField(primary_key=True, default=clock.new_id, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    restaurant = models.ForeignKey(Restaurant, on_delete=models.PROTECT, related_name="+")
    mode = models.CharField(max_length=4, choices=Mode.choices)
    token_hash = models.CharField(max_length=64, unique=True)
    password_mark = models.CharField(
        max_length=128, help_text="Of the password that it was given for: a new one ends it."
    )
    created_at = models.DateTimeField(default=clock.now)
    last_used_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(mode__in=Mode.values), name="token_mode_is_legal")]

    def __str__(self) -> str:
        return f"token of {self.user}"


class IdempotentCall(models.Model):
    """A request that made something, under its caller's key: written in the transaction that made it (I15)."""

    id = models.BigAutoField(primary_key=True)
    restaurant_id = models.UUIDField()
    mode = models.CharField(max_length=4, choices=Mode.choices)
    principal = models.CharField(max_length=100, help_text="Whose key it is: nobody else's is the same.")
    key = models.CharField(max_length=255)
    operation = models.CharField(max_length=200, help_text="Method and path.")
    body_hash = models.CharField(max_length=64)
    subject_id = models.UUIDField(help_text="What it made.")
    runs_until = models.DateTimeField(help_text="Until then its first request may still be at work.")
    answer_status = models.PositiveSmallIntegerField(null=True, help_text="Of the answer that is given from now on.")
    answer = EncryptedField(blank=True, default="")
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["principal", "key"], name="one_call_per_key"),
            models.CheckConstraint(condition=models.Q(mode__in=Mode.values), name="call_mode_is_legal"),
        ]
        indexes = [models.Index(fields=["created_at"], name="calls_by_age")]

    def __str__(self) -> str:
        return f"{self.operation} {self.key}"
