"""A row that is its own queue entry: what happens next, when, and who holds it at the moment."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import models

from kernel import clock


class NextAction(models.TextChoices):
    """What the clock will do for this row."""

    NONE = "", "nothing"
    BEGIN = "begin", "choose a provider and send"
    RESEND = "resend", "send again with the same key"
    LOOK_UP = "look_up", "ask the provider"
    CANCEL = "cancel", "close the attempt"
    EXPIRE = "expire", "free the share"


class Leased(models.Model):
    next_action = models.CharField(max_length=10, choices=NextAction.choices, blank=True, default=NextAction.NONE)
    next_action_at = models.DateTimeField(null=True)
    lease_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    claims = models.PositiveSmallIntegerField(default=0, help_text="Claims in a row that never came back.")

    class Meta:
        abstract = True

    @property
    def is_leased(self) -> bool:
        return self.lease_until is not None and self.lease_until > clock.now()

    def is_held_by(self, token: UUID | None) -> bool:
        """Compare and set: whoever lost the lease holds nothing any more (I12)."""
        return self.is_leased and self.lease_token == token

    def may_be_taken_by(self, token: UUID | None) -> bool:
        """A leased row is only its claimer's; a free one is anybody's who comes without a claim."""
        return self.is_held_by(token) if self.is_leased else token is None

    def plan(self, action: NextAction, at: datetime | None = None) -> None:
        """Write down what happens next. Ends the lease: whoever held it has done its part."""
        self.next_action = action
        self.next_action_at = at if action else None
        self.lease_token = None
        self.lease_until = None

    def lease(self, until: datetime) -> UUID:
        """Hold it from now on. If the holder dies, the next look is at the end, and it is a look-up."""
        self.plan(NextAction.LOOK_UP, until)
        self.lease_token = clock.new_id()
        self.lease_until = until
        return self.lease_token
