"""Every press of a case's page: what it does and leaves in the audit, for whom; and that a forged one does nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import Approval, Restaurant, Role, User
from events.audit import verdicts
from events.models import AuditEntry
from failures.admin.case_page import _FORMS
from failures.admin.case_verbs import VERBS
from failures.approvals import Verdict
from failures.decisions import ALWAYS, OFFERED, Action, actions_for
from tests.factories import RestaurantFactory, UserFactory, staff
from tests.failures import worlds_of_cases as worlds
from tests.failures.deciding import ask, refused
from tests.failures.presses import PRESSES, TYPED
from tests.failures.scenes import Scene, presses, scene_of, sentences_of
from tests.failures.test_desk import desk_of, page_of
from tests.failures.worlds_of_cases import Crew
from tests.snapshots import everything, what_changed

CARD = "Card 4111 1111 1111 1111"
each = pytest.mark.parametrize("scene", presses(), indirect=True)
FIRST = {press.world: press for press in reversed(list(PRESSES.values()))}
of_each_world = pytest.mark.parametrize("scene", presses(lambda press: press in FIRST.values()), indirect=True)


def test_each_verb_each_decision_and_each_answer_is_tried() -> None:
    """A new one fails here until it is among them."""
    tried = PRESSES.values()

    assert {press.verb for press in tried} == set(_FORMS) == set(VERBS)
    assert {press.action for press in tried} - {None} == set(Action)
    assert {press.verdict for press in tried} - {None} == set(Verdict)


@pytest.mark.django_db
def test_each_decision_is_tried_in_each_kind_of_case_that_offers_it(crew: Crew) -> None:
    scenes = [scene_of(press, crew) for press in PRESSES.values() if press.action is not None]

    tried = {(scene.case.kind, scene.press.action) for scene in scenes}
    assert {(kind, action) for kind, actions in OFFERED.items() for action in actions} <= tried
    assert {action for _, action in tried} >= {*ALWAYS, Action.REOPEN}


@each
def test_is_done_once_and_has_one_entry_in_the_audit(scene: Scene) -> None:
    press, before = scene.press, scene.shown
    last, asked = AuditEntry.objects.count(), Approval.objects.count()

    answer = scene.send(desk := desk_of(scene.person))

    assert (answer.status_code, answer["Location"]) == (HTTPStatus.FOUND, page_of(scene.case))
    assert len(sentences_of(desk.get(answer["Location"]))) == 1  # What was done.
    assert before != press.done
    assert press.needs_two or scene.shown == press.done
    assert Approval.objects.count() == asked + press.needs_two
    (entry,) = AuditEntry.objects.order_by("id")[last:]
    assert (entry.action, entry.actor_id, entry.reason) == (press.deed, str(scene.person.pk), press.why)
    assert (entry.subject_id, entry.chain_id) == (str(scene.case.pk), scene.crew.restaurant.pk)
    assert press.verb == "ask" or entry.before != entry.after
    assert [sentence for verdict in verdicts() for sentence in verdict.wrong] == []


# --- By whom ----------------------------------------------------------------------------------------------------------


def _who_left(restaurant: Restaurant) -> Client:
    person = staff(restaurant, Role.FINANCE)
    client = desk_of(person)
    person.memberships.all().delete()
    return client


def _who_is_shut_out(restaurant: Restaurant) -> Client:
    person = staff(restaurant, Role.ADMIN)
    client = desk_of(person)
    User.objects.filter(pk=person.pk).update(is_active=False)
    return client


SIGN_IN, NOT_THERE, NOT_YOU = HTTPStatus.FOUND, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT
STRANGERS: Mapping[str, tuple[Callable[[Restaurant], Client], HTTPStatus]] = {
    "nobody": (lambda _: Client(), SIGN_IN),
    "a waiter": (lambda restaurant: desk_of(staff(restaurant, Role.WAITER)), NOT_THERE),
    "an auditor": (lambda restaurant: desk_of(staff(restaurant, Role.AUDITOR)), NOT_YOU),
    "an admin from next door": (lambda _: desk_of(staff(RestaurantFactory.create(), Role.ADMIN)), NOT_THERE),
    "a superuser without a role": (lambda _: desk_of(UserFactory.create(is_superuser=True)), NOT_YOU),
    "finance that has left": (_who_left, NOT_THERE),
    "an admin who is shut out": (_who_is_shut_out, SIGN_IN),
}


@each
def test_does_nothing_for_whoever_may_not(scene: Scene) -> None:
    strangers = {name: (client_of(scene.crew.restaurant), told) for name, (client_of, told) in STRANGERS.items()}
    before = everything()

    answers = {name: scene.send(client) for name, (client, _) in strangers.items()}

    assert {name: answer.status_code for name, answer in answers.items()} == {
        name: told for name, (_, told) in strangers.items()
    }
    led = {answer["Location"].split("?")[0] for answer in answers.values() if "Location" in answer}
    assert led == {"/admin/login/"}
    assert all(sentences_of(answer) for answer in answers.values() if answer.status_code == NOT_YOU)
    assert what_changed(before, everything()) == {}


@of_each_world
def test_is_not_on_the_page_of_whoever_may_only_look(scene: Scene) -> None:
    text = desk_of(staff(scene.crew.restaurant, Role.AUDITOR)).get(page_of(scene.case)).content.decode()

    assert "<form" not in text[text.index('class="desk"') :]  # Behind the frame, which has the form to sign out.


@each
def test_cannot_be_sent_from_another_site(scene: Scene) -> None:
    desk_of(scene.person)
    victim = Client(enforce_csrf_checks=True)
    victim.force_login(scene.person, backend="accounts.backends.PersonBackend")
    before = everything()

    assert scene.send(victim).status_code == HTTPStatus.FORBIDDEN
    assert what_changed(before, everything()) == {}


# --- What is said -----------------------------------------------------------------------------------------------------

_OF_EACH: tuple[dict[str, Any], ...] = ({"press": "one"}, {"press": None}, {"version": "new"}, {"version": None})
_OF_ITS_PAGE: tuple[dict[str, Any], ...] = ({"version": "9" * 30}, {"version": "-1"})
_NO_REASON: tuple[dict[str, Any], ...] = tuple(
    {"reason": wrong} for wrong in (None, " ", "ok", CARD, "They \0 called.", "x" * 501)
)
WRONG: Mapping[str, tuple[dict[str, Any], ...]] = {
    "give": ({"to": None}, {"to": "the boss"}, {"to": str(uuid4())}, {"reason": CARD}),
    "give-back": _NO_REASON,
    "snooze": (*_NO_REASON, {"minutes": None}, {"minutes": "-5"}, {"minutes": "soon"}, {"minutes": "99999999"}),
    "decide": (
        *_NO_REASON,
        *({"action": None}, {"action": "steal"}),
        *({"outcome": "won"}, {"outcome": "written_off"}, {"outcome": "given_back_elsewhere"}),
        *({"amount": wrong} for wrong in ("eight", "-1", "840.999", "NaN", "1e99", "9" * 20, "0x10", "8,40", "84\0")),
    ),
    "reply": (
        *({"verdict": None}, {"verdict": "agree"}),
        *({"approval": None}, {"approval": "the last one"}),
    ),
    "note": ({"text": None}, {"text": " "}, {"text": CARD}, {"text": "x" * 4_001}),
    "file": ({"file": None}, {"file": "letter.pdf"}),
}
IN_WORDS = {HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT}


# One press of each verb; of the decisions the one that has an amount.
SAYS_MOST = ("take", "give", "give-back", "snooze", "ask", "note", "file", "record that it was charged", "reject")


@pytest.mark.parametrize("scene", presses(lambda press: press in map(PRESSES.get, SAYS_MOST)), indirect=True)
def test_whatever_is_wrong_with_it_is_said_in_words(scene: Scene) -> None:
    desk = desk_of(scene.person)
    before = everything()

    of_page = _OF_ITS_PAGE if scene.press.is_of_its_page else ()
    for wrong in (*_OF_EACH, *of_page, *WRONG.get(scene.press.verb, ())):
        answer = scene.send(desk, **wrong)
        assert answer.status_code in IN_WORDS, wrong
        assert sentences_of(answer), wrong

    assert what_changed(before, everything()) == {}


@pytest.mark.parametrize("scene", presses(lambda press: press.action is not None), indirect=True)
def test_a_decision_with_an_amount_that_is_none_or_without_a_reason_is_not_taken(scene: Scene) -> None:
    desk = desk_of(scene.person)
    before = everything()

    answers = [scene.send(desk, **wrong) for wrong in ({"amount": "eight"}, {"reason": "ok"}, {"press": "one"})]

    assert [answer.status_code for answer in answers] == [
        HTTPStatus.CONFLICT,
        HTTPStatus.CONFLICT,
        HTTPStatus.BAD_REQUEST,
    ]
    assert "'eight' is not an amount. Write it like 840 or 840.50." in sentences_of(answers[0])
    assert what_changed(before, everything()) == {}


@pytest.mark.parametrize("scene", presses(lambda press: press.verb == "reply"), indirect=True)
def test_an_answer_to_what_nobody_asked_in_this_case_is_not_taken(scene: Scene) -> None:
    elsewhere = worlds.in_doubt(scene.crew)
    asked = ask(elsewhere, scene.crew.colleague, Action.RECORD_NOT_CHARGED)
    desk = desk_of(scene.person)
    before = everything()

    for approval in (uuid4(), asked.pk):
        assert scene.send(desk, approval=str(approval)).status_code == HTTPStatus.NOT_FOUND

    assert what_changed(before, everything()) == {}


@pytest.mark.django_db
@pytest.mark.parametrize("content", [b"", b"<html>", b"MZ\x90\x00", b"PK\x03\x04", CARD.encode() + b",1\n"])
def test_a_file_that_is_no_evidence_is_refused_in_words(crew: Crew, content: bytes) -> None:
    scene = scene_of(PRESSES["file"], crew)
    desk = desk_of(scene.person)
    before = everything()

    answer = scene.send(desk, file=SimpleUploadedFile("letter.pdf", content))

    assert answer.status_code in IN_WORDS
    assert what_changed(before, everything()) == {}


NOT_OFFERED = {"no_such_action", "already_ended", "waits_for_approval"}


@of_each_world
def test_what_such_a_case_does_not_offer_is_not_done(scene: Scene) -> None:
    person = scene.crew.finance
    desk, others = desk_of(person), sorted(set(Action) - set(actions_for(scene.case)))
    before = everything()

    for action in others:
        amount = 84_000 if action == Action.RECORD_CHARGED else None
        assert refused(partial(ask, scene.now, person, action, amount_minor=amount)) in NOT_OFFERED, action
    said = {"action": others[0], "reason": TYPED, "version": scene.now.version, "press": str(uuid4())}
    answer = scene.send_to(desk, "decide", said)

    assert (answer.status_code, len(sentences_of(answer))) == (HTTPStatus.CONFLICT, 1)
    assert what_changed(before, everything()) == {}


@each
def test_is_not_done_by_following_a_link(scene: Scene) -> None:
    desk = desk_of(scene.person)
    before = everything()

    address = reverse("admin:failures_case_do", args=[scene.case.pk, scene.press.verb])
    answer = desk.get(address, {**scene.on_page(), "file": "letter.pdf"})

    assert answer.status_code == HTTPStatus.FOUND
    assert what_changed(before, everything()) == {}
