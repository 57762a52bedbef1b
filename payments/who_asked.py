"""Who asked for a refund and who agreed to it, by name: read with its row, also of many rows of a list."""

from __future__ import annotations

from typing import Any

from django.db.models import CharField, F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce, JSONObject

from accounts.models import Approval, ApprovalStatus
from accounts.names import id_in, name_now, program_of
from events.actors import SHELL
from kernel.shown import NOTHING
from payments.models import Refund, RefundOrigin, RefundStatus
from payments.services.deeds import PaymentDeed


def with_who_asked(refunds: QuerySet[Refund]) -> QuerySet[Refund]:
    """A person and a program have an id; the system and a provider have none."""
    # To the refund itself. To what was then recorded of one that was sent others may have agreed.
    agreed = Approval.objects.filter(
        subject_id=OuterRef("pk"),
        checker__isnull=False,
        status=ApprovalStatus.DONE,
        action__in=(PaymentDeed.REQUEST_REFUND, PaymentDeed.RECORD_GIVEN_BACK),
    )
    asked_by = OuterRef("asked_by")
    return refunds.annotate(asked_by=id_in("requested_by")).annotate(
        asker=Coalesce(name_now(asked_by), program_of(asked_by), output_field=CharField()),
        agreed=Subquery(agreed.values(said=JSONObject(name=F("checker__username"), is_alone=F("is_alone")))[:1]),
    )


def who_asked(refund: Any) -> str:
    """Of one that was read with it."""
    if refund.asker:
        return str(refund.asker)
    if refund.requested_by:
        return "somebody at the shell" if refund.requested_by == SHELL.id else "somebody who is not known any more"
    return "the provider, or the guest's bank" if refund.origin == RefundOrigin.PROVIDER else "the system"


def who_agreed(refund: Any) -> str:
    """Nobody, where nobody had to."""
    if refund.agreed is None:
        return "nobody yet" if refund.status == RefundStatus.WAITING_APPROVAL else NOTHING
    return f"{refund.agreed['name']}, who was alone" if refund.agreed["is_alone"] else str(refund.agreed["name"])
