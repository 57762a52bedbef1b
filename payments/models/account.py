"""Provider accounts (our contracts), the routes to them, and operators' breaker overrides."""

from __future__ import annotations

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models

from accounts.models import Restaurant
from kernel import clock
from kernel.fields import EncryptedJSONField
from kernel.modes import Mode

# Whatever program writes them, the transaction is the one in which a second person agreed to them.
_AGREED_TO = """
    IF EXISTS (SELECT 1 FROM payments_provideraccount a WHERE a.id = NEW.id AND a.credentials <> '')
       AND NOT EXISTS (
        SELECT 1 FROM payments_credentialchange c
          JOIN events_transition t ON t.subject_id = c.id AND t.to_status = 'in_use'
         WHERE c.account_id = NEW.id AND t.transaction_id = txid_current()) THEN
        RAISE EXCEPTION 'Two people have to agree to the credentials of account %', NEW.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
"""


class ProviderAccount(models.Model):
    """A restaurant's contract with a provider, in one mode."""

    id = models.UUIDField(primary_key=True, default=clock.new_id, editable=False)
    restaurant = models.ForeignKey(Restaurant, on_delete=models.PROTECT, related_name="provider_accounts")
    mode = models.CharField(max_length=4, choices=Mode.choices)
    provider = models.SlugField(max_length=32)
    label = models.CharField(max_length=80)
    credentials = EncryptedJSONField(blank=True, default=dict)
    breaker = models.JSONField(default=dict, blank=True, help_text="Thresholds that differ from the defaults.")
    fee_bps = models.PositiveSmallIntegerField(default=0, help_text="Fee in hundredths of a percent.")
    enabled = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["restaurant", "mode", "label"], name="one_account_per_label"),
            models.UniqueConstraint(fields=["id", "restaurant", "mode"], name="account_with_its_tenant"),
            models.CheckConstraint(condition=models.Q(mode__in=Mode.values), name="account_mode_is_legal"),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="live_credentials_with_two",
                operation=pgtrigger.Insert | pgtrigger.UpdateOf("credentials", "mode"),
                when=pgtrigger.After,
                timing=pgtrigger.Deferred,
                condition=pgtrigger.Condition("NEW.mode = 'live' AND NEW.credentials <> ''"),
                func=_AGREED_TO,
            ),
        ]

    def __str__(self) -> str:
        return self.label


class Route(models.Model):
    """One place in a restaurant's ordered chain. Empty lists and bounds mean: any."""

    restaurant = models.ForeignKey(Restaurant, on_delete=models.PROTECT, related_name="routes")
    mode = models.CharField(max_length=4, choices=Mode.choices)
    position = models.PositiveSmallIntegerField()
    account = models.ForeignKey(ProviderAccount, on_delete=models.PROTECT, related_name="routes")
    methods = ArrayField(models.CharField(max_length=10), default=list, blank=True)
    currencies = ArrayField(models.CharField(max_length=3), default=list, blank=True)
    channels = ArrayField(models.CharField(max_length=10), default=list, blank=True)
    min_minor = models.BigIntegerField(null=True, blank=True)
    max_minor = models.BigIntegerField(null=True, blank=True)
    enabled = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["restaurant", "mode", "position"], name="one_route_per_position"),
        ]
        ordering = ["position"]

    def __str__(self) -> str:
        return f"{self.position}: {self.account_id}"


class BreakerOverride(models.Model):
    """An operator's word over the breaker's: who, why and until when. The newest one that still lasts counts."""

    id = models.UUIDField(primary_key=True, default=clock.new_id, editable=False)
    provider = models.SlugField(max_length=32)
    mode = models.CharField(max_length=4, choices=Mode.choices)
    operation = models.CharField(max_length=10)
    state = models.CharField(max_length=10)
    reason = models.CharField(max_length=300)
    actor_id = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=clock.now)
    expires_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["provider", "mode", "operation", "-created_at"], name="newest_override")]

    def __str__(self) -> str:
        return f"{self.provider} {self.operation} forced {self.state}"
