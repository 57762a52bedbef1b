"""What a provider's page sent back through the guest's browser: signed, it is a notice; else it is nothing."""

from __future__ import annotations

from uuid import UUID

from events.actors import Actor
from payments.models import Attempt
from payments.services.notices import apply_notice, receive_notice
from payments.services.providers import PROVIDERS, facts_of
from payments.services.refusals import HandshakeRefused, NoticeRefused

FORM = "application/x-www-form-urlencoded"


def take_handshake(*, payment_id: UUID, query: str, actor: Actor) -> None:
    """Tried with the accounts of this payment's attempts, the newest first."""
    attempts = Attempt.objects.filter(payment=payment_id, account__provider__in=list(PROVIDERS))
    for attempt in attempts.select_related("account").order_by("-number"):
        if facts_of(attempt.account).is_manual:
            continue
        try:
            received = receive_notice(account=attempt.account, headers={"Content-Type": FORM}, body=query.encode())
        except NoticeRefused:
            continue
        apply_notice(notice_id=received.notice_id, actor=actor)
        return
    raise HandshakeRefused("None of this payment's providers signed this, or too long ago.", field="query")
