"""Restaurants (the tenants), people, their roles and second factors, and API keys (hashed)."""

from __future__ import annotations

import datetime
from typing import Any
from zoneinfo import available_timezones

import pgtrigger
from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django_fsm import FSMField, transition
from django_otp.models import Device, ThrottlingMixin

from events.machines import legal_status, machine_triggers
from kernel import clock
from kernel.fields import EncryptedField
from kernel.modes import Mode
from kernel.money import is_currency

# Whoever is alone decides again after this: a night's anger, or a thief's hurry, is over by then.
ALONE_AFTER = datetime.timedelta(hours=1)


# The pause after a wrong code: twice as long after each, and never longer than after wrong passwords. Three codes are
# good at a time, so that whoever has the password and guesses for a whole day is let in once in three thousand days.
FIRST_PAUSE_SECONDS = 1
LONGEST_PAUSE = datetime.timedelta(minutes=15)
DEFAULT_DAY_START = datetime.time(4, 0)  # A night's last guests belong to the evening before.


def validate_currency(value: str) -> None:
    if not is_currency(value):
        raise ValidationError(f"{value!r} is not an ISO 4217 currency code, such as INR.")


def validate_time_zone(value: str) -> None:
    if value not in available_timezones():
        raise ValidationError(f"{value!r} is not a time zone name, such as Asia/Kolkata.")


class User(AbstractUser):
    id = models.UUIDField(primary_key=True, default=clock.new_id, editable=False)
    signed_out_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When all that was signed in as this person ended."
    )

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """What sessions and tokens are good for: this password, since the last time when everything was signed out."""
        of_password: str = super()._get_session_auth_hash(secret)  # type: ignore[misc]  # Not in Django's stubs.
        return of_password if self.signed_out_at is None else f"{of_password} {self.signed_out_at.isoformat()}"


