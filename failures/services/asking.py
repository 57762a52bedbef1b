"""A person asks the provider now, instead of waiting for the clock. It cannot move money."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from accounts.models import User
from events.actors import Actor
from events.services import Journal
from failures.models import Case, CaseKind
from failures.services.deeds import CaseDeed, deed_on
from failures.services.facts import CaseEvent, CaseRefused
from failures.services.working import locked_case
from payments.asked_words import answer_of, not_now, said_of, why_not
from payments.models import Attempt, Refund
from payments.models.attempt import LIVE
from payments.services.asking import Asked
from payments.services.at_once import ask_about_refund_now, ask_now, why_not_asked

_NOTHING_TO_ASK = "This case is about no payment: there is nothing to ask."
ABOUT_REFUNDS = (CaseKind.REFUND_IN_DOUBT, CaseKind.REFUND_FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    case: Case  # As it is afterwards.
    said: str


def ask_provider(*, case_id: UUID, person: User, version: int | None = None) -> Answered:
    """Who asked is written first; then the provider is asked, with no transaction open. Where nobody could be asked,
    that is refused and in the history: a person takes silence for the provider's.
    """
    with transaction.atomic():
        case = locked_case(case_id, person, version=version)
        check_askable(case)
        with deed_on(case, CaseDeed.ASK, person=person):
            journal = Journal(Actor.user(person))
            journal.note(case, step=CaseDeed.ASK.value, reason="")
            journal.write()
    asked = _ask(case)
    zone = case.restaurant.time_zone
    if asked.why_not is not None:
        _write_that_nobody_was_asked(case_id, person, why_not(asked, zone))
        raise CaseRefused(said_of(asked, zone), code="not_asked")
    return Answered(case=_with_what_was_said(case_id, person, answer_of(asked)), said=said_of(asked, zone))


def _ask(case: Case) -> Asked:
    if case.kind in ABOUT_REFUNDS:
        return ask_about_refund_now(refund_id=case.subject_id)
    if case.payment_id is None:
        raise CaseRefused(_NOTHING_TO_ASK, code="nothing_to_ask")
    return ask_now(payment_id=case.payment_id)


def _write_that_nobody_was_asked(case_id: UUID, person: User, why: str) -> None:
    with transaction.atomic():
        case = _as_it_is_now(case_id)
        journal = Journal(Actor.user(person))
        journal.note(case, step=CaseDeed.NOT_ASKED.value, reason=why)
        journal.write()


def _as_it_is_now(case_id: UUID) -> Case:
    """Somebody may have ended it while the provider was being asked."""
    return Case.objects.select_for_update(of=("self",)).select_related("payment", "restaurant").get(pk=case_id)


def _with_what_was_said(case_id: UUID, person: User, said: str) -> Case:
    """For everybody, and as news: whoever has an older page open decides about something else than they saw."""
    with transaction.atomic():
        case = _as_it_is_now(case_id)
        journal = Journal(Actor.user(person))
        journal.note(case, step=CaseDeed.ANSWERED.value, reason=said)
        journal.happened(CaseEvent.ASKED, case, said=said)
        case.save(update_fields=["version"])
        journal.write()
    return case


def check_askable(case: Case) -> None:
    """Nobody is told that a provider was asked where none could be. What is known beforehand is said beforehand."""
    live = refund = None
    if case.kind in ABOUT_REFUNDS:
        refund = Refund.objects.filter(pk=case.subject_id).select_related("account").first()
    else:
        live = Attempt.objects.filter(payment=case.payment_id, status__in=LIVE).select_related("account").first()
    refusal = refusal_to_ask(case, live=live, refund=refund)
    if refusal is not None:
        raise refusal


def refusal_to_ask(case: Case, *, live: Attempt | None, refund: Refund | None) -> CaseRefused | None:
    """The one rule, for whoever asks and for the page that offers it.

    `live` is the payment's open attempt, and `refund` what the case may be about.
    """
    if case.payment is None:
        return CaseRefused(_NOTHING_TO_ASK, code="nothing_to_ask")
    is_about_refund = case.kind in ABOUT_REFUNDS
    about, whose = (refund, refund) if is_about_refund else (case.payment, live)
    if about is None or whose is None:
        sentence = "Nothing of this payment is open at a provider: there is nothing to ask."
        return CaseRefused(sentence, code="nothing_to_ask")
    known = why_not_asked(about, whose.account)
    return CaseRefused(not_now(known, case.restaurant.time_zone), code="not_asked") if known else None
