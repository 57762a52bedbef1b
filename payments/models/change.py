"""New credentials of an account: entered by one person, and in use when a second one agrees."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django.db.models.expressions import RawSQL
from django_fsm import FSMField, transition

from accounts.models import Restaurant
from events.machines import legal_status, machine_triggers
from kernel import clock
from kernel.fields import EncryptedJSONField
from kernel.modes import Mode
from payments.models.account import ProviderAccount


class ChangeStatus(models.TextChoices):
    WAITING = "waiting", "waits for a second person"
    IN_USE = "in_use", "taken into use"
    TURNED_DOWN = "turned_down", "turned down"


class CredentialChange(models.Model):
    """New credentials of an account, from when one person enters them until a second one has agreed, or nobody has."""

    id = models.UUIDField(primary_key=True, default=clock.new_id, editable=False)
    restaurant = models.ForeignKey(Restaurant, on_delete=models.PROTECT, related_name="+")
    mode = models.CharField(max_length=4, choices=Mode.choices)
    account = models.ForeignKey(ProviderAccount, on_delete=models.PROTECT, related_name="changes")
    credentials = EncryptedJSONField(blank=True, default=dict, help_text="Empty as soon as it has ended.")
    was_compared = models.BooleanField(
        default=False, help_text="With these the provider knew a payment that the account took with the old ones."
    )
    reason = models.CharField(max_length=500)
    status = FSMField(default=ChangeStatus.WAITING, choices=ChangeStatus.choices, protected=True)
    version = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=clock.now)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            legal_status("credential_change", ChangeStatus),
            models.CheckConstraint(condition=models.Q(mode__in=Mode.values), name="change_mode_is_legal"),
            models.CheckConstraint(
                condition=RawSQL(
                    "(status = 'waiting') = (credentials <> '') AND (status = 'waiting') = (ended_at IS NULL)",
                    (),
                    output_field=models.BooleanField(),
                ),
                name="an_ended_change_keeps_no_secret",
            ),
            models.UniqueConstraint(
                fields=["account"],
                condition=models.Q(status=ChangeStatus.WAITING),
                name="one_waiting_change_per_account",
            ),
        ]
        triggers = [
            *machine_triggers(),
            pgtrigger.ReadOnly(
                name="what_is_entered_is_fixed",
                fields=["id", "restaurant", "mode", "account", "was_compared", "reason", "created_at"],
            ),
            pgtrigger.Protect(
                name="what_was_agreed_to_is_used",
                operation=pgtrigger.UpdateOf("credentials"),
                condition=pgtrigger.Condition("NEW.credentials <> '' AND OLD.credentials <> NEW.credentials"),
            ),
        ]

    def __str__(self) -> str:
        return f"new credentials ({self.status})"

    @transition(field=status, source=ChangeStatus.WAITING, target=ChangeStatus.IN_USE)
    def take_into_use(self) -> None:
        """The account has them now: a copy would be one more place to steal them from."""
        self._end()

    @transition(field=status, source=ChangeStatus.WAITING, target=ChangeStatus.TURNED_DOWN)
    def turn_down(self) -> None:
        """Nobody agreed."""
        self._end()

    def _end(self) -> None:
        self.credentials = {}
        self.ended_at = clock.now()
