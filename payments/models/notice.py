"""The inbox: signed messages of providers, stored once, before anything is done about them."""

from __future__ import annotations

from django.db import models

from kernel import clock
from kernel.fields import EncryptedField
from kernel.modes import Mode
from payments.models.account import ProviderAccount


class NoticeState(models.TextChoices):
    STORED = "stored", "stored"
    APPLIED = "applied", "applied"
    PARKED = "parked", "its reference is not known yet"
    ORPHANED = "orphaned", "its reference stayed unknown: a human looks"
    QUARANTINED = "quarantined", "it broke its workers again and again: a human looks"


class InboundNotice(models.Model):
    id = models.UUIDField(primary_key=True, default=clock.new_id, editable=False)
    restaurant_id = models.UUIDField()
    mode = models.CharField(max_length=4, choices=Mode.choices)
    account = models.ForeignKey(ProviderAccount, on_delete=models.PROTECT, related_name="notices")
    event_id = models.CharField(max_length=255)
    headers = EncryptedField(blank=True, default="")
    body = EncryptedField(blank=True, default="", help_text="Raw; kept for 90 days.")
    content = EncryptedField(help_text="What the gateway read in it, once its signature was verified.")
    version = models.PositiveIntegerField(default=0)
    subject_id = models.CharField(max_length=64, blank=True, help_text="Our key, as the provider repeated it.")
    state = models.CharField(max_length=12, choices=NoticeState.choices, default=NoticeState.STORED)
    claims = models.PositiveSmallIntegerField(default=0, help_text="Claims in a row that never came back.")
    tries = models.PositiveSmallIntegerField(default=0)
    repeats = models.PositiveIntegerField(default=0, help_text="How often the provider sent it again.")
    next_action_at = models.DateTimeField(null=True)
    received_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "event_id"], name="one_notice_per_event"),
            models.CheckConstraint(condition=models.Q(state__in=NoticeState.values), name="notice_state_is_legal"),
        ]
        indexes = [
            models.Index(
                fields=["next_action_at"], condition=models.Q(next_action_at__isnull=False), name="notices_due"
            ),
            # What was said about one attempt or refund stands in the story of its case.
            models.Index(fields=["subject_id"], condition=~models.Q(subject_id=""), name="notices_by_subject"),
        ]

    def __str__(self) -> str:
        return self.event_id
