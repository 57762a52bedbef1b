"""What people wrote about a case and laid to it: notes and evidence."""

from __future__ import annotations

from django.db import models

from accounts.models import User
from events.models import IMMUTABLE
from failures.models.case import Case
from kernel import clock
from kernel.fields import EncryptedBytesField, EncryptedField


class CaseNote(models.Model):
    """What a person wrote down for the colleagues. It is never changed: whoever erred writes another one."""

    id = models.UUIDField(primary_key=True, default=clock.new_id, editable=False)
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="notes")
    author = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=clock.now)
    text = EncryptedField()

    class Meta:
        triggers = [IMMUTABLE]

    def __str__(self) -> str:
        return f"note of {self.author} at {self.at:%Y-%m-%d %H:%M}"


class EvidenceKind(models.TextChoices):
    """What a file really is, whatever it is called."""

    PDF = "application/pdf", "PDF"
    PNG = "image/png", "PNG"
    JPEG = "image/jpeg", "JPEG"
    CSV = "text/csv", "CSV"


class CaseFile(models.Model):
    """A bank's letter, a picture of a provider's page: evidence, kept as it came and encrypted."""

    id = models.UUIDField(primary_key=True, default=clock.new_id, editable=False)
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="files")
    author = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=clock.now)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=20, choices=EvidenceKind.choices)
    size = models.PositiveIntegerField(help_text="In bytes.")
    sha256 = models.CharField(max_length=64, help_text="Of its content.")
    content = EncryptedBytesField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(kind__in=EvidenceKind.values), name="evidence_kind_is_legal"),
            models.UniqueConstraint(fields=["case", "sha256"], name="one_evidence_file_per_case_and_content"),
        ]
        triggers = [IMMUTABLE]

    def __str__(self) -> str:
        return self.name
