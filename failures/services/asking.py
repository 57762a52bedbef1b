"""A person asks the provider now, instead of waiting for the clock. It cannot move money."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from accounts.models import User
from events.actors import Actor
from events.services import Journal
from failures.models import Case, CaseKind
from failures.services.deeds import CaseDeed, deed_on
from failures.services.facts import CaseRefused
from failures.services.working import locked_case
from payments.models import Refund
from payments.services.at_once import ask_now
from payments.services.refunds import look_up_refund

ABOUT_REFUNDS = (CaseKind.REFUND_IN_DOUBT, CaseKind.REFUND_FAILED)


def ask_provider(*, case_id: UUID, person: User, version: int | None = None) -> Case:
    """Who asked is written first; then the provider is asked, with no transaction open."""
    with transaction.atomic():
        case = locked_case(case_id, person, version=version)
        if case.payment_id is None:
            raise CaseRefused("This case is about no payment: there is nothing to ask.", code="nothing_to_ask")
        with deed_on(case, CaseDeed.ASK, person=person):
            journal = Journal(Actor.user(person))
            journal.note(case, step=CaseDeed.ASK.value, reason="")
            journal.write()
    if case.kind in ABOUT_REFUNDS and Refund.objects.filter(pk=case.subject_id).exists():
        look_up_refund(refund_id=case.subject_id)
    else:
        ask_now(payment_id=case.payment_id)
    return Case.objects.select_related("payment").get(pk=case_id)
