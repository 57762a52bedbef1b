"""Ways to break each invariant behind everybody's back. Each returns the row that the check has to name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.db import models, transaction

from accounts.models import IdempotentCall, Role
from events.models import Transition
from failures.bulk.planning import plan_bulk
from failures.invariants import MAX_OVERDUE_SECONDS
from failures.models import BulkAction, BulkRun, BulkStep, Case, CaseKind
from kernel import clock
from payments.models import Attempt, CredentialChange, Payment, Refund
from payments.services.deeds import PaymentDeed
from payments.services.forcing import ask_to_record_charge
from payments.services.timing import MAX_CLAIMS
from tests.factories import RestaurantFactory, routed, staff
from tests.failures.breaks_of_people import OF_PEOPLE, Break, change
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


def _at_anothers_account(w: World) -> str:
    run("ALTER TABLE payments_attempt DROP CONSTRAINT attempt_in_its_accounts_tenant")
    theirs = routed(RestaurantFactory.create(), "a")[0]
    return update(w.doubtful, f"account_id = '{theirs.pk}'")


def _live_money_on_a_test_payment(w: World) -> str:
    run("ALTER TABLE payments_attempt DROP CONSTRAINT attempt_in_its_accounts_tenant")
    run("ALTER TABLE payments_attempt DROP CONSTRAINT attempt_in_its_payments_tenant")
    return update(w.doubtful, "mode = 'live'")


def _change_without_a_step(w: World) -> str:
    return update(CredentialChange.objects.get(pk=change(w, "in_use")), "status = 'turned_down'")


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


BREAKS: list[Break] = [
    *OF_PEOPLE,
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
