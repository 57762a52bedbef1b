"""Whoever planned it starts it, stops it, goes on or gives it up; nobody else does, and each is in the audit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django_fsm import TransitionNotAllowed

from accounts.models import Membership, Restaurant, Role, User
from events.audit import verdicts
from events.models import AuditEntry, Transition
from failures.bulk.running import work_on_bulk
from failures.bulk.steering import give_up_bulk, go_on_with_bulk, stop_bulk
from failures.models import BulkAction, BulkRun, BulkStatus, BulkStep, Case
from failures.services.facts import CaseRefused
from failures.services.working import assign_case, dismiss_case
from kernel import clock
from tests.factories import RestaurantFactory, routed, staff
from tests.failures.bulking import begun, contradicted, doubtful, exhausted, plan, start
from tests.failures.test_bulk_pages import own_page, shown
from tests.failures.test_desk import desk_of
from tests.failures.test_services import REASON
from tests.failures.world import run as run_sql

pytestmark = pytest.mark.django_db


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


@pytest.fixture
def cases(restaurant: Restaurant) -> list[Case]:
    return [contradicted(restaurant) for _ in range(2)]


def code_of(do: Callable[[], object]) -> str:
    with pytest.raises(CaseRefused) as refused:
        do()
    return refused.value.code


def test_every_step_of_its_life_is_in_the_history_and_in_the_audit(finance: User, cases: list[Case]) -> None:
    run = begun(BulkAction.DISMISS, finance, cases)
    stop_bulk(run_id=run.pk, person=finance)
    go_on_with_bulk(run_id=run.pk, person=finance)
    work_on_bulk()
    run_sql("SET CONSTRAINTS ALL IMMEDIATE")

    steps = Transition.objects.filter(subject_id=run.pk).order_by("id").values_list("to_status", "actor_id")
    person = str(finance.pk)
    assert list(steps) == [
        ("planned", person),
        ("running", person),
        ("stopped", person),
        ("running", person),
        ("done", ""),
    ]
    entries = AuditEntry.objects.filter(subject_kind="bulk_run").order_by("id")
    assert [entry.action for entry in entries] == ["start_bulk", "stop_bulk", "go_on_with_bulk"]
    assert (entries[0].reason, entries[0].before["bulk_run"]["status"]) == (REASON, "planned")
    assert entries[0].after["bulk_run"] == {
        "action": "dismiss",
        "status": "running",
        "outcome": "",
        "until": None,
        "steps": {"waiting": 2},
    }
    assert not any(verdict.wrong for verdict in verdicts())


STEERING: dict[str, Callable[[BulkRun, User], BulkRun]] = {
    "start": start,
    "stop": lambda run, person: stop_bulk(run_id=run.pk, person=person),
    "go on": lambda run, person: go_on_with_bulk(run_id=run.pk, person=person),
    "give up": lambda run, person: give_up_bulk(run_id=run.pk, person=person),
}


@pytest.mark.parametrize("name", STEERING)
@pytest.mark.parametrize("role", [Role.FINANCE, Role.ADMIN])
def test_a_colleagues_plan_is_nobody_elses(
    restaurant: Restaurant, finance: User, cases: list[Case], name: str, role: Role
) -> None:
    run = plan(BulkAction.TAKE, finance, cases)

    assert code_of(lambda: STEERING[name](run, staff(restaurant, role))) == "not_the_planner"
    assert BulkRun.objects.get().status == BulkStatus.PLANNED
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("name", ["start", "go on"])
def test_who_lost_the_role_begins_nothing(finance: User, cases: list[Case], name: str) -> None:
    run = plan(BulkAction.TAKE, finance, cases)
    if name == "go on":
        start(run)
        stop_bulk(run_id=run.pk, person=finance)
    Membership.objects.update(role=Role.WAITER)

    assert code_of(lambda: STEERING[name](run, finance)) == "not_finance_here"
    assert work_on_bulk() == 0


@pytest.mark.parametrize(
    ("action", "wish", "code"),
    [
        (BulkAction.DISMISS, {"reason": "ok"}, "no_reason"),
        (BulkAction.RETRY, {"reason": ""}, "no_reason"),
        (BulkAction.GIVE_BACK, {"reason": "Card 4111 1111 1111 1111"}, "card_number"),
        (BulkAction.SNOOZE, {}, "bad_time"),
        (BulkAction.SNOOZE, {"until": datetime(2999, 1, 1, tzinfo=UTC)}, "bad_time"),
        (BulkAction.SNOOZE, {"until": datetime(2020, 1, 1, tzinfo=UTC)}, "bad_time"),
    ],
)
def test_what_would_be_refused_for_all_is_refused_at_once(
    restaurant: Restaurant, finance: User, action: BulkAction, wish: dict[str, Any], code: str
) -> None:
    run = startable(action, finance, restaurant)

    assert code_of(lambda: start(run, **wish)) == code
    assert BulkRun.objects.get(pk=run.pk).status == BulkStatus.PLANNED


def startable(action: BulkAction, person: User, restaurant: Restaurant) -> BulkRun:
    made = {BulkAction.ASK: doubtful, BulkAction.RETRY: exhausted}.get(action, contradicted)(restaurant)
    if action == BulkAction.GIVE_BACK:
        assign_case(case_id=made.pk, person=person)
    return plan(action, person, [made])


@pytest.mark.parametrize("action", [BulkAction.TAKE, BulkAction.ASK])
def test_to_take_and_to_ask_needs_no_reason(restaurant: Restaurant, finance: User, action: BulkAction) -> None:
    assert start(startable(action, finance, restaurant), reason="").status == BulkStatus.RUNNING


def test_a_plan_of_which_all_is_skipped_does_not_start(finance: User, cases: list[Case]) -> None:
    for case in cases:
        dismiss_case(case_id=case.pk, person=finance, reason=REASON)

    assert code_of(lambda: start(plan(BulkAction.TAKE, finance, cases))) == "nothing_to_do"


def test_what_was_given_up_is_over(finance: User, cases: list[Case]) -> None:
    run = plan(BulkAction.TAKE, finance, cases)
    give_up_bulk(run_id=run.pk, person=finance)
    give_up_bulk(run_id=run.pk, person=finance)

    assert code_of(lambda: start(run)) == "given_up"
    assert work_on_bulk() == 0
    assert AuditEntry.objects.filter(action="give_up_bulk").count() == 1


def test_what_is_under_way_is_stopped_before_it_is_given_up(finance: User, cases: list[Case]) -> None:
    run = begun(BulkAction.TAKE, finance, cases)

    assert code_of(lambda: give_up_bulk(run_id=run.pk, person=finance)) == "not_stopped"
    stop_bulk(run_id=run.pk, person=finance)
    assert give_up_bulk(run_id=run.pk, person=finance).status == BulkStatus.GIVEN_UP


def test_a_second_press_of_stop_or_go_on_changes_nothing(finance: User, cases: list[Case]) -> None:
    run = begun(BulkAction.TAKE, finance, cases)
    for steer in (stop_bulk, stop_bulk, go_on_with_bulk, go_on_with_bulk):
        steer(run_id=run.pk, person=finance)

    assert AuditEntry.objects.filter(subject_kind="bulk_run").count() == 3


class TestTheDatabase:
    """The last line of defence."""

    @pytest.mark.parametrize(
        "harm",
        [
            "UPDATE failures_bulkrun SET status = 'finished'",
            "UPDATE failures_bulkrun SET status = 'done'",
            "UPDATE failures_bulkrun SET action = 'refund'",
            "UPDATE failures_bulkrun SET action = 'ask'",
            "UPDATE failures_bulkrun SET outcome = 'gone'",
            "UPDATE failures_bulkrun SET mode = 'real'",
            "UPDATE failures_bulkrun SET created_at = created_at - interval '1 day'",
            "UPDATE failures_bulkstep SET status = 'forgotten'",
            "UPDATE failures_bulkstep SET status = 'done'",
            "UPDATE failures_bulkstep SET seen_version = 9",
            "UPDATE failures_bulkstep SET status = 'done', next_action_at = now()",
            "DELETE FROM failures_bulkstep",
            "DELETE FROM failures_bulkrun",
        ],
    )
    def test_keeps_what_was_planned_and_what_became_of_it(self, finance: User, cases: list[Case], harm: str) -> None:
        plan(BulkAction.TAKE, finance, cases)
        run_sql("SET CONSTRAINTS ALL IMMEDIATE")

        with pytest.raises(Exception, match=r"(?i)bulk|protect|cannot|delete"), transaction.atomic():
            run_sql(harm)

    def test_takes_a_case_once_into_a_run(self, finance: User, cases: list[Case]) -> None:
        run = plan(BulkAction.TAKE, finance, cases)
        values = BulkStep.objects.filter(run=run).values().first()
        assert values is not None

        with pytest.raises(IntegrityError, match="one_step_per_run_and_case"), transaction.atomic():
            BulkStep(**{**values, "id": clock.new_id()}).save(force_insert=True)

    @pytest.mark.parametrize(
        ("of", "constraint"), [("run", "bulk_step_in_its_runs_tenant"), ("case", "bulk_step_in_its_cases_tenant")]
    )
    def test_takes_no_step_of_another_restaurant(
        self, finance: User, cases: list[Case], of: str, constraint: str
    ) -> None:
        mine: dict[str, Any] = dict(plan(BulkAction.TAKE, finance, cases[:1]).steps.values().get())
        routed(elsewhere := RestaurantFactory.create(), "a")
        other = plan(BulkAction.TAKE, staff(elsewhere, Role.FINANCE), [contradicted(elsewhere)])
        theirs: dict[str, Any] = dict(other.steps.values().get())
        run_sql("SET CONSTRAINTS ALL IMMEDIATE")

        with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
            BulkStep(**{**mine, "id": clock.new_id(), f"{of}_id": theirs[f"{of}_id"]}).save(force_insert=True)

    def test_a_status_is_written_by_its_machine_alone(self, finance: User, cases: list[Case]) -> None:
        run = BulkRun.objects.get(pk=plan(BulkAction.TAKE, finance, cases).pk)

        with pytest.raises(AttributeError):
            run.status = BulkStatus.DONE
        with pytest.raises(TransitionNotAllowed):
            run.arrive()


def test_a_press_on_an_old_page_is_told_what_is_so_by_now(finance: User, cases: list[Case]) -> None:
    run = begun(BulkAction.DISMISS, finance, cases)
    work_on_bulk()

    page = desk_of(finance).post(f"{own_page(run)[: -len('change/')]}do/stop/", follow=True).content.decode()

    assert "Nothing was changed: it is done." in page


def test_a_plan_to_take_says_how_many_somebody_else_has(
    restaurant: Restaurant, finance: User, cases: list[Case]
) -> None:
    assign_case(case_id=cases[0].pk, person=staff(restaurant, Role.FINANCE))

    assert "1 of them somebody else has now." in shown(desk_of(finance), plan(BulkAction.TAKE, finance, cases))


def test_a_plan_that_never_said_how_its_cases_ended_is_not_started(finance: User, cases: list[Case]) -> None:
    """Made before that was a part of the plan."""
    run = plan(BulkAction.RESOLVE, finance, cases)
    BulkRun.objects.filter(pk=run.pk).update(outcome="")

    assert code_of(lambda: start(run)) == "no_outcome"
    assert "Close: they are dealt with" in desk_of(finance).get(own_page(run)).content.decode()
