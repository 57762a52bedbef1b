"""What happens to cases, and which events of others concern them."""

from __future__ import annotations

from enum import StrEnum

from events.models import Event
from kernel.errors import ServiceError
from payments.services.facts import AccountEvent, PaymentEvent, RefundEvent


class CaseEvent(StrEnum):
    OPENED = "case.opened"
    GREW = "case.grew"
    ASSIGNED = "case.assigned"
    GIVEN_BACK = "case.given_back"
    SNOOZED = "case.snoozed"
    ASKED = "case.asked"
    NOTED = "case.noted"
    FILE_ADDED = "case.file_added"
    APPROVAL_ASKED = "case.approval_asked"
    APPROVAL_ENDED = "case.approval_ended"
    PAID_ELSEWHERE = "case.paid_elsewhere"
    WRITTEN_OFF = "case.written_off"
    RESOLVED = "case.resolved"
    DISMISSED = "case.dismissed"


class CaseRefused(ServiceError):
    code = "case_refused"


class ViewRefused(ServiceError):
    code = "view_refused"


_OF_OTHERS: tuple[type[StrEnum], ...] = (PaymentEvent, RefundEvent, AccountEvent)


def type_of(event: Event) -> StrEnum:
    return next(kind(event.type) for kind in _OF_OTHERS if event.type in set(kind))
