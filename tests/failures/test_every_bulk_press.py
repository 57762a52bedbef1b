"""Every press of a plan for many cases: it is its person's alone, and a forged one or a second one changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Role
from events.models import AuditEntry
from failures.admin.bulk_page import _VERBS
from failures.bulk.steering import stop_bulk
from failures.models import BulkAction, BulkRun, BulkStatus, Case
from failures.services.working import assign_case
from tests.factories import RestaurantFactory, UserFactory, staff
from tests.failures.bulking import begun, contradicted, doubtful, exhausted, plan
from tests.failures.deciding import WHY
from tests.failures.scenes import sentences_of
from tests.failures.test_desk import desk_of
from tests.failures.worlds_of_cases import Crew
from tests.snapshots import everything, what_changed

pytestmark = pytest.mark.django_db
Said = dict[str, str]
WHAT_IS_TYPED: Mapping[BulkAction, Said] = {
    BulkAction.ASK: {},
    BulkAction.TAKE: {},
    BulkAction.GIVE_BACK: {"reason": WHY},
    BulkAction.SNOOZE: {"reason": WHY, "minutes": "60"},
    BulkAction.RETRY: {"reason": WHY},
    BulkAction.RESOLVE: {"reason": WHY},
    BulkAction.DISMISS: {"reason": WHY},
}


def cases_for(action: BulkAction, crew: Crew) -> list[Case]:
    make = {BulkAction.ASK: doubtful, BulkAction.RETRY: exhausted}.get(action, contradicted)
    cases = [make(crew.restaurant) for _ in range(2)]
    if action == BulkAction.GIVE_BACK:
        for case in cases:
            assign_case(case_id=case.pk, person=crew.finance)
    return cases


def planned(crew: Crew, action: BulkAction) -> BulkRun:
    return plan(action, crew.finance, cases_for(action, crew))


def running(crew: Crew, action: BulkAction) -> BulkRun:
    return begun(action, crew.finance, cases_for(action, crew))


def stopped(crew: Crew, action: BulkAction) -> BulkRun:
    return stop_bulk(run_id=running(crew, action).pk, person=crew.finance)


# Of each: on what it may be pressed, and where that stands then.
STEERING: Mapping[str, tuple[Callable[[Crew, BulkAction], BulkRun], BulkStatus]] = {
    "start": (planned, BulkStatus.RUNNING),
    "stop": (running, BulkStatus.STOPPED),
    "go-on": (stopped, BulkStatus.RUNNING),
    "give-up": (stopped, BulkStatus.GIVEN_UP),
}
PRESSES = [*(("start", action) for action in BulkAction), *((verb, BulkAction.TAKE) for verb in STEERING)]
each = pytest.mark.parametrize(("verb", "action"), sorted(set(PRESSES)))


def send(client: Client, run: BulkRun, verb: str, **other: str) -> Any:
    said = {**WHAT_IS_TYPED[BulkAction(run.action)], **other} if verb == "start" else {}
    return client.post(reverse("admin:failures_bulkrun_do", args=[run.pk, verb]), said)


def test_each_verb_and_each_action_is_tried() -> None:
    assert set(STEERING) == set(_VERBS)
    assert set(WHAT_IS_TYPED) == set(BulkAction)


@each
def test_is_done_once_by_its_person(crew: Crew, verb: str, action: BulkAction) -> None:
    make, status = STEERING[verb]
    run, desk = make(crew, action), desk_of(crew.finance)
    last = AuditEntry.objects.count()

    first = send(desk, run, verb)
    before = everything()
    second = send(desk, run, verb)

    assert first.status_code == HTTPStatus.FOUND
    assert BulkRun.objects.get().status == status
    (entry,) = AuditEntry.objects.order_by("id")[last:]
    assert (entry.actor_id, entry.subject_id) == (str(crew.finance.pk), str(run.pk))
    assert second.status_code in {HTTPStatus.FOUND, HTTPStatus.CONFLICT}
    assert what_changed(before, everything()) == {}


@each
def test_is_nobody_elses(crew: Crew, verb: str, action: BulkAction) -> None:
    """Not even of whoever may do all of it to each of the cases."""
    run = STEERING[verb][0](crew, action)
    admin, auditor, waiter = (staff(crew.restaurant, role) for role in (Role.ADMIN, Role.AUDITOR, Role.WAITER))
    next_door = staff(RestaurantFactory.create(), Role.ADMIN)
    boss = UserFactory.create(is_superuser=True)
    others = [desk_of(person) for person in (admin, auditor, boss, crew.lead, crew.colleague, waiter, next_door)]
    victim = Client(enforce_csrf_checks=True)
    desk_of(crew.finance)
    victim.force_login(crew.finance, backend="accounts.backends.PersonBackend")
    before = everything()

    answers = [send(client, run, verb) for client in (*others, victim, Client())]

    conflict, not_there = [HTTPStatus.CONFLICT] * 4, [HTTPStatus.NOT_FOUND] * 3
    assert [answer.status_code for answer in answers] == [*conflict, *not_there, HTTPStatus.FORBIDDEN, HTTPStatus.FOUND]
    assert all(sentences_of(answer) for answer in answers[:4])
    assert answers[-1]["Location"].startswith("/admin/login/")
    assert what_changed(before, everything()) == {}


@pytest.mark.parametrize("action", sorted(action for action, typed in WHAT_IS_TYPED.items() if typed))
def test_does_not_start_with_what_is_wrong(crew: Crew, action: BulkAction) -> None:
    run, desk = planned(crew, action), desk_of(crew.finance)
    wrong: dict[str, tuple[str, ...]] = {
        "reason": ("", "ok", "Card 4111 1111 1111 1111"),
        "minutes": ("", "soon", "-5", "99999999"),
    }
    before = everything()

    for name in WHAT_IS_TYPED[action]:
        for value in wrong[name]:
            answer = send(desk, run, "start", **{name: value})
            assert answer.status_code in {HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT}, (name, value)

    assert what_changed(before, everything()) == {}
