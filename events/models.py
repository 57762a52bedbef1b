"""The history of every transition, the event rows, and what people did. All are written once and never changed."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django.db.models.expressions import RawSQL

from kernel import clock
from kernel.modes import Mode

IMMUTABLE = pgtrigger.Protect(name="immutable", operation=pgtrigger.Update | pgtrigger.Delete)


class Transition(models.Model):
    """One step of one machine. The triggers on money rows look here: a step without its row is refused."""

    # A sequence, not a UUID: steps of one subject are written under its lock, so that this is their true order.
    id = models.BigAutoField(primary_key=True)
    restaurant_id = models.UUIDField()
    mode = models.CharField(max_length=4, choices=Mode.choices)
    subject_kind = models.CharField(max_length=20)
    subject_id = models.UUIDField()
    step = models.CharField(max_length=40)
    from_status = models.CharField(max_length=32, blank=True)
    to_status = models.CharField(max_length=32)
    reason = models.CharField(max_length=500)
    evidence = models.JSONField(default=dict)
    actor_kind = models.CharField(max_length=10)
    actor_id = models.CharField(max_length=64, blank=True)
    request_id = models.CharField(max_length=128, blank=True)
    at = models.DateTimeField(default=clock.now)
    transaction_id = models.BigIntegerField(
        db_default=RawSQL("txid_current()", ()), editable=False, help_text="The transaction that made the step."
    )

    class Meta:
        indexes = [
            models.Index(fields=["subject_id", "id"], name="transition_by_subject"),
            # An error names its request to whoever sees it: what became of it is asked by that name.
            models.Index(fields=["request_id"], condition=~models.Q(request_id=""), name="transition_by_request"),
        ]
        triggers = [IMMUTABLE]

    def __str__(self) -> str:
        return f"{self.subject_kind} {self.subject_id}: {self.from_status or 'new'} → {self.to_status}"


class Event(models.Model):
    """One business fact, in the transaction that made it true. Receivers order by stream and version."""

    id = models.UUIDField(primary_key=True, default=clock.new_id, editable=False)
    restaurant_id = models.UUIDField()
    mode = models.CharField(max_length=4, choices=Mode.choices)
    type = models.CharField(max_length=60)
    stream_kind = models.CharField(max_length=20)
    stream_id = models.UUIDField()
    version = models.PositiveIntegerField()
    data = models.JSONField(default=dict)
    actor_kind = models.CharField(max_length=10)
    actor_id = models.CharField(max_length=64, blank=True)
    request_id = models.CharField(max_length=128, blank=True)
    at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["stream_id", "version"], name="one_event_per_stream_version"),
        ]
        indexes = [models.Index(fields=["request_id"], condition=~models.Q(request_id=""), name="event_by_request")]
        triggers = [IMMUTABLE]

    def __str__(self) -> str:
        return f"{self.type} of {self.stream_kind} {self.stream_id} v{self.version}"


class AuditChain(models.Model):
    """Where the entries of one restaurant, or of the whole installation, have got to. Its row is their lock."""

    id = models.UUIDField(primary_key=True, editable=False, help_text="The restaurant, or zero for the installation.")
    number = models.PositiveBigIntegerField(default=0)
    seal = models.CharField(max_length=64, blank=True)

    class Meta:
        triggers = [pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.id} at {self.number}"


class AuditEntry(models.Model):
    """One deed of a named person (I16). Each entry is sealed together with the seal of the one before it."""

    id = models.BigAutoField(primary_key=True)
    chain = models.ForeignKey(AuditChain, on_delete=models.PROTECT, related_name="entries")
    number = models.PositiveBigIntegerField()
    mode = models.CharField(max_length=4, choices=Mode.choices, blank=True, help_text="Empty: it is about no money.")
    at = models.DateTimeField(default=clock.now)
    actor_kind = models.CharField(max_length=10)
    actor_id = models.CharField(max_length=64)
    request_id = models.CharField(max_length=128, blank=True)
    action = models.CharField(max_length=60)
    subject_kind = models.CharField(max_length=20)
    subject_id = models.CharField(max_length=64)
    reason = models.CharField(max_length=500, blank=True)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    transaction_id = models.BigIntegerField(
        db_default=RawSQL("txid_current()", ()), editable=False, help_text="The transaction that it was done in."
    )
    seal = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["chain", "number"], name="one_audit_entry_per_number")]
        indexes = [
            models.Index(fields=["subject_id", "id"], name="audit_by_subject"),
            # What one person did; and of a day, which is what is asked for when something is looked into.
            models.Index(fields=["actor_id", "id"], name="audit_by_person"),
            models.Index(fields=["at"], name="audit_by_time"),
            models.Index(fields=["request_id"], condition=~models.Q(request_id=""), name="audit_by_request"),
        ]
        triggers = [IMMUTABLE]

    def __str__(self) -> str:
        return f"{self.chain_id} no. {self.number}: {self.action}"
