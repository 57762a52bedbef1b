"""What a provider would have said, as evidence, for stories in which none is asked: generated data is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from kernel import clock
from kernel.money import Money
from payments.gateways.contract import Answer, ErrorCode, LookUpResult, Notice, RefundFact, Subject, Theirs
from payments.models import InboundNotice, ProviderAccount
from payments.services import notice_content
from payments.services.evidence import Evidence, Finding, Source


def said(finding: Finding, *, source: Source, code: str = "", **more: Any) -> Evidence:
    """By a provider that was never asked."""
    return Evidence(source=source, finding=finding, code=ErrorCode(code), **more)


def refund_in_books(*, reference: str, money: Money, theirs: Theirs = Theirs.NOT_SAID) -> RefundFact:
    """Made at the provider by hand, or a chargeback."""
    return RefundFact(reference=reference, money=money, succeeded=True, theirs=theirs)


def store_notice(*, account: ProviderAccount, key: UUID, money: Money, event_id: str, **about: Any) -> InboundNotice:
    """A signed message that says that a charge succeeded, as the inbox keeps it before anything is done about it."""
    reference, raw = str(about.pop("reference", "")), _raw(key, money)
    result = LookUpResult(answer=Answer.SUCCEEDED, reference=reference, money=money, raw=raw)
    notice = Notice(id=event_id, subject=Subject.CHARGE, key=str(key), result=result)
    stored = InboundNotice(
        account=account,
        event_id=event_id,
        restaurant_id=account.restaurant_id,
        mode=account.mode,
        content=notice_content.written(notice),
        subject_id=notice.key,
        next_action_at=clock.now(),
        **about,
    )
    stored.save(force_insert=True)
    return stored


def _raw(key: UUID, money: Money) -> Mapping[str, Any]:
    return {"object": "charge", "key": str(key), "status": "succeeded", "amount_minor": money.minor}
