"""Who changed something last, and why: from the audit, for the page of what was changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from accounts.models import User
from events.models import AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class LastChange:
    who: str
    why: str
    at: datetime


def last_change_of(subject_id: str) -> LastChange | None:
    entry = AuditEntry.objects.filter(subject_id=subject_id).order_by("-id").first()
    if entry is None:
        return None
    name = User.objects.filter(pk=entry.actor_id).values_list("username", flat=True).first()
    return LastChange(who=name or entry.actor_id, why=entry.reason, at=entry.at)
