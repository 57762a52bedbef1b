"""How many cases come to be, and how they are worked on at once, in a test's few words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from accounts.models import Restaurant, User
from events.models import AuditEntry
from failures.bulk.planning import plan_bulk
from failures.bulk.running import work_on_bulk
from failures.bulk.steering import Wish, start_bulk
from failures.models import BulkAction, BulkRun, BulkStep, Case, Outcome
from payments.gateways.contract import ErrorCode
from payments.models import Attempt, Payment
from payments.services.evidence import Finding
from payments.services.facts import PaymentEvent
from payments.services.settling import PROLONGED_DOUBT
from tests.factories import accepted, order_of
from tests.failures.test_services import REASON, happened
from tests.failures.world import attempted


def contradicted(restaurant: Restaurant, **draft: Any) -> Case:
    """Nothing of its payment is open at a provider, and it may be closed by a word."""
    payment = accepted(order_of(restaurant, **draft))
    happened(PaymentEvent.CONTRADICTED, payment)
    return Case.objects.get(payment=payment)


def doubtful(restaurant: Restaurant) -> Case:
    """As when nobody knew after a quarter of an hour, and nobody asks just now."""
    attempt = attempted(order_of(restaurant), Finding.UNKNOWN)
    Attempt.objects.filter(pk=attempt.pk).update(told=[PROLONGED_DOUBT])
    Payment.objects.filter(pk=attempt.payment_id).update(lease_token=None, lease_until=None)
    happened(PaymentEvent.DOUBT_PROLONGED, attempt.payment, attempt=str(attempt.pk))
    return Case.objects.get(payment=attempt.payment_id)


def exhausted(restaurant: Restaurant) -> Case:
    attempt = attempted(order_of(restaurant), Finding.DECLINED, code=ErrorCode.CARD_DECLINED)
    happened(PaymentEvent.EXHAUSTED, attempt.payment)
    return Case.objects.get(payment=attempt.payment_id)


def plan(action: BulkAction, person: User, cases: Sequence[Case], outcome: Outcome | None = None) -> BulkRun:
    """What is closed as dealt with was repaired, where a test does not care how it ended."""
    chosen = Case.objects.filter(pk__in=[case.pk for case in cases]).order_by("id")
    ended = outcome or (Outcome.REPAIRED if action == BulkAction.RESOLVE else "")
    (run,) = plan_bulk(cases=chosen, action=action, person=person, outcome=ended)
    return run


def start(run: BulkRun, person: User | None = None, **wish: Any) -> BulkRun:
    return start_bulk(run_id=run.pk, person=person or run.person, wish=Wish(**{"reason": REASON, **wish}))


def begun(
    action: BulkAction, person: User, cases: Sequence[Case], outcome: Outcome | None = None, **wish: Any
) -> BulkRun:
    return start(plan(action, person, cases, outcome), **wish)


def finished(action: BulkAction, person: User, cases: Sequence[Case], **wish: Any) -> BulkRun:
    run = begun(action, person, cases, **wish)
    work_on_bulk()
    return BulkRun.objects.get(pk=run.pk)


def step_of(case: Case) -> BulkStep:
    return BulkStep.objects.filter(case=case).latest("id")


def results(run: BulkRun) -> list[tuple[str, str]]:
    """In the order of the list: the status of each step, and the code of why not."""
    return list(run.steps.order_by("position").values_list("status", "code"))


def deeds(person: User) -> list[tuple[str, str]]:
    """Each with the case that it was done to."""
    entries = AuditEntry.objects.filter(actor_id=str(person.pk), subject_kind="case").order_by("id")
    return list(entries.values_list("action", "subject_id"))


def now(case: Case) -> Case:
    return Case.objects.select_related("payment").get(pk=case.pk)
