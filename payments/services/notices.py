"""Notices of providers: verified, stored once, then settled. Unknown subjects are parked, never dropped."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F

from events.actors import PROVIDER, Actor
from events.services import Journal
from kernel import clock
from kernel.crashpoints import CrashPoint, crashpoint
from kernel.statements import Insertion
from payments.gateways.contract import InvalidNotice, Notice, Subject
from payments.gateways.waits import backoff_seconds
from payments.models import Attempt, InboundNotice, NoticeState, ProviderAccount, Refund
from payments.services import notice_content, timing
from payments.services.evidence import Source, from_look_up
from payments.services.facts import PaymentEvent
from payments.services.providers import gateway_for
from payments.services.refund_settlement import settle_refund
from payments.services.refusals import NoticeRefused
from payments.services.settlement import settle_attempt

security_log = logging.getLogger("steward.security")
_INSERTION = Insertion(InboundNotice)

_UNSETTLED = (NoticeState.STORED, NoticeState.PARKED)
# What of the headers is needed to verify again: never cookies or credentials.
MAX_HEADER_LENGTH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    notice_id: UUID
    is_new: bool


def receive_notice(*, account: ProviderAccount, headers: Mapping[str, str], body: bytes) -> Received:
    """Verified against this account's secrets on the raw bytes, and committed before anybody answers 2xx."""
    clock.keep_true()  # A signature's age is judged by it, and this may be all that a process ever does.
    gateway = gateway_for(account)
    try:
        notice = gateway.read_notice(headers, body)
    except InvalidNotice as invalid:
        security_log.warning("notice_refused", extra={"account": str(account.pk), "provider": account.provider})
        raise NoticeRefused("The signature or the form of this notice is wrong.") from invalid
    stored, is_new = _stored(account, notice.id, headers, body, notice)
    if not is_new and notice_content.meaning(stored.content) != notice_content.meaning(notice_content.written(notice)):
        # The same event id, signed, with other news: neither is dropped for the other.
        security_log.warning("notice_id_reused", extra={"account": str(account.pk), "notice": str(stored.pk)})
        stored, is_new = _stored(account, _own_id(notice), headers, body, notice)
    if not is_new:
        InboundNotice.objects.filter(pk=stored.pk).update(repeats=F("repeats") + 1)
    crashpoint(CrashPoint.NOTICE_AFTER_STORE)
    return Received(notice_id=stored.pk, is_new=is_new)


def _stored(
    account: ProviderAccount, event_id: str, headers: Mapping[str, str], body: bytes, notice: Notice
) -> tuple[InboundNotice, bool]:
    signed = {name: value[:MAX_HEADER_LENGTH] for name, value in headers.items() if "signature" in name.lower()}
    new = InboundNotice(
        account=account,
        event_id=event_id,
        restaurant_id=account.restaurant_id,
        mode=account.mode,
        headers=json.dumps(signed),
        body=body.decode("utf-8", errors="replace"),
        content=notice_content.written(notice),
        subject_id=notice.key,
        next_action_at=clock.now(),
    )
    if _INSERTION.write_unless_there(new, "account", "event_id"):
        return new, True
    return InboundNotice.objects.get(account=account, event_id=event_id), False


def _own_id(notice: Notice) -> str:
    """Of the provider's id and what it says, so that a repetition of it is one again."""
    said = notice_content.meaning(notice_content.written(notice))
    return f"sha256:{hashlib.sha256(f'{notice.id} {said}'.encode()).hexdigest()}"


def apply_notice(*, notice_id: UUID, actor: Actor = PROVIDER) -> None:
    """Settles what it says. It can touch only what belongs to the account that signed it."""
    stored = InboundNotice.objects.select_related("account").get(pk=notice_id)
    if stored.state not in _UNSETTLED:
        return
    notice = notice_content.read(stored.event_id, stored.content)
    subject_id = _find_subject(stored.account, notice)
    if subject_id is None:
        _park(notice_id)
        return
    evidence = from_look_up(notice.result, source=Source.NOTICE)
    if notice.subject == Subject.CHARGE:
        settle_attempt(attempt_id=subject_id, evidence=evidence, actor=actor)
    else:
        settle_refund(refund_id=subject_id, evidence=evidence, actor=actor)
    _finish(notice_id, NoticeState.APPLIED)


def _find_subject(account: ProviderAccount, notice: Notice) -> UUID | None:
    model = Attempt if notice.subject == Subject.CHARGE else Refund
    mine = model._default_manager.filter(account=account)
    try:
        by_key = mine.filter(pk=UUID(notice.key)).values_list("pk", flat=True).first()
    except ValueError:
        by_key = None
    if by_key is not None or not notice.result.reference:
        return by_key
    return mine.filter(provider_reference=notice.result.reference).values_list("pk", flat=True).first()


def _park(notice_id: UUID) -> None:
    """It may be ahead of our own commit. After an hour it is an orphan, and a human is told."""
    with transaction.atomic():
        stored = InboundNotice.objects.select_for_update().get(pk=notice_id)
        if stored.state not in _UNSETTLED:
            return  # Somebody else found whose it is meanwhile.
        stored.tries += 1
        stored.claims = 0
        stored.state = NoticeState.PARKED
        stored.next_action_at = clock.now() + timedelta(seconds=1 + backoff_seconds(stored.tries))
        journal = Journal(PROVIDER)
        if clock.now() >= stored.received_at + timing.NOTICE_PARKING:
            stored.state = NoticeState.ORPHANED
            stored.next_action_at = None
            journal.happened(PaymentEvent.NOTICE_ORPHANED, stored, event_id=stored.event_id, key=stored.subject_id)
        stored.save(update_fields=["tries", "claims", "state", "next_action_at", "version"])
        journal.write()


def _finish(notice_id: UUID, state: NoticeState) -> None:
    InboundNotice.objects.filter(pk=notice_id).update(state=state, next_action_at=None)
