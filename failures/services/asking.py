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
from payments.models import Attempt, Refund
from payments.models.attempt import LIVE
from payments.services.at_once import ask_now
from payments.services.refunds import look_up_refund

ABOUT_REFUNDS = (CaseKind.REFUND_IN_DOUBT, CaseKind.REFUND_FAILED)


def ask_provider(*, case_id: UUID, person: User, version: int | None = None) -> Case:
    """Who asked is written first; then the provider is asked, with no transaction open."""
    with transaction.atomic():
        case = locked_case(case_id, person, version=version)
        check_askable(case)
        with deed_on(case, CaseDeed.ASK, person=person):
            journal = Journal(Actor.user(person))
            journal.note(case, step=CaseDeed.ASK.value, reason="")
            journal.write()
    if _is_about_refund(case):
        look_up_refund(refund_id=case.subject_id)
    elif case.payment_id is not None:
        ask_now(payment_id=case.payment_id)
    return Case.objects.select_related("payment").get(pk=case_id)


def check_askable(case: Case) -> None:
    """Nobody is told that a provider was asked where none could be."""
    if case.payment_id is None:
        raise CaseRefused("This case is about no payment: there is nothing to ask.", code="nothing_to_ask")
    if _is_about_refund(case) or Attempt.objects.filter(payment=case.payment_id, status__in=LIVE).exists():
        return
    raise CaseRefused("Nothing of this payment is open at a provider: there is nothing to ask.", code="nothing_to_ask")


def _is_about_refund(case: Case) -> bool:
    return case.kind in ABOUT_REFUNDS and Refund.objects.filter(pk=case.subject_id).exists()
