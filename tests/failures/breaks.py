"""Ways to break each invariant behind everybody's back. Each returns the row that the check has to name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import models, transaction
from django.db.models import F

from accounts.models import IdempotentCall, Role
from events.actors import SYSTEM, Actor
from events.models import AuditEntry, Transition
from events.services import Journal
from failures.bulk.planning import plan_bulk
from failures.invariants import MAX_OVERDUE_SECONDS
from failures.models import BulkAction, BulkRun, BulkStep, Case, CaseKind
from failures.services.working import assign_case
from kernel import clock
from orders.models import Order
from orders.services import Amendment, LineDraft, amend_order, cancel_order
from payments.models import Attempt, CredentialChange, Payment, Refund
from payments.services.deeds import PaymentDeed
from payments.services.forcing import ask_to_record_charge
from payments.services.timing import MAX_CLAIMS
from tests.factories import RestaurantFactory, routed, staff
from tests.failures.world import World, run, twin_of, update


def _keeps_too_much(w: World) -> str:
    update(w.kept, "captured_minor = captured_minor + 4001")
    return str(w.kept.payment.order_id)


def _two_hold(w: World) -> str:
    run("DROP INDEX one_live_attempt_per_payment")
    twin_of(w.doubtful, number=2, status="sent")
    return str(w.doubtful.payment_id)


def _two_kept(w: World) -> str:
    """Where the bill has room for both."""
    run("DROP INDEX one_kept_attempt_per_payment")
    update(w.kept.payment.order, "total_minor = 500000")
    twin_of(w.kept, number=2, status="late_success", provider_reference="")
    return str(w.kept.payment_id)


def _cancelled_and_kept(w: World) -> str:
    update(w.kept.payment.order, "status = 'cancelled'")
    return str(w.kept.pk)


def _excess_kept(w: World) -> str:
    return update(w.kept, "excess_minor = 4001, reopened_minor = 4001")


def _owed_and_not_shown(w: World) -> str:
    """What somebody else has paid since. That its payment has another open case shows nothing of it."""
    _put_beside(w.kept, CaseKind.CREDENTIALS)
    return update(w.kept, "reopened_minor = 4001")


def _put_beside(attempt: Attempt, kind: CaseKind) -> None:
    other = Case.objects.get(kind=CaseKind.AMOUNT_MISMATCH)
    twin_of(other, payment_id=attempt.payment_id, kind=kind, subject_id=attempt.account_id)


def _with_another_case(harm: Callable[[World], str]) -> Callable[[World], str]:
    """Only what people alone can end is an excuse for a row that no clock goes on with."""

    def harm_beside(w: World) -> str:
        _put_beside(w.doubtful, CaseKind.CREDENTIALS)
        _put_beside(w.kept, CaseKind.LATE_SUCCESS)
        return harm(w)

    return harm_beside


def _live_at_a_simulator(w: World) -> str:
    update(w.mismatched.account, "provider = 'sandbox_a'")
    run("ALTER TABLE payments_attempt DROP CONSTRAINT attempt_in_its_accounts_tenant")
    run("ALTER TABLE payments_attempt DROP CONSTRAINT attempt_in_its_payments_tenant")
    return update(w.mismatched, "mode = 'live'")


def _claimed_for_ever(row: models.Model, claims: str = "claims") -> str:
    return update(row, f"{claims} = {2 * MAX_CLAIMS + 1}")


def _began_too_early(w: World) -> str:
    later = twin_of(w.failed, number=2, created_at=w.failed.created_at)
    return str(later.pk)


def _surplus_kept_silently(w: World) -> str:
    run("DELETE FROM payments_refund WHERE attempt_id = %s", w.surplus.pk)
    return str(w.surplus.pk)


def _surplus_given_back_twice(w: World) -> str:
    run("DROP INDEX one_refund_per_surplus")
    twin_of(Refund.objects.get(attempt=w.surplus))
    return str(w.surplus.pk)


def _surplus_without_case(w: World) -> str:
    run("DELETE FROM failures_case WHERE payment_id = %s AND kind = 'surplus'", w.surplus.payment_id)
    return str(w.surplus.pk)


def _surplus_refused_silently(w: World) -> str:
    update(Refund.objects.get(attempt=w.surplus), "status = 'failed'")
    run("UPDATE failures_case SET status = 'dismissed' WHERE payment_id = %s", w.surplus.payment_id)
    return str(w.surplus.pk)


def _left_over_unwatched(w: World) -> str:
    update(w.doubtful.payment, "status = 'completed', in_doubt = FALSE")
    return str(w.doubtful.pk)


def _refunds_more_than_captured(w: World) -> str:
    run("ALTER TABLE payments_attempt DROP CONSTRAINT attempt_never_refunds_above_captured")
    return update(w.kept, "refunded_minor = captured_minor + 1")


def _case_closed_without_decision(w: World) -> str:
    run("UPDATE failures_case SET status = 'resolved' WHERE payment_id = %s", w.mismatched.payment_id)
    return str(w.mismatched.pk)


def overdue(row: Payment | Refund) -> str:
    at = clock.now() - timedelta(seconds=MAX_OVERDUE_SECONDS + 1)
    type(row)._default_manager.filter(pk=row.pk).update(next_action_at=at, lease_until=None)
    return str(row.pk)


def _failed_in_doubt(w: World) -> str:
    return update(w.doubtful.payment, "status = 'failed', failure_code = 'timeout', in_doubt = FALSE")


def _closed_by_silence(w: World, **evidence: str) -> str:
    Transition.objects.create(
        restaurant_id=w.restaurant.pk,
        mode="test",
        subject_kind="attempt",
        subject_id=w.failed.pk,
        step="decline",
        from_status="unknown",
        to_status="declined",
        reason="Retries exhausted.",
        evidence=evidence,
        actor_kind="system",
    )
    return str(w.failed.pk)


def _event_lost(w: World) -> str:
    run("DELETE FROM events_event WHERE stream_id = %s AND version = 1", w.kept.payment_id)
    return str(w.kept.payment_id)


def _notice(w: World, assignments: str) -> str:
    return update(w.notice, assignments)


def _nothing_under_a_key(w: World) -> str:
    call = IdempotentCall.objects.create(
        restaurant_id=w.restaurant.pk,
        mode="test",
        principal="key",
        key="press",
        operation="POST /api/v1/payments",
        subject_id=clock.new_id(),
        runs_until=clock.now(),
    )
    return str(call.pk)


def _recorded_alone(w: World) -> str:
    step = Transition.objects.create(
        restaurant_id=w.restaurant.pk,
        mode="test",
        subject_kind="attempt",
        subject_id=w.failed.pk,
        step="not_charged",
        from_status="unknown",
        to_status="not_charged",
        reason="I saw it.",
        evidence={"source": "operator", "finding": "not_charged"},
        actor_kind="user",
        actor_id="7",
    )
    return str(step.pk)


def _step(w: World, row: Case | Refund, step: str, was: str, becomes: str) -> None:
    Transition.objects.create(
        restaurant_id=w.restaurant.pk,
        mode="test",
        subject_kind=row._meta.model_name or "",
        subject_id=row.pk,
        step=step,
        from_status=was,
        to_status=becomes,
        reason="I say so.",
        actor_kind="user",
        actor_id="7",
    )


def _opened_again_alone(w: World) -> str:
    case = Case.objects.earliest("id")
    _step(w, case, "reopen", "resolved", "reopened")
    return str(case.pk)


def _sent_alone(w: World) -> str:
    _step(w, w.refund, "release", "waiting_approval", "requested")
    return str(w.refund.pk)


def _agreed_to_by_nobody(w: World) -> str:
    maker, checker = (staff(w.restaurant, role) for role in (Role.FINANCE, Role.FINANCE_LEAD))
    run("SET CONSTRAINTS ALL DEFERRED")
    with transaction.atomic():
        approval = ask_to_record_charge(
            payment_id=w.doubtful.payment_id,
            deed=PaymentDeed.RECORD_NOT_CHARGED,
            person=maker,
            reason="I saw it.",
            asked_from=clock.new_id(),
        )
    return update(approval, f"status = 'approved', checker_id = '{checker.pk}', decided_at = now()")


def _waits_for_nobody(w: World) -> str:
    return update(Case.objects.filter(payment=w.mismatched.payment_id).get(), "status = 'waiting_second_person'")


def _cash_by_nobody(w: World) -> str:
    run("ALTER TABLE events_transition DISABLE TRIGGER USER")
    run("UPDATE events_transition SET actor_id = '' WHERE subject_id = %s AND to_status = 'succeeded'", w.cash.pk)
    return str(w.cash.pk)


def _cash_confirmed_again(w: World) -> str:
    values = Transition.objects.values().get(subject_id=w.cash.pk, to_status="succeeded")
    Transition.objects.create(**{**values, "id": None})
    return str(w.cash.pk)


def _taken_unseen(w: World) -> str:
    case = Case.objects.filter(restaurant=w.restaurant).latest("id")
    assign_case(case_id=case.pk, person=staff(w.restaurant, Role.FINANCE))
    return _unseen(Transition.objects.get(subject_id=case.pk, step="assign"))


def _cash_taken_unseen(w: World) -> str:
    return _unseen(Transition.objects.filter(evidence__source="waiter").earliest("id"))


def _amended_unseen(w: World) -> str:
    order = w.kept.payment.order
    less = LineDraft(name="Thali", quantity=1, unit_minor=80_000)
    amendment = Amendment(lines=(less,), version=Order.objects.get(pk=order.pk).version, refund_surplus=True)
    amend_order(order_id=order.pk, amendment=amendment, actor=Actor.user(staff(w.restaurant, Role.ADMIN)))
    return _unseen(Transition.objects.get(subject_id=order.pk, step="amend"))


def _cancelled_unseen(w: World) -> str:
    order = w.failed.payment.order
    cancel_order(order_id=order.pk, actor=Actor.user(staff(w.restaurant, Role.ADMIN)))
    return _unseen(Transition.objects.get(subject_id=order.pk, step="cancel"))


def _unseen(step: Transition) -> str:
    """There are entries since long ago, and none of whoever did this."""
    entries = AuditEntry.objects.filter(actor_id=step.actor_id)
    entries.update(actor_id="", at=F("at") - timedelta(days=1))
    return str(step.pk)


def _at_anothers_account(w: World) -> str:
    run("ALTER TABLE payments_attempt DROP CONSTRAINT attempt_in_its_accounts_tenant")
    theirs = routed(RestaurantFactory.create(), "a")[0]
    return update(w.doubtful, f"account_id = '{theirs.pk}'")


def _live_money_on_a_test_payment(w: World) -> str:
    run("ALTER TABLE payments_attempt DROP CONSTRAINT attempt_in_its_accounts_tenant")
    run("ALTER TABLE payments_attempt DROP CONSTRAINT attempt_in_its_payments_tenant")
    return update(w.doubtful, "mode = 'live'")


def _change(w: World, status: str = "waiting") -> str:
    """With its steps, and with nobody who was asked."""
    account, waits = w.kept.account, status == "waiting"
    credentials: Any = {"api_key": "new"} if waits else {}
    change = CredentialChange(
        restaurant_id=account.restaurant_id,
        mode=account.mode,
        account=account,
        credentials=credentials,
        reason="Rotated.",
        status=status,
        ended_at=None if waits else clock.now(),
    )
    run("SET CONSTRAINTS ALL DEFERRED")
    with transaction.atomic():
        change.save(force_insert=True)
        journal = Journal(SYSTEM)
        journal.created(change, reason=change.reason)
        journal.write()
    return str(change.pk)


def _change_without_a_step(w: World) -> str:
    change = CredentialChange.objects.get(pk=_change(w, "in_use"))
    return update(change, "status = 'turned_down'")


NO_NEXT = "next_action = '', next_action_at = NULL"


# For each sentence: ways to break it, each of which returns the row that the check has to name.
def _case_nobody_resolved(world: World) -> str:
    case = Case.objects.order_by("id").last()
    assert case is not None
    return update(case, "status = 'dismissed'")


def _bulk(world: World) -> BulkRun:
    (run_,) = plan_bulk(cases=Case.objects.all(), action=BulkAction.TAKE, person=staff(world.restaurant, Role.FINANCE))
    return run_


def _bulk_step(world: World) -> BulkStep:
    return _bulk(world).steps.earliest("position")


BREAKS: list[tuple[str, str, Callable[[World], str]]] = [
    ("I1", "An order keeps no more than its total and its tips.", _keeps_too_much),
    ("I1", "A payment has at most one attempt that may hold money.", _two_hold),
    ("I1", "A payment keeps one capture", _two_kept),
    ("I2", "No attempt begins while an earlier one of its payment is live.", _began_too_early),
    ("I3", "A surplus has its one refund and its case", _surplus_kept_silently),
    ("I3", "A surplus has its one refund and its case", _surplus_given_back_twice),
    ("I3", "A surplus has its one refund and its case", _surplus_without_case),
    ("I3", "A surplus has its one refund and its case", _surplus_refused_silently),
    ("I3", "What is kept of a cancelled order", _cancelled_and_kept),
    ("I3", "What is kept of a cancelled order", _excess_kept),
    ("I3", "What is kept of a cancelled order", _owed_and_not_shown),
    ("I4", "What an attempt counts", lambda w: update(w.kept, "refunding_minor = 3999")),
    ("I4", "What an attempt counts", lambda w: update(w.kept, "refunded_minor = 1")),
    ("I4", "What an attempt counts", _refunds_more_than_captured),
    ("I6", "Kept money has the currency", lambda w: update(w.kept, "captured_currency = 'USD'")),
    ("I6", "Kept money has the currency", _case_closed_without_decision),
    ("I10", "A payment that is under way", lambda w: update(w.doubtful.payment, NO_NEXT)),
    ("I10", "A payment that is under way", lambda w: overdue(w.doubtful.payment)),
    ("I10", "A payment that is under way", _with_another_case(lambda w: update(w.doubtful.payment, NO_NEXT))),
    ("I10", "An attempt that may still hold money", _left_over_unwatched),
    ("I10", "An attempt that may still hold money", _with_another_case(_left_over_unwatched)),
    ("I10", "A refund that is under way", lambda w: update(w.refund, NO_NEXT)),
    ("I10", "A refund that is under way", lambda w: overdue(w.refund)),
    ("I10", "A refund that is under way", _with_another_case(lambda w: update(w.refund, NO_NEXT))),
    ("I10", "What broke its workers", lambda w: _claimed_for_ever(w.doubtful.payment)),
    ("I10", "What broke its workers", lambda w: _claimed_for_ever(w.refund)),
    ("I10", "What broke its workers", lambda w: _claimed_for_ever(w.failed, "watch_claims")),
    ("I10", "What broke its workers", lambda w: _notice(w, f"claims = {2 * MAX_CLAIMS + 1}, next_action_at = now()")),
    ("I11", "A failed payment has evidence", _failed_in_doubt),
    ("I11", "Silence is no evidence", lambda w: _closed_by_silence(w, finding="no_answer")),
    ("I11", "Silence is no evidence", lambda w: _closed_by_silence(w, finding="unknown")),
    ("I11", "Silence is no evidence", _closed_by_silence),
    ("I13", "A stream's events are numbered", _event_lost),
    ("I13", "A stream's events are numbered", lambda w: update(w.kept.payment, "version = version + 1")),
    ("I13", "A stream's events are numbered", lambda w: update(w.kept.payment.order, "version = version - 1")),
    ("I14", "A notice is settled", lambda w: _notice(w, "state = 'stored'")),
    ("I15", "What was done under an idempotency key is there.", _nothing_under_a_key),
    ("I14", "A notice is settled", lambda w: _notice(w, "state = 'parked'")),
    ("I14", "A notice is settled", lambda w: _notice(w, "state = 'orphaned'")),
    ("I14", "A notice is settled", lambda w: _notice(w, "state = 'quarantined'")),
    ("I16", "What a person decided", _taken_unseen),
    ("I16", "What a person decided", _cash_taken_unseen),
    ("I16", "What a person decided", _amended_unseen),
    ("I16", "What a person decided", _cancelled_unseen),
    ("I16", "What a person saw", _recorded_alone),
    ("I16", "What was written off", lambda w: update(Case.objects.earliest("id"), "outcome = 'written_off'")),
    ("I16", "What was written off", lambda w: update(w.refund, "origin = 'outside'")),
    ("I16", "What was written off", _opened_again_alone),
    ("I16", "A refund that waited", _sent_alone),
    ("I16", "Where something waits", lambda w: update(w.refund, "status = 'waiting_approval'")),
    ("I16", "Where something waits", _waits_for_nobody),
    ("I16", "Where something waits", _change),
    ("I16", "New credentials came into use", lambda w: _change(w, "in_use")),
    ("I17", "Kept cash was confirmed once", _cash_by_nobody),
    ("I17", "Kept cash was confirmed once", _cash_confirmed_again),
    ("I20", "An attempt is at an account of its own", _at_anothers_account),
    ("I20", "An attempt is at an account of its own", _live_money_on_a_test_payment),
    ("I20", "No live money", _live_at_a_simulator),
    (
        "I13",
        "The last step in the history of each order",
        lambda w: update(w.kept.payment.order, "status = 'fulfilled'"),
    ),
    ("I13", "The last step in the history of each payment", lambda w: update(w.kept.payment, "status = 'processing'")),
    ("I13", "The last step in the history of each attempt", lambda w: update(w.failed, "status = 'cancelled'")),
    ("I13", "The last step in the history of each refund", lambda w: update(w.refund, "status = 'processing'")),
    ("I13", "The last step in the history of each case", _case_nobody_resolved),
    ("I13", "The last step in the history of each approval", _agreed_to_by_nobody),
    ("I13", "The last step in the history of each change of credentials", _change_without_a_step),
    ("I13", "The last step in the history of each bulk run", lambda w: update(_bulk(w), "status = 'given_up'")),
    ("I13", "The last step in the history of each bulk step", lambda w: update(_bulk_step(w), "status = 'done'")),
]
