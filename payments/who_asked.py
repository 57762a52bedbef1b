"""Who asked for a refund and who agreed to it, by name: read with its row, also of many rows of a list."""

from __future__ import annotations

from typing import Any

from django.db.models import Case as If
from django.db.models import F, OuterRef, QuerySet, Subquery, UUIDField, When
from django.db.models.functions import Cast, JSONObject

from accounts.models import ApiKey, Approval, ApprovalStatus, User
from events.actors import SHELL
from kernel.shown import NOTHING
from payments.models import Refund, RefundOrigin, RefundStatus

# Whoever asked has an id, if it was a person or a program; a provider and the system have none.
_IS_ID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"


def with_who_asked(refunds: QuerySet[Refund]) -> QuerySet[Refund]:
    asked_by = If(When(requested_by__regex=_IS_ID, then=Cast("requested_by", UUIDField())), default=None)
    people = User.objects.filter(pk=OuterRef("asked_by"))
    # A key that was rotated is the same program: it is called as it is called now.
    programs = ApiKey.objects.filter(lineage=OuterRef("asked_by")).order_by("-created_at")
    agreed = Approval.objects.filter(subject_id=OuterRef("pk"), checker__isnull=False, status=ApprovalStatus.DONE)
    return refunds.annotate(asked_by=asked_by).annotate(
        asking_person=Subquery(people.values("username")[:1]),
        asking_program=Subquery(programs.values("name")[:1]),
        agreed=Subquery(agreed.values(said=JSONObject(name=F("checker__username"), is_alone=F("is_alone")))[:1]),
    )


def who_asked(refund: Any) -> str:
    """Of one that was read with it."""
    if refund.asking_person:
        return str(refund.asking_person)
    if refund.asking_program:
        return f"{refund.asking_program}, a program"
    if refund.requested_by:
        return "somebody at the shell" if refund.requested_by == SHELL.id else "somebody who is not known any more"
    return "the provider, or the guest's bank" if refund.origin == RefundOrigin.PROVIDER else "the system"


def who_agreed(refund: Any) -> str:
    """Nobody, where nobody had to."""
    if refund.agreed is None:
        return "nobody yet" if refund.status == RefundStatus.WAITING_APPROVAL else NOTHING
    return f"{refund.agreed['name']}, who was alone" if refund.agreed["is_alone"] else str(refund.agreed["name"])
