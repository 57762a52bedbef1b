"""What people do with a case that is not yet about money: take it, hand it on, put it off, end it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from accounts.models import OFFICE, User
from accounts.services.people import works_as
from events.actors import Actor
from events.services import Journal
from failures.models import FITTING, TAKEABLE, BulkRun, Case, CaseKind, CaseStatus, Outcome
from failures.reasons import SAID_BY_TWO, outcomes_for, what_is_left, why_not_alone, why_not_so
from failures.selectors import by_risk
from failures.services.deeds import CaseDeed, deed_on
from failures.services.ending import end_locked
from failures.services.facts import CaseEvent, CaseRefused
from failures.services.news import how_it_ended, news_since
from kernel import clock
from kernel.modes import Mode
from kernel.texts import MAX_REASON, check_reason, check_text
from payments.models import Refund

TAKEN = "Taken."
GIVEN = "Given to a colleague."
TO = "given_to"  # In the history: an id, so that a person can be forgotten.
# A provider's answer may take days; what waits longer than a week is not put off but forgotten.
LONGEST_SNOOZE = timedelta(days=7)


def assign_case(
    *, case_id: UUID, person: User, to: User | None = None, note: str = "", version: int | None = None
) -> Case:
    """Taken, or given to a colleague. Taking it over from one is allowed and in the history."""
    owner = to or person
    check_text(note, field="reason", longest=MAX_REASON, refusal=CaseRefused)
    with transaction.atomic():
        case = locked_case(case_id, person, version=version)
        check_nobody_is_asked(case)
        if owner != person and not works_as(owner, OFFICE, restaurant_id=case.restaurant_id):
            raise CaseRefused(
                f"{owner.get_username()} does not work on cases here.", field="to", code="not_finance_here"
            )
        with deed_on(case, CaseDeed.ASSIGN, person=person, reason=note):
            _assign(case, person, owner, note)
    return case


def take_next_case(*, restaurant_ids: Collection[UUID], mode: Mode, person: User) -> Case | None:
    """The one that matters most of those that nobody has. Two who press at once get two."""
    with transaction.atomic():
        free = Case.objects.filter(restaurant__in=restaurant_ids, mode=mode, owner=None, status__in=TAKEABLE)
        awake = free.exclude(snoozed_until__gt=clock.now())
        case = by_risk(awake).select_for_update(of=("self",), skip_locked=True).first()
        if case is None:
            return None
        check_staff(case, person)
        with deed_on(case, CaseDeed.ASSIGN, person=person):
            _assign(case, person, person)
    return case


def give_back_case(*, case_id: UUID, person: User, reason: str, version: int | None = None) -> Case:
    check_reason(reason, refusal=CaseRefused)
    with transaction.atomic():
        case = locked_case(case_id, person, version=version)
        check_nobody_is_asked(case)
        check_somebody_has_it(case)
        with deed_on(case, CaseDeed.GIVE_BACK, person=person, reason=reason):
            journal = Journal(Actor.user(person))
            journal.move(case, case.give_back, reason=reason)
            journal.happened(CaseEvent.GIVEN_BACK, case)
            case.save()
            journal.write()
    return case


def snooze_case(*, case_id: UUID, person: User, until: datetime, reason: str, version: int | None = None) -> Case:
    """Out of everybody's way for a while. News of it ends that at once."""
    check_reason(reason, refusal=CaseRefused)
    check_until(until)
    with transaction.atomic():
        case = locked_case(case_id, person, version=version)
        check_nobody_is_asked(case)
        with deed_on(case, CaseDeed.SNOOZE, person=person, reason=reason):
            case.snoozed_until = until
            journal = Journal(Actor.user(person))
            journal.note(case, step="snooze", reason=reason)
            journal.happened(CaseEvent.SNOOZED, case, until=until.isoformat())
            case.save()
            journal.write()
    return case


def resolve_case(
    *, case_id: UUID, person: User, reason: str, outcome: Outcome | str = "", version: int | None = None
) -> Case:
    check_reason(reason, refusal=CaseRefused)
    with transaction.atomic():
        case = locked_case(case_id, person, version=version)
        check_over(case)
        check_outcome(outcome)
        check_alone(case, person)
        check_fits(case, outcome)
        with deed_on(case, CaseDeed.RESOLVE, person=person, reason=reason):
            case.outcome = outcome
            end_locked(case, case.resolve, reason, Actor.user(person))
    return case