class FormerName(models.Model):
    """What somebody was called until then. The audit keeps ids, for good; names stand here, and can be deleted."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="former_names")
    username = models.CharField(max_length=150)
    until = models.DateTimeField(default=clock.now)

    class Meta:
        indexes = [models.Index(fields=["user", "until"], name="former_names_in_order")]

    def __str__(self) -> str:
        return f"{self.username} until {self.until:%Y-%m-%d}"


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
LOOKING = (*OFFICE, Role.AUDITOR)  # Who sees what the office works on.
# Who is the second person, where one is not enough.
CHECKERS = (Role.FINANCE_LEAD, Role.ADMIN)


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


class SecondFactor(ThrottlingMixin, Device):  # type: ignore[misc]  # django-otp has no types: these are `Any` here.
    """The app on a person's phone that makes codes (TOTP): one for each person.

    Of django-otp it is a device with its throttle, without its table, where keys are legible, and without its machine's
    clock. Codes are judged in `services.second_factor`, under this row's lock; `verify_token` says no to whoever asks.
    """

    name = None  # There is one, and nobody has to tell it from another.
    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="second_factor")
    confirmed = models.BooleanField(default=False, help_text="A code was given: from then on one is asked for.")
    key = EncryptedField(blank=True, default="")
    offered_key = EncryptedField(blank=True, default="", help_text="Shown, and not confirmed by a code yet.")
    last_step = models.BigIntegerField(default=-1, help_text="Of the newest code that was taken: none is good twice.")
    confirmed_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(confirmed=False) | models.Q(confirmed_at__isnull=False),
                name="confirmed_factor_says_since_when",
            )
        ]

    def __str__(self) -> str:
        return f"second factor of {self.user}"

    def get_throttle_factor(self) -> int:
        return FIRST_PAUSE_SECONDS

    def verify_is_allowed(self) -> tuple[bool, dict[str, Any] | None]:
        until = self.paused_until()
        return (True, None) if until is None else (False, {"locked_until": until})

    def paused_until(self) -> datetime.datetime | None:
        """None: a code may be tried."""
        if not self.throttling_failure_count:
            return None
        doublings = min(self.throttling_failure_count - 1, LONGEST_PAUSE.seconds.bit_length())
        pause = min(datetime.timedelta(seconds=self.get_throttle_factor() << doublings), LONGEST_PAUSE)
        until: datetime.datetime = self.throttling_failure_timestamp + pause
        return until if until > clock.now() else None

    def note_wrong(self) -> None:
        self.throttling_failure_timestamp = clock.now()
        self.throttling_failure_count += 1

    def note_right(self) -> None:
        self.throttle_reset(commit=False)
        self.last_used_at = clock.now()


class RecoveryCode(models.Model):
    """For whoever has no phone at hand: good once. Only its keyed hash is stored."""

    id = models.BigAutoField(primary_key=True)
    factor = models.ForeignKey(SecondFactor, on_delete=models.CASCADE, related_name="recovery_codes")
    code_hash = models.CharField(max_length=64)
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["factor", "code_hash"], name="one_recovery_code_of_a_kind")]

    def __str__(self) -> str:
        return f"recovery code {self.pk}"


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
        indexes = [
            models.Index(fields=["created_at"], name="calls_by_age"),
            # What a client asked about one payment stands in the story of its case.
            models.Index(fields=["subject_id"], name="calls_by_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.operation} {self.key}"


class ApprovalStatus(models.TextChoices):
    PENDING = "pending", "waiting for a second person"
    APPROVED = "approved", "approved"  # For the moment between the word and the deed, which are one transaction.
    DONE = "done", "approved and done"
    REJECTED = "rejected", "rejected"
    WITHDRAWN = "withdrawn", "withdrawn"
    EXPIRED = "expired", "expired"
    OVERTAKEN = "overtaken", "overtaken by what happened"


_DECIDED = (ApprovalStatus.APPROVED, ApprovalStatus.DONE, ApprovalStatus.REJECTED)


class Approval(models.Model):
    """What one person (the maker) asks for and another one (the checker) has to agree with. It is good for one deed.

    What is asked for cannot be changed once it is written: whoever wants something else asks again.
    """

    id = models.UUIDField(primary_key=True, default=clock.new_id, editable=False)
    restaurant = models.ForeignKey(Restaurant, on_delete=models.PROTECT, related_name="+")
    mode = models.CharField(max_length=4, choices=Mode.choices)
    action = models.CharField(max_length=40)
    subject_id = models.UUIDField(help_text="What it is done to: an attempt, a refund, a case.")
    asked_from = models.UUIDField(help_text="The case in which it is asked for.")
    data = models.JSONField(default=dict, help_text="How it is done: an amount, for example.")
    reason = models.CharField(max_length=500, help_text="The maker's.")
    before = models.JSONField(default=dict, help_text="How it looked to the maker.")
    after = models.JSONField(default=dict, help_text="How it would have looked, done at once.")
    status = FSMField(default=ApprovalStatus.PENDING, choices=ApprovalStatus.choices, protected=True)
    maker = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", help_text="None: a program asked, with its key."
    )
    checker = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    answer = models.CharField(max_length=500, blank=True, help_text="The checker's reason.")
    is_alone = models.BooleanField(
        default=False, help_text="Nobody else could: decided by the maker, later and with a second factor."
    )
    created_at = models.DateTimeField(default=clock.now)
    expires_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            legal_status("approval", ApprovalStatus),
            models.CheckConstraint(condition=Q(mode__in=Mode.values), name="approval_mode_is_legal"),
            models.CheckConstraint(
                condition=Q(status__in=_DECIDED, checker__isnull=False, decided_at__isnull=False)
                | (~Q(status__in=_DECIDED) & Q(checker=None, is_alone=False)),
                name="approval_is_decided_by_a_person",
            ),
            models.CheckConstraint(
                condition=Q(checker=None)
                | Q(maker=None)
                | (~Q(checker=F("maker")) & Q(is_alone=False))
                | Q(checker=F("maker"), is_alone=True, decided_at__gte=F("created_at") + ALONE_AFTER),
                name="maker_is_not_checker",
            ),
            models.UniqueConstraint(
                fields=["subject_id"],
                condition=Q(status=ApprovalStatus.PENDING),
                name="one_pending_approval_per_subject",
            ),
        ]
        indexes = [
            models.Index(fields=["restaurant", "mode", "created_at", "id"], name="approvals_of_a_restaurant"),
            models.Index(fields=["asked_from", "id"], name="approvals_by_case"),
            # Who agreed to it is told of each row of a list.
            models.Index(fields=["subject_id"], condition=Q(checker__isnull=False), name="approvals_decided"),
            models.Index(fields=["expires_at"], condition=Q(status=ApprovalStatus.PENDING), name="approvals_to_expire"),
        ]
        triggers = [
            *machine_triggers(),
            pgtrigger.ReadOnly(
                name="what_is_asked_is_fixed",
                fields=[
                    *("id", "restaurant", "mode", "action", "subject_id", "asked_from", "data", "reason"),
                    *("before", "after", "maker", "created_at", "expires_at"),
                ],
            ),
            pgtrigger.Protect(
                name="who_agreed_is_fixed",
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition(
                    "OLD.decided_at IS NOT NULL AND ROW(OLD.checker_id, OLD.answer, OLD.decided_at, OLD.is_alone)"
                    " IS DISTINCT FROM ROW(NEW.checker_id, NEW.answer, NEW.decided_at, NEW.is_alone)"
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} ({self.status})"

    @property
    def is_pending(self) -> bool:
        """Also while no clock has come by to say that its time is over."""
        return self.status == ApprovalStatus.PENDING and clock.now() < self.expires_at

    @transition(field=status, source=ApprovalStatus.PENDING, target=ApprovalStatus.APPROVED)
    def approve(self) -> None:
        """The second person agrees."""
        self.decided_at = clock.now()

    @transition(field=status, source=ApprovalStatus.APPROVED, target=ApprovalStatus.DONE)
    def use(self) -> None:
        """Once: what was approved is done in the transaction that approves it."""

    @transition(field=status, source=ApprovalStatus.PENDING, target=ApprovalStatus.REJECTED)
    def reject(self) -> None:
        """The second person does not agree."""
        self.decided_at = clock.now()

    @transition(field=status, source=ApprovalStatus.PENDING, target=ApprovalStatus.WITHDRAWN)
    def withdraw(self) -> None:
        """The maker does not want it any more."""
        self.decided_at = clock.now()

    @transition(field=status, source=ApprovalStatus.PENDING, target=ApprovalStatus.EXPIRED)
    def expire(self) -> None:
        """Nobody decided in time."""
        self.decided_at = clock.now()

    @transition(field=status, source=ApprovalStatus.PENDING, target=ApprovalStatus.OVERTAKEN)
    def overtake(self) -> None:
        """What it was asked for has ended by itself."""
        self.decided_at = clock.now()
