"""How many refunds one caller may ask for: counted in the database, where no outage lets anybody try his luck."""

from __future__ import annotations

import math
from datetime import timedelta

from django.conf import settings

from events.actors import Actor
from kernel import clock
from kernel.statements import Statement
from payments.models import Refund
from payments.services.refusals import RefundRefused

WINDOW = timedelta(hours=1)
# Until the transaction ends: two that count at once would both see room for one. It is taken after the order's lock,
# always: whoever waits for it holds nothing that its holder still needs.
_ONE_AT_A_TIME = Statement("SELECT pg_advisory_xact_lock(hashtext(%s))")


def check_how_often(actor: Actor) -> None:
    """For whoever asks over HTTP, by whatever way money goes back; what the system does by itself is not counted."""
    if not (actor.id and actor.request_id):
        return
    _ONE_AT_A_TIME.read([f"refunds of {actor.id}"])
    most = settings.STEWARD_REFUNDS_PER_HOUR
    now = clock.now()
    lately = Refund.objects.filter(requested_by=actor.id, created_at__gt=now - WINDOW).order_by("-created_at")
    # The last one that there was room for: there is room again once it is an hour old.
    last = lately.values_list("created_at", flat=True)[most - 1 : most].first()
    if last is not None:
        raise RefundRefused(
            f"{most} refunds in an hour by one caller are enough. Go on later, or let a colleague look.",
            code="too_many_refunds",
            retry_after_seconds=math.ceil((last + WINDOW - now).total_seconds()),
        )