def dismiss_case(*, case_id: UUID, person: User, reason: str, version: int | None = None) -> Case:
    check_reason(reason, refusal=CaseRefused)
    with transaction.atomic():
        case = locked_case(case_id, person, version=version)
        check_over(case)
        check_alone(case, person)
        with deed_on(case, CaseDeed.DISMISS, person=person, reason=reason):
            case.outcome = Outcome.NOTHING_WRONG
            end_locked(case, case.dismiss, reason, Actor.user(person))
    return case


def locked_case(case_id: UUID, person: User, *, version: int | None = None) -> Case:
    """The case as it is now, if it waits, and this person may work on it and saw it as it is."""
    case = staffed_case(case_id, person)
    check_waiting(case)
    check_version(case, version)
    return case


def staffed_case(case_id: UUID, person: User) -> Case:
    """Also one that has ended."""
    case = Case.objects.select_for_update().get(pk=case_id)
    check_staff(case, person)
    return case


def check_waiting(case: Case) -> None:
    if not case.is_waiting:
        raise CaseRefused(f"This case has ended already: {how_it_ended(case)}", code="already_ended")


def check_nobody_is_asked(case: Case) -> None:
    """One thing at a time: what was asked of a second person is decided about the case as it was then."""
    if case.status == CaseStatus.WAITING_SECOND_PERSON:
        raise CaseRefused(
            "A second person is being asked about this case. Approve or reject that first, or take it back.",
            code="waits_for_approval",
        )


def check_staff(what: Case | BulkRun, person: User) -> None:
    if not works_as(person, OFFICE, restaurant_id=what.restaurant_id):
        raise CaseRefused("Only finance staff of this restaurant work on its cases.", code="not_finance_here")


def check_somebody_has_it(case: Case) -> None:
    if case.status != CaseStatus.ASSIGNED:
        raise CaseRefused("Nobody has this case.", code="nobody_has_it")


def check_until(until: datetime) -> None:
    if not timedelta() < until - clock.now() <= LONGEST_SNOOZE:
        raise CaseRefused("Put it off to a time within the next seven days.", field="until", code="bad_time")


def check_outcome(outcome: Outcome | str) -> None:
    sentence = SAID_BY_TWO.get(outcome)
    if sentence:
        raise CaseRefused(sentence, field="outcome", code="needs_two")


def check_fits(case: Case, outcome: Outcome | str) -> None:
    """A failed refund was not "paid after all", and no payment that failed was either."""
    fitting = FITTING.get(CaseKind(case.kind))
    refunds = list(Refund.objects.filter(payment=case.payment_id)) if outcome else []
    if outcome and fitting and outcome not in fitting:
        words = ", ".join(str(each.label) for each in outcomes_for(case, refunds))
        raise CaseRefused(f"This case cannot have ended so. What fits: {words}.", field="outcome", code="does_not_fit")
    sentence = why_not_so(case, outcome, refunds)
    if sentence:
        raise CaseRefused(f"It did not end so. {sentence}", field="outcome", code="does_not_fit")


def check_alone(case: Case, person: User) -> None:
    """However it is said to have ended: what one may not give back alone, one does not put away alone either."""
    sentence = why_not_alone(case, person)
    if sentence:
        raise CaseRefused(sentence, code="needs_two")


def check_version(case: Case, version: int | None) -> None:
    """Whoever decides on an old page is told, and decides again."""
    if version is not None and version != case.version:
        news = news_since(case, version)
        since = f": {news}." if news else "."
        raise CaseRefused(f"Something happened to this case since you opened it{since} Look again.", code="stale")


def _assign(case: Case, person: User, owner: User, note: str = "") -> None:
    case.owner = owner
    case.snoozed_until = None
    journal = Journal(Actor.user(person))
    is_taken = owner == person
    told = {} if is_taken else {TO: str(owner.pk)}
    journal.move(case, case.assign, reason=note or (TAKEN if is_taken else GIVEN), evidence=told)
    journal.happened(CaseEvent.ASSIGNED, case, owner=str(owner.pk))
    case.save()
    journal.write()


def check_over(case: Case) -> None:
    """What nothing but this case still shows to people must not be put away with it."""
    sentence = what_is_left(case)
    if sentence:
        raise CaseRefused(sentence, code="not_over")
