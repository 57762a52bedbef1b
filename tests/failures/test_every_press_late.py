"""Every press of a case's page that comes too late, comes twice, or needs somebody else to agree."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction
from django.test import Client

from accounts.models import Approval, ApprovalStatus, Role, User
from accounts.services.approvals import Wanted, ask_approval
from events.actors import Actor
from events.audit import verdicts
from events.models import AuditEntry
from failures.approvals import Verdict
from failures.decisions import NEEDS_TWO, Action
from failures.models import Case, CaseStatus
from failures.services.papers import add_note
from failures.services.waiting import wait_for_approval
from failures.services.working import assign_case
from tests.factories import RestaurantFactory, staff
from tests.failures import worlds_of_cases as worlds
from tests.failures.deciding import WHY, reply
from tests.failures.presses import PRESSES, TYPED, Press, Said
from tests.failures.scenes import Scene, presses, sentences_of
from tests.failures.test_desk import desk_of
from tests.snapshots import everything, money, what_changed

ENDED = "Nothing was done: this case had ended before you pressed."
IS_ASKED = "A second person is being asked about this"
STALE = "Something happened to this case since you opened it: colleague wrote a note"
DONE_ALREADY = "It was done already, by your first press."


def refuses_afterwards(scene: Scene) -> str:
    """In which words; and nothing is changed by the press."""
    desk = desk_of(scene.person)
    said, before = scene.on_page(), everything()

    answer = scene.send_to(desk, scene.press.verb, said)

    assert answer.status_code == HTTPStatus.CONFLICT
    assert what_changed(before, everything()) == {}
    return " ".join(sentences_of(answer))


# --- Meanwhile --------------------------------------------------------------------------------------------------------


def _ends(press: Press) -> bool:
    return press.verb not in {"note", "file"} and press.action != Action.REOPEN


@pytest.mark.parametrize("scene", presses(_ends), indirect=True)
def test_to_a_case_that_has_ended_nothing_is_done(scene: Scene) -> None:
    worlds.end(scene.case, scene.crew)

    told = refuses_afterwards(scene)

    assert ("nothing is left to decide." if scene.press.verb == "reply" else ENDED) in told


@pytest.mark.parametrize("scene", presses(lambda press: press.action == Action.REOPEN), indirect=True)
def test_a_case_that_news_opened_is_not_opened_again(scene: Scene) -> None:
    worlds.open_again(scene.case, scene.crew)

    assert "For this case there are: " in refuses_afterwards(scene)


@pytest.mark.parametrize("scene", presses(lambda press: press.is_of_its_page and press.verb != "reply"), indirect=True)
def test_while_a_second_person_is_asked_nothing_else_is_done(scene: Scene) -> None:
    _ask_about(scene.case, scene.crew.colleague)

    assert IS_ASKED in refuses_afterwards(scene)


def _ask_about(case: Case, maker: User) -> None:
    """As each decision that needs two does it, whichever that is."""
    with transaction.atomic():
        case, actor = Case.objects.select_for_update().get(pk=case.pk), Actor.user(maker)
        wanted = Wanted(
            restaurant_id=case.restaurant_id,
            mode=case.mode,
            action=Action.WRITE_OFF,
            subject_id=case.pk,
            asked_from=case.pk,
            reason=WHY,
        )
        wait_for_approval(case, ask_approval(wanted, maker=maker, actor=actor), actor=actor)


@pytest.mark.parametrize("scene", presses(lambda press: press.verb == "reply"), indirect=True)
def test_what_somebody_has_answered_is_not_answered_again(scene: Scene) -> None:
    reply(Approval.objects.get(), staff(scene.crew.restaurant, Role.ADMIN), Verdict.REJECT)

    assert "already" in refuses_afterwards(scene)


@pytest.mark.parametrize("scene", presses(lambda press: press.is_of_its_page), indirect=True)
def test_on_an_old_page_one_is_told_what_happened_and_nothing_typed_is_lost(scene: Scene) -> None:
    desk, said = desk_of(scene.person), scene.on_page()
    add_note(case_id=scene.case.pk, person=scene.crew.colleague, text="They called.")
    before = everything()

    answer = scene.send_to(desk, scene.press.verb, said)

    text = answer.content.decode()
    assert answer.status_code == HTTPStatus.CONFLICT
    assert " ".join(sentences_of(answer)).count(STALE) == 1
    assert said.get("reason", "") in text
    assert f'name="version" value="{scene.now.version}"' in text  # The next press is about what is seen now.
    assert what_changed(before, everything()) == {}


@pytest.mark.parametrize("scene", presses(lambda press: not press.is_of_its_page), indirect=True)
def test_what_cannot_be_wrong_is_done_on_an_old_page_too(scene: Scene) -> None:
    said = scene.on_page()
    assign_case(case_id=scene.case.pk, person=scene.crew.colleague)

    answer = scene.send_to(desk_of(scene.person), scene.press.verb, said)

    assert (answer.status_code, scene.shown) == (HTTPStatus.FOUND, scene.press.done)


# --- Twice ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scene", presses(), indirect=True)
def test_a_double_click_is_one_press(scene: Scene) -> None:
    desk, seen = desk_of(scene.person), {"version": scene.now.version, "press": str(uuid4())}
    said = [{**scene.on_page(), **seen} for _ in range(2)]
    scene.send_to(desk, scene.press.verb, said[0])
    before = everything()

    second = scene.send_to(desk, scene.press.verb, said[1])

    assert what_changed(before, everything()) == {}
    if scene.press.verb in {"decide", "reply"}:
        assert DONE_ALREADY in desk.get(second["Location"]).content.decode()
    else:
        assert second.status_code == HTTPStatus.FOUND or sentences_of(second)


# --- Two people -------------------------------------------------------------------------------------------------------

by_two = pytest.mark.parametrize("scene", presses(lambda press: press.needs_two), indirect=True)
# Of whatever is asked for: that it is asked, and nothing of the order, its payments and their refunds.
ASKING = {"accounts_approval", "accounts_idempotentcall", "failures_case"}
WRITTEN = {"events_auditchain", "events_auditentry", "events_event", "events_delivery", "events_transition"}


def answered(scene: Scene, desk: Client, verdict: Verdict = Verdict.APPROVE) -> Any:
    about = {"verdict": verdict.value, "approval": str(Approval.objects.latest("id").pk), "reason": "Seen as well."}
    said: Said = {"version": scene.now.version, "press": str(uuid4()), **about}
    return scene.send_to(desk, "reply", said)


@by_two
def test_one_person_only_asks(scene: Scene) -> None:
    desk, is_waiting, before = desk_of(scene.person), scene.case.is_waiting, everything()

    scene.send(desk)

    changed = what_changed(before, everything())
    assert {"accounts_approval"} <= set(changed) <= ASKING | WRITTEN
    (asked,) = changed["accounts_approval"]
    assert (asked["status"], asked["action"], asked["reason"]) == (ApprovalStatus.PENDING, scene.press.action, TYPED)
    assert (asked["maker_id"], asked["asked_from"]) == (str(scene.person.pk), str(scene.case.pk))
    waits = CaseStatus.WAITING_SECOND_PERSON if is_waiting else scene.case.status
    assert (scene.now.status, scene.now.outcome) == (waits, scene.case.outcome)


@by_two
@pytest.mark.parametrize("role", [Role.FINANCE, Role.FINANCE_LEAD, Role.ADMIN])
def test_whoever_asked_does_not_agree(scene: Scene, role: Role) -> None:
    scene.person.memberships.update(role=role)
    scene.send(desk := desk_of(scene.person))
    before = everything()

    answer = answered(scene, desk)

    assert "You asked for it yourself" in " ".join(sentences_of(answer))
    assert what_changed(before, everything()) == {}


@by_two
def test_nor_does_whoever_may_not(scene: Scene) -> None:
    scene.send(desk_of(scene.person))
    here, elsewhere = scene.crew.restaurant, RestaurantFactory.create()
    people = [staff(here, role) for role in (Role.FINANCE, Role.AUDITOR, Role.WAITER)]
    desks = [desk_of(person) for person in (*people, staff(elsewhere, Role.ADMIN))]
    before = everything()

    codes = [answered(scene, desk).status_code for desk in desks]

    assert codes == [HTTPStatus.CONFLICT, HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND, HTTPStatus.NOT_FOUND]
    assert what_changed(before, everything()) == {}


@by_two
def test_when_a_second_person_agrees_it_is_done_and_names_both(scene: Scene) -> None:
    scene.send(desk_of(scene.person))

    answer = answered(scene, desk_of(scene.crew.lead))

    assert answer.status_code == HTTPStatus.FOUND
    assert scene.shown == scene.press.done
    approval = Approval.objects.get()
    assert (approval.status, approval.maker, approval.checker) == (ApprovalStatus.DONE, scene.person, scene.crew.lead)
    asked, agreed = AuditEntry.objects.order_by("-id")[:2][::-1]
    assert (asked.action, asked.actor_id) == (scene.press.deed, str(scene.person.pk))
    assert (agreed.action, agreed.actor_id, agreed.reason) == ("approve", str(scene.crew.lead.pk), "Seen as well.")
    assert [sentence for verdict in verdicts() for sentence in verdict.wrong] == []


@by_two
def test_when_a_second_person_says_no_nothing_is_done(scene: Scene) -> None:
    before = money()
    scene.send(desk_of(scene.person))

    answered(scene, desk_of(scene.crew.lead), Verdict.REJECT)

    assert Approval.objects.get().status == ApprovalStatus.REJECTED
    assert what_changed(before, money()) == {}
    assert scene.now.outcome == scene.case.outcome


def test_these_are_all_that_need_two() -> None:
    assert {press.action for press in PRESSES.values() if press.needs_two} == set(NEEDS_TWO)
