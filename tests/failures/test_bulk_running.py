"""The clock does what was started: each step once, as the person, whoever stops, is faster or loses the role."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import structlog
from django.db import connection

from accounts.models import Membership, Restaurant, Role, User
from events.models import AuditEntry, Transition
from failures import tasks
from failures.bulk import running
from failures.bulk.running import work_on_bulk
from failures.bulk.steering import go_on_with_bulk, stop_bulk
from failures.bulk.work import WORKS
from failures.decisions import candidates_to_retry
from failures.models import BulkAction, BulkRun, BulkStatus, BulkStep, Case, CaseStatus, Outcome, StepStatus
from failures.services.working import assign_case, dismiss_case, snooze_case
from kernel import clock
from kernel.money import Money
from payments.gateways.contract import Answer, LookUpResult
from payments.models import NextAction, Payment, PaymentStatus
from payments.services import providers
from payments.services.routing import Candidate
from payments.services.sweeps import ALSO
from payments.services.timing import lease
from tests.factories import staff
from tests.failures.bulking import begun, contradicted, deeds, doubtful, exhausted, finished, now, results, start
from tests.failures.bulking import plan as planned
from tests.failures.test_services import REASON
from tests.scripted import ScriptedGateway, provider_of
from tests.time_machine import ShiftedClock

pytestmark = pytest.mark.django_db(transaction=True)
DONE = (StepStatus.DONE, "")
WAITING = (StepStatus.WAITING, "")


@pytest.fixture
def gateway(restaurant: Restaurant, monkeypatch: pytest.MonkeyPatch) -> ScriptedGateway:
    gateway = ScriptedGateway()
    monkeypatch.setitem(providers.PROVIDERS, "a", provider_of(gateway))
    return gateway


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


@pytest.fixture
def cases(restaurant: Restaurant) -> list[Case]:
    return [contradicted(restaurant) for _ in range(4)]


# What each action does, and how one sees it: as on a case's own page.
ACTIONS: dict[BulkAction, tuple[str, Callable[[Restaurant], Case], dict[str, Any], Callable[[Case, User], bool]]] = {
    BulkAction.ASK: ("ask", doubtful, {}, lambda case, _: case.status == CaseStatus.RESOLVED),
    BulkAction.TAKE: ("assign", contradicted, {}, lambda case, person: case.owner_id == person.pk),
    BulkAction.GIVE_BACK: ("give_back", contradicted, {}, lambda case, _: case.owner is None),
    BulkAction.SNOOZE: ("snooze", contradicted, {}, lambda case, _: case.snoozed_until is not None),
    BulkAction.RETRY: ("retry", exhausted, {}, lambda case, _: case.payment.next_action == NextAction.BEGIN),  # type: ignore[union-attr]  # Every case here has a payment.
    BulkAction.RESOLVE: (
        "resolve",
        contradicted,
        {},
        lambda case, _: (case.status, case.outcome, case.resolution) == (CaseStatus.RESOLVED, Outcome.REPAIRED, REASON),
    ),
    BulkAction.DISMISS: ("dismiss", contradicted, {}, lambda case, _: case.status == CaseStatus.DISMISSED),
}


@pytest.mark.parametrize("action", BulkAction)
def test_each_action_is_done_to_each_case_and_is_in_the_audit(
    restaurant: Restaurant, finance: User, gateway: ScriptedGateway, action: BulkAction
) -> None:
    deed, make, wish, is_done = ACTIONS[action]
    some = [make(restaurant) for _ in range(3)]
    if action == BulkAction.GIVE_BACK:
        for case in some:
            assign_case(case_id=case.pk, person=staff(restaurant, Role.FINANCE))
    if action == BulkAction.SNOOZE:
        wish = {"until": clock.now() + timedelta(hours=1)}
    gateway.look_ups.extend(LookUpResult(answer=Answer.SUCCEEDED, money=Money(84_000, "INR")) for _ in some)

    run = finished(action, finance, some, **wish)

    assert (run.status, results(run)) == (BulkStatus.DONE, [DONE] * 3)
    assert all(is_done(now(case), finance) for case in some)
    assert deeds(finance) == [(deed, str(case.pk)) for case in some]
    assert gateway.count("charge") == 0


def test_how_the_providers_are_is_looked_up_before_anything_is_locked_and_not_again(
    restaurant: Restaurant, finance: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[tuple[UUID, bool]] = []
    retry, case = WORKS[BulkAction.RETRY], exhausted(restaurant)

    def look(case_id: UUID) -> Sequence[Candidate]:
        looked.append((case_id, connection.in_atomic_block))
        return candidates_to_retry(case_id)

    monkeypatch.setitem(WORKS, BulkAction.RETRY, replace(retry, candidates=look))
    monkeypatch.setattr("failures.decisions.candidates_to_retry", None)  # Under the lock nobody calls it.

    assert results(finished(BulkAction.RETRY, finance, [case])) == [DONE]
    assert looked == [(case.pk, False)]


def test_what_was_done_says_so_and_leads_back_to_the_press(finance: User, cases: list[Case]) -> None:
    run = planned(BulkAction.TAKE, finance, cases)
    with structlog.contextvars.bound_contextvars(request_id="req-of-the-start"):
        start(run)

    work_on_bulk()

    assert set(run.steps.values_list("said", flat=True)) == {"It is yours."}
    of_cases = Transition.objects.filter(subject_id__in=[case.pk for case in cases], step="assign")
    assert list(of_cases.values_list("actor_id", "request_id")) == [(str(finance.pk), "req-of-the-start")] * 4


def test_a_silent_provider_is_no_answer(restaurant: Restaurant, finance: User, gateway: ScriptedGateway) -> None:
    run = finished(BulkAction.ASK, finance, [case := doubtful(restaurant)])

    assert run.steps.get().said == "The provider was asked. It gave no answer that can be relied on yet."
    payment = now(case).payment
    assert payment is not None
    assert (payment.status, payment.in_doubt) == (PaymentStatus.PROCESSING, True)


def test_started_twice_it_is_done_once(finance: User, cases: list[Case]) -> None:
    run = planned(BulkAction.TAKE, finance, cases)

    assert [start(run).status, start(run).status] == [BulkStatus.RUNNING] * 2
    work_on_bulk()
    assert start(run).status == BulkStatus.DONE
    assert work_on_bulk() == 0

    assert len(deeds(finance)) == 4
    assert AuditEntry.objects.filter(action="start_bulk").count() == 1


def test_two_clocks_at_once_do_each_step_once(restaurant: Restaurant, finance: User) -> None:
    some = [contradicted(restaurant) for _ in range(12)]
    run = begun(BulkAction.RESOLVE, finance, some)

    def clock_() -> int:
        try:
            return work_on_bulk()
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as pool:
        counts = [each.result() for each in [pool.submit(clock_) for _ in range(3)]]
    work_on_bulk()  # What was locked when the last one looked is due no more.

    assert sum(counts) == 12
    assert results(run) == [DONE] * 12
    assert sorted(deeds(finance)) == sorted(("resolve", str(case.pk)) for case in some)
    assert BulkRun.objects.get().status == BulkStatus.DONE


class TestStopping:
    def test_begins_nothing_more_until_somebody_goes_on(self, finance: User, cases: list[Case]) -> None:
        run = begun(BulkAction.TAKE, finance, cases)
        running._do_or_log(_claimed())
        stop_bulk(run_id=run.pk, person=finance)

        assert work_on_bulk() == 0
        assert results(run) == [DONE, WAITING, WAITING, WAITING]

        go_on_with_bulk(run_id=run.pk, person=finance)
        assert work_on_bulk() == 3
        assert (BulkRun.objects.get().status, results(run)) == (BulkStatus.DONE, [DONE] * 4)
        assert len(deeds(finance)) == 4

    @pytest.mark.parametrize("action", [BulkAction.TAKE, BulkAction.ASK])
    def test_is_heard_by_whoever_has_claimed_a_step_and_not_begun_it(
        self, restaurant: Restaurant, finance: User, gateway: ScriptedGateway, action: BulkAction
    ) -> None:
        run = begun(action, finance, [doubtful(restaurant)])
        claim = _claimed()
        stop_bulk(run_id=run.pk, person=finance)

        running._do_or_log(claim)

        assert results(run) == [WAITING]
        assert (deeds(finance), gateway.count("look_up")) == ([], 0)

    def test_lets_a_question_that_is_being_asked_end_and_writes_down_its_answer(
        self, restaurant: Restaurant, finance: User, gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = begun(BulkAction.ASK, finance, [doubtful(restaurant)])
        ask = WORKS[BulkAction.ASK].do

        def stop_meanwhile(step: BulkStep) -> str:
            said = ask(step)
            stop_bulk(run_id=run.pk, person=finance)
            return said

        monkeypatch.setitem(WORKS, BulkAction.ASK, replace(WORKS[BulkAction.ASK], do=stop_meanwhile))
        work_on_bulk()

        assert (results(run), BulkRun.objects.get().status) == ([DONE], BulkStatus.STOPPED)
        go_on_with_bulk(run_id=run.pk, person=finance)
        work_on_bulk()
        assert BulkRun.objects.get().status == BulkStatus.DONE

    @pytest.mark.parametrize("action", [BulkAction.TAKE, BulkAction.ASK])
    def test_however_often_is_no_death(
        self, restaurant: Restaurant, finance: User, gateway: ScriptedGateway, action: BulkAction
    ) -> None:
        run = begun(action, finance, [doubtful(restaurant)])
        for _ in range(running.MOST_CLAIMS):
            claim = _claimed()
            stop_bulk(run_id=run.pk, person=finance)
            running._do_or_log(claim)
            assert (run.steps.get().claims, run.steps.get().lease_token) == (0, None)
            go_on_with_bulk(run_id=run.pk, person=finance)

        assert work_on_bulk() == 1
        assert results(run) == [DONE]

    @pytest.mark.parametrize("action", [BulkAction.TAKE, BulkAction.ASK])
    def test_lets_whoever_lost_the_lease_give_nothing_back(
        self, restaurant: Restaurant, finance: User, gateway: ScriptedGateway, time: ShiftedClock, action: BulkAction
    ) -> None:
        run = begun(action, finance, [doubtful(restaurant)])
        late = _claimed()
        time.advance(seconds=lease().total_seconds())
        newer = _claimed()
        stop_bulk(run_id=run.pk, person=finance)

        running._do_or_log(late)

        assert (run.steps.get().claims, run.steps.get().lease_token) == (2, newer.token)

    def test_and_going_on_waits_for_the_answer_to_a_question_that_is_being_asked(
        self, restaurant: Restaurant, finance: User, gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = begun(BulkAction.ASK, finance, [doubtful(restaurant)])
        ask = WORKS[BulkAction.ASK].do

        def go_on_meanwhile(step: BulkStep) -> str:
            stop_bulk(run_id=run.pk, person=finance)
            go_on_with_bulk(run_id=run.pk, person=finance)
            assert work_on_bulk() == 0
            return ask(step)

        monkeypatch.setitem(WORKS, BulkAction.ASK, replace(WORKS[BulkAction.ASK], do=go_on_meanwhile))

        assert work_on_bulk() == 1
        assert (results(run), gateway.count("look_up")) == ([DONE], 1)


def _claimed() -> running._Claim:
    claim = running._claim_next()
    assert claim is not None
    return claim


class TestWhatHappenedMeanwhile:
    def test_to_a_case_leaves_that_one_alone_and_no_other(
        self, restaurant: Restaurant, finance: User, cases: list[Case]
    ) -> None:
        run = begun(BulkAction.RESOLVE, finance, cases)
        colleague = staff(restaurant, Role.FINANCE)
        snooze_case(case_id=cases[1].pk, person=colleague, until=clock.now() + timedelta(hours=1), reason=REASON)

        work_on_bulk()

        assert results(run) == [DONE, (StepStatus.REFUSED, "stale"), DONE, DONE]
        said = run.steps.get(case=cases[1]).said
        assert said.startswith("Something happened to this case since you opened it: ")
        assert f"{colleague.username} put it off, " in said
        assert now(cases[1]).is_waiting

    def test_that_ended_the_case_is_told_in_its_own_words(
        self, restaurant: Restaurant, finance: User, cases: list[Case]
    ) -> None:
        run = begun(BulkAction.RESOLVE, finance, cases[:1])
        colleague = staff(restaurant, Role.FINANCE)
        dismiss_case(case_id=cases[0].pk, person=colleague, reason="The bank called.")

        work_on_bulk()

        assert results(run) == [(StepStatus.REFUSED, "already_ended")]
        said = run.steps.get().said
        assert said.startswith(f"This case has ended already: {colleague.username} closed it as nothing was wrong, ")
        assert said.endswith(": The bank called.")

    @pytest.mark.parametrize("is_gone", ["role", "restaurant", "person"])
    @pytest.mark.parametrize("action", [BulkAction.TAKE, BulkAction.ASK, BulkAction.RETRY])
    def test_to_the_person_is_refused_row_by_row(
        self, restaurant: Restaurant, finance: User, gateway: ScriptedGateway, action: BulkAction, is_gone: str
    ) -> None:
        make = exhausted if action == BulkAction.RETRY else doubtful
        run = begun(action, finance, [make(restaurant) for _ in range(2)])
        if is_gone == "role":
            Membership.objects.filter(user=finance).update(role=Role.AUDITOR)
        elif is_gone == "restaurant":
            Membership.objects.filter(user=finance).delete()
        else:
            User.objects.filter(pk=finance.pk).update(is_active=False)

        work_on_bulk()

        assert results(run) == [(StepStatus.REFUSED, "not_finance_here")] * 2
        assert deeds(finance) == []
        assert gateway.asked == []
        assert not Payment.objects.filter(next_action=NextAction.BEGIN).exists()


def test_one_that_breaks_holds_up_no_other(
    finance: User, cases: list[Case], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run = begun(BulkAction.TAKE, finance, cases)
    take = WORKS[BulkAction.TAKE].do

    def break_at_the_second(step: BulkStep) -> str:
        if step.case_id == cases[1].pk:
            raise RuntimeError
        return take(step)

    monkeypatch.setitem(WORKS, BulkAction.TAKE, replace(WORKS[BulkAction.TAKE], do=break_at_the_second))
    work_on_bulk()

    assert results(run) == [DONE, (StepStatus.REFUSED, "broke"), DONE, DONE]
    assert "bulk_step_failed" in caplog.text
    assert BulkRun.objects.get().status == BulkStatus.DONE


def test_a_short_run_does_not_wait_for_the_end_of_a_long_one(
    restaurant: Restaurant, finance: User, cases: list[Case]
) -> None:
    long = begun(BulkAction.DISMISS, finance, cases)
    for _ in range(2):
        running._do_or_log(_claimed())
    short = begun(BulkAction.TAKE, finance, [contradicted(restaurant)])

    running._do_or_log(_claimed())

    assert results(short) == [DONE]
    assert results(long).count(WAITING) == 2


def test_a_clock_comes_by_and_has_other_things_to_do_as_well(
    finance: User, cases: list[Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert work_on_bulk in ALSO
    run = begun(BulkAction.TAKE, finance, cases)
    monkeypatch.setattr(running, "SWEEP_SECONDS", 0.0)
    assert tasks.work_on_bulk() == 0
    monkeypatch.undo()

    assert tasks.work_on_bulk() == 4
    assert results(run) == [DONE] * 4
