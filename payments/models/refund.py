"""A refund: money on its way back, through the attempt that captured it."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django_fsm import FSMField, transition

from accounts.models import Restaurant
from events.machines import legal_status, machine_triggers
from kernel import clock
from kernel.modes import Mode
from payments.models.account import ProviderAccount
from payments.models.attempt import Attempt
from payments.models.leased import Leased, NextAction
from payments.models.payment import Payment
from payments.models.telling import Telling


class RefundStatus(models.TextChoices):
    REQUESTED = "requested", "requested"
    WAITING_APPROVAL = "waiting_approval", "waiting for a second person"
    PROCESSING = "processing", "processing"
    COMPLETED = "completed", "completed"
    FAILED = "failed", "failed"


class RefundOrigin(models.TextChoices):
    PERSON = "person", "asked for by a person or a client"
    SURPLUS = "surplus", "money that was never ours"
    PROVIDER = "provider", "started at the provider, or a chargeback"
    OUTSIDE = "outside", "given back in another way, as people recorded"


# What a human was told about a refund that did not end within its bound.
PROLONGED = "prolonged"
# While in one of these the amount is reserved on its attempt.
RESERVING = (RefundStatus.REQUESTED, RefundStatus.WAITING_APPROVAL, RefundStatus.PROCESSING)


class Refund(Leased, Telling):
    id = models.UUIDField(primary_key=True, default=clock.new_id, editable=False)
    restaurant = models.ForeignKey(Restaurant, on_delete=models.PROTECT, related_name="+")
    mode = models.CharField(max_length=4, choices=Mode.choices)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refunds")
    attempt = models.ForeignKey(Attempt, on_delete=models.PROTECT, related_name="refunds")
    account = models.ForeignKey(ProviderAccount, on_delete=models.PROTECT, related_name="+")
    amount_minor = models.BigIntegerField()
    tip_minor = models.BigIntegerField(default=0)
    currency = models.CharField(max_length=3)
    again_of = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        related_name="made_again",
        help_text="The one that failed, in whose place this one was asked for.",
    )
    origin = models.CharField(max_length=10, choices=RefundOrigin.choices, default=RefundOrigin.PERSON)
    reason = models.CharField(max_length=500)
    reopens_order = models.BooleanField(default=False, help_text="The order becomes payable again by this amount.")
    status = FSMField(default=RefundStatus.REQUESTED, choices=RefundStatus.choices, protected=True)
    in_doubt = models.BooleanField(default=False)
    provider_reference = models.CharField(max_length=255, blank=True)
    error_code = models.CharField(max_length=40, blank=True)
    error_message = models.CharField(max_length=300, blank=True)
    evidence = models.JSONField(default=dict)
    sends = models.PositiveSmallIntegerField(default=0)
    is_awaited = models.BooleanField(default=False, help_text="It was sent, and its sender told nothing yet.")
    failed_sends = models.PositiveSmallIntegerField(default=0, help_text="Sends that provably never arrived.")
    key_expires_at = models.DateTimeField(null=True)
    invisible_until = models.DateTimeField(null=True)
    not_found_count = models.PositiveSmallIntegerField(default=0)
    not_found_at = models.DateTimeField(null=True, help_text="When that was counted last.")
    look_ups = models.PositiveSmallIntegerField(default=0)
    doubt_since = models.DateTimeField(null=True)
    requested_by = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(default=clock.now)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            legal_status("refund", RefundStatus),
            models.CheckConstraint(
                condition=models.Q(amount_minor__gte=0, tip_minor__gte=0)
                & (models.Q(amount_minor__gt=0) | models.Q(tip_minor__gt=0)),
                name="refund_amount_is_positive",
            ),
            models.CheckConstraint(
                condition=models.Q(in_doubt=False) | models.Q(status=RefundStatus.PROCESSING),
                name="refund_in_doubt_is_processing",
            ),
            models.UniqueConstraint(
                fields=["account", "provider_reference"],
                condition=~models.Q(provider_reference=""),
                name="one_refund_per_provider_reference",
            ),
            # Under way: that one went back after all is news that no constraint may keep out.
            models.UniqueConstraint(
                fields=["again_of"],
                condition=models.Q(status__in=RESERVING),
                name="one_refund_in_the_place_of_another",
            ),
            models.UniqueConstraint(
                fields=["attempt"],
                condition=models.Q(origin=RefundOrigin.SURPLUS, status__in=RESERVING),
                name="one_refund_per_surplus",
            ),
        ]
        indexes = [
            # What is being worked on right now: a handful of rows, counted by every claim.
            models.Index(fields=["lease_until"], condition=models.Q(lease_until__isnull=False), name="refunds_leased"),
            models.Index(
                fields=["next_action_at"], condition=models.Q(next_action_at__isnull=False), name="refunds_due"
            ),
            models.Index(fields=["restaurant", "mode", "created_at", "id"], name="refunds_of_a_restaurant"),
            # A handful of all there are, counted on the console's first page.
            models.Index(
                fields=["restaurant", "mode", "created_at", "id"],
                condition=models.Q(in_doubt=True),
                name="refunds_in_doubt",
            ),
            # How many somebody asked for lately is counted at each.
            models.Index(
                fields=["requested_by", "created_at"], condition=~models.Q(requested_by=""), name="refunds_by_caller"
            ),
        ]
        triggers = [
            *machine_triggers(),
            pgtrigger.ReadOnly(
                name="identity_is_fixed",
                fields=[
                    "id",
                    "payment",
                    "attempt",
                    "account",
                    "amount_minor",
                    "tip_minor",
                    "currency",
                    "origin",
                    "again_of",
                ],
            ),
        ]

    def __str__(self) -> str:
        return f"refund {self.id}"

    @property
    def total_minor(self) -> int:
        return self.amount_minor + self.tip_minor

    # What `ask_again` changes.
    ASKED_AGAIN = (
        "next_action",
        "next_action_at",
        "lease_token",
        "lease_until",
        "doubt_since",
        "look_ups",
        "not_found_count",
        "told",
    )

    def ask_again(self) -> None:
        """It has ended, and something speaks against it: the provider is asked, from the beginning."""
        if self.next_action == NextAction.LOOK_UP:
            return  # It is being asked already; a chatty provider postpones no bound.
        self.forget(PROLONGED)
        self.doubt_since = clock.now()
        self.look_ups = self.not_found_count = 0
        self.plan(NextAction.LOOK_UP, self.doubt_since)

    @property
    def may_have_arrived(self) -> bool:
        """Some send of it may have reached the provider."""
        return self.sends > self.failed_sends

    @transition(field=status, source=RefundStatus.REQUESTED, target=RefundStatus.WAITING_APPROVAL)
    def wait_for_approval(self) -> None:
        """It is more than its maker may give back alone. The amount is reserved; nothing is sent."""

    @transition(field=status, source=RefundStatus.WAITING_APPROVAL, target=RefundStatus.REQUESTED)
    def release(self) -> None:
        """A second person agreed, or it is owed to the guest by now."""

    @transition(field=status, source=RefundStatus.WAITING_APPROVAL, target=RefundStatus.FAILED)
    def turn_down(self) -> None:
        """The second person did not agree, or nobody did in time. Nothing was sent."""
        self._finish()

    @transition(field=status, source=RefundStatus.REQUESTED, target=RefundStatus.PROCESSING)
    def process(self) -> None:
        """The first send begins."""

    @transition(field=status, source=[RefundStatus.REQUESTED, RefundStatus.PROCESSING], target=RefundStatus.COMPLETED)
    def complete(self) -> None:
        """The provider says that the money went back, or a named person handed it over."""
        self._finish()

    @transition(field=status, source=[RefundStatus.REQUESTED, RefundStatus.PROCESSING], target=RefundStatus.FAILED)
    def fail(self) -> None:
        """The provider refused, finally: the reservation is freed and a case is open."""
        self._finish()

    @transition(field=status, source=RefundStatus.FAILED, target=RefundStatus.COMPLETED)
    def complete_late(self) -> None:
        """It went back although we were told that it would not."""
        self._finish()

    @transition(field=status, source=RefundStatus.COMPLETED, target=RefundStatus.FAILED)
    def bounce(self) -> None:
        """The provider took its word back days later."""
        self._finish()

    def _finish(self) -> None:
        self.in_doubt = False
        self.finished_at = clock.now()
        self.plan(NextAction.NONE)
