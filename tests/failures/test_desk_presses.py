"""What a press of the desk says and keeps: what it did itself, what was typed, and what a second press is."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.models import Approval, ApprovalStatus, IdempotentCall, Restaurant, Role, User
from failures.approvals import Verdict
from failures.models import BulkAction, Case
from payments.services.evidence import Finding
from payments.services.facts import PaymentEvent
from tests.factories import accepted, order_of, staff
from tests.failures.bulking import contradicted, plan
from tests.failures.deciding import reply
from tests.failures.test_desk import QUEUE, desk_of, page_of, press
from tests.failures.test_services import REASON, happened
from tests.failures.world import attempted

pytestmark = pytest.mark.django_db
USED = "This page was used already for something else. Nothing was done: look, and press again."
DONE_ALREADY = "It was done already, by your first press."


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


@pytest.fixture
def desk(finance: User) -> Client:
    return desk_of(finance)


class TestAnAmount:
    @pytest.fixture
    def doubt(self, restaurant: Restaurant) -> Case:
        happened(PaymentEvent.DOUBT_PROLONGED, attempted(order_of(restaurant), Finding.UNKNOWN).payment)
        return Case.objects.get()

    @pytest.mark.parametrize("typed", ["", " ", "0", "0.00"])
    def test_that_is_none_is_asked_for_as_the_provider_shows_it(self, desk: Client, doubt: Case, typed: str) -> None:
        answer = press(desk, doubt, "decide", action="record_charged", reason=REASON, amount=typed)

        assert answer.status_code == 409
        told = r'<span class="desk-error" role="alert" id="[^"]+">Write what the provider shows, like 840.00.</span>'
        assert re.search(told, answer.content.decode())
        assert Case.objects.get().status == doubt.status

    def test_that_is_no_bill_is_refused_in_money(self, desk: Client, doubt: Case) -> None:
        answer = press(desk, doubt, "decide", action="record_charged", reason=REASON, amount="9999999999999")

        assert "above zero, and at most ₹10,00,00,00,000.00." in answer.content.decode()

    def test_is_required_where_it_is_asked(self, desk: Client, doubt: Case) -> None:
        fields = re.findall(r'<input[^>]*name="amount"[^>]*>', desk.get(page_of(doubt)).content.decode())

        assert len(fields) == 1
        assert " required" in fields[0]

    def test_is_not_missed_where_it_is_not(self, desk: Client, doubt: Case) -> None:
        answer = press(desk, doubt, "decide", action="record_not_charged", reason=REASON, amount="")

        assert answer.status_code == 302


def test_a_note_written_on_the_page_of_another_one_is_not_lost(desk: Client, restaurant: Restaurant) -> None:
    happened(PaymentEvent.CONTRADICTED, accepted(order_of(restaurant)))
    case = Case.objects.get()
    page = {"press": "018f0000-0000-7000-8000-000000000001", "version": case.version}

    for text in ("The guest called.", "The bank says that it was charged twice."):
        assert press(desk, case, "note", text=text, **page).status_code == 302

    shown = desk.get(page_of(case)).content.decode()
    assert "The guest called." in shown
    assert "The bank says that it was charged twice." in shown


class TestAPageThatWasUsed:
    """As whoever goes back in the browser has it: its press is the one that did something already."""

    @pytest.fixture
    def doubt(self, restaurant: Restaurant) -> Case:
        happened(PaymentEvent.DOUBT_PROLONGED, attempted(order_of(restaurant), Finding.UNKNOWN).payment)
        return Case.objects.get()

    @pytest.fixture
    def page(self, doubt: Case) -> dict[str, Any]:
        """Asked for by it, and taken back meanwhile."""
        return {"press": "018f0000-0000-7000-8000-000000000001", "version": doubt.version, **CHARGED}

    @pytest.fixture
    def asked(self, desk: Client, doubt: Case, finance: User, page: dict[str, Any]) -> Approval:
        press(desk, doubt, "decide", **page)
        return reply(Approval.objects.get(), finance, Verdict.WITHDRAW)

    def test_says_of_the_same_words_that_they_were_done(
        self, desk: Client, doubt: Case, asked: Approval, page: dict[str, Any]
    ) -> None:
        answer = desk.post(reverse("admin:failures_case_do", args=[doubt.pk, "decide"]), page, follow=True)

        assert DONE_ALREADY in answer.content.decode()
        assert Approval.objects.get() == asked

    def test_does_nothing_for_others_and_says_so(
        self, desk: Client, doubt: Case, asked: Approval, page: dict[str, Any]
    ) -> None:
        answer = press(desk, doubt, "decide", **{**page, "amount": "480"})

        text = answer.content.decode()
        assert answer.status_code == 409
        assert USED in text
        assert DONE_ALREADY not in text
        assert Approval.objects.get() == asked

    def test_keeps_them_for_a_press_of_their_own(
        self, desk: Client, doubt: Case, asked: Approval, page: dict[str, Any]
    ) -> None:
        shown = press(desk, doubt, "decide", **{**page, "amount": "480", "reason": "Another charge."})

        form = _form_with(shown, 'value="480"')
        assert form["press"] != page["press"]
        assert (form["amount"], form["reason"]) == ("480", "Another charge.")
        again = desk.post(reverse("admin:failures_case_do", args=[doubt.pk, "decide"]), form)
        assert again.status_code == 302
        assert Approval.objects.latest("id").data["captured_minor"] == 48_000

    def test_answers_nothing_else_that_a_second_person_is_asked(
        self, restaurant: Restaurant, desk: Client, doubt: Case, page: dict[str, Any]
    ) -> None:
        press(desk, doubt, "decide", **page)
        lead, approval = desk_of(staff(restaurant, Role.FINANCE_LEAD)), Approval.objects.get()
        said = {"press": page["press"], "approval": str(approval.pk), "reason": "Nobody sees it there."}
        press(lead, doubt, "reply", **said, verdict="reject")

        answers = [press(lead, doubt, "reply", **said, verdict=verdict) for verdict in ("reject", "approve")]

        assert [answer.status_code for answer in answers] == [302, 409]
        assert USED in answers[1].content.decode()
        assert "Nobody sees it there." in answers[1].content.decode()
        assert Approval.objects.get().status == ApprovalStatus.REJECTED

    def test_is_not_the_page_of_another_case(
        self, restaurant: Restaurant, desk: Client, asked: Approval, page: dict[str, Any]
    ) -> None:
        happened(PaymentEvent.DOUBT_PROLONGED, attempted(order_of(restaurant), Finding.UNKNOWN).payment)
        other = Case.objects.latest("id")

        answer = press(desk, other, "decide", **{**page, "version": other.version})

        assert answer.status_code == 409
        assert USED in answer.content.decode()
        assert Approval.objects.get() == asked


CHARGED = {"action": "record_charged", "reason": REASON, "amount": "840"}


def _form_with(answer: Any, said: str) -> dict[str, str]:
    """What a browser would send of the form in which that stands."""
    forms = re.findall(r"<form.*?</form>", answer.content.decode(), re.DOTALL)
    form = next(each for each in forms if said in each)
    return dict(re.findall(r'<input[^>]* name="([^"]+)" value="([^"]*)"', form))


class TestTakeNext:
    @pytest.fixture(autouse=True)
    def _three(self, restaurant: Restaurant) -> None:
        for _ in range(3):
            happened(PaymentEvent.CONTRADICTED, accepted(order_of(restaurant)))

    @staticmethod
    def press_of(desk: Client) -> str:
        found = re.search(r'name="press" value="([^"]+)"', desk.get(QUEUE).content.decode())
        assert found
        return found[1]

    def test_pressed_twice_takes_one_case_and_shows_it_twice(self, desk: Client, finance: User) -> None:
        said = {"press": self.press_of(desk)}

        first, second = (desk.post(f"{QUEUE}next/", said) for _ in range(2))

        case = Case.objects.get(owner=finance)
        assert first["Location"] == second["Location"] == page_of(case)
        call = IdempotentCall.objects.get()
        assert (call.subject_id, call.restaurant_id, call.mode) == (case.pk, case.restaurant_id, case.mode)

    def test_that_finds_nothing_leaves_nothing_behind(self, desk: Client, finance: User) -> None:
        for _ in range(4):
            desk.post(f"{QUEUE}next/", {"press": self.press_of(desk)})

        assert (Case.objects.filter(owner=finance).count(), IdempotentCall.objects.count()) == (3, 3)

    def test_of_another_page_takes_another_case(self, desk: Client, finance: User) -> None:
        for _ in range(2):
            desk.post(f"{QUEUE}next/", {"press": self.press_of(desk)})

        assert Case.objects.filter(owner=finance).count() == 2

    def test_is_nobody_elses_press(self, restaurant: Restaurant, desk: Client, finance: User) -> None:
        said, colleague = {"press": self.press_of(desk)}, staff(restaurant, Role.FINANCE)

        answers = [each.post(f"{QUEUE}next/", said) for each in (desk, desk_of(colleague))]

        assert [answer["Location"] for answer in answers] == [
            page_of(Case.objects.get(owner=owner)) for owner in (finance, colleague)
        ]

    @pytest.mark.parametrize("press", [{}, {"press": ""}, {"press": "one"}])
    def test_without_a_number_is_a_press(self, desk: Client, finance: User, press: dict[str, str]) -> None:
        desk.post(f"{QUEUE}next/", press)

        assert Case.objects.filter(owner=finance).count() == 1

    def test_whose_number_is_of_something_else_takes_nothing(self, desk: Client, finance: User) -> None:
        case, said = Case.objects.all()[0], {"press": self.press_of(desk)}
        press(desk, case, "decide", action="dismiss", reason=REASON, **said)

        assert USED in desk.post(f"{QUEUE}next/", said, follow=True).content.decode()
        assert not Case.objects.filter(owner=finance).exists()

    def test_waits_with_its_button_alone(self, desk: Client) -> None:
        """Who takes a list away gets a file, and stays on the page."""
        page = desk.get(QUEUE).content.decode()

        assert "kernel/once.js" in page
        assert "failures/desk.js" not in page
        assert page.count("console-once") == 1


class TestWhatWasTyped:
    """Where its form is gone meanwhile."""

    LOST = re.compile(r"You had written:</strong> (.*?)</p>", re.DOTALL)

    @pytest.fixture
    def doubt(self, restaurant: Restaurant) -> Case:
        happened(PaymentEvent.DOUBT_PROLONGED, attempted(order_of(restaurant), Finding.UNKNOWN).payment)
        return Case.objects.get()

    def written(self, answer: Any) -> list[str]:
        found = self.LOST.search(answer.content.decode())
        assert answer.status_code == 409
        return found[1].split("<br>") if found else []

    @pytest.mark.parametrize(
        ("said", "words"),
        [
            (
                {"verb": "decide", "action": "record_charged", "reason": "It is at the bank.", "amount": "839.75"},
                ["It is at the bank.", "Amount that the provider shows: 839.75"],
            ),
            (
                {"verb": "decide", "action": "resolve", "reason": "They paid.", "outcome": "paid_elsewhere"},
                ["They paid.", "How it ended: paid in another way"],
            ),
            (
                {"verb": "snooze", "reason": "The bank is closed.", "minutes": "240"},
                ["The bank is closed.", "For how long (until then nobody is handed it): four hours"],
            ),
        ],
    )
    def test_comes_back_whole_where_somebody_else_asked_first(
        self, restaurant: Restaurant, desk: Client, doubt: Case, said: dict[str, str], words: list[str]
    ) -> None:
        quicker = desk_of(staff(restaurant, Role.FINANCE))
        press(quicker, doubt, "decide", action="record_not_charged", reason=REASON)

        assert self.written(press(desk, doubt, version=doubt.version, **said)) == words

    def test_comes_back_with_the_colleague_who_was_meant(
        self, restaurant: Restaurant, desk: Client, doubt: Case
    ) -> None:
        quicker, colleague = desk_of(staff(restaurant, Role.FINANCE)), staff(restaurant, Role.FINANCE)
        press(quicker, doubt, "decide", action="record_not_charged", reason=REASON)

        answer = press(desk, doubt, "give", version=doubt.version, to=str(colleague.pk), reason="She knows them.")

        assert self.written(answer) == ["She knows them.", f"Colleague: {colleague.username}"]

    @pytest.mark.parametrize(
        ("said", "words"),
        [
            ({"verb": "note", "text": "A long note.\nOf two lines."}, ["A long note.", "Of two lines."]),
            (
                {"verb": "decide", "action": "record_charged", "reason": "Seen.", "amount": "840"},
                ["Seen.", "Amount that the provider shows: 840"],
            ),
        ],
    )
    def test_comes_back_where_the_role_was_taken_meanwhile(
        self, desk: Client, finance: User, doubt: Case, said: dict[str, str], words: list[str]
    ) -> None:
        finance.memberships.update(role=Role.AUDITOR)

        assert self.written(press(desk, doubt, **said)) == words

    def test_stands_in_its_own_form_where_that_is_left(self, restaurant: Restaurant, desk: Client, doubt: Case) -> None:
        answer = press(desk, doubt, "decide", action="record_charged", reason="It is at the bank.", amount="0")

        assert self.written(answer) == []
        assert 'value="It is at the bank."' in answer.content.decode()

    def test_is_only_text(self, desk: Client, finance: User, doubt: Case) -> None:
        finance.memberships.update(role=Role.AUDITOR)

        assert self.written(press(desk, doubt, "note", text="<b>x</b>")) == ["&lt;b&gt;x&lt;/b&gt;"]


def test_a_plan_says_which_it_is_so_that_only_its_own_start_ends_what_was_ticked(
    restaurant: Restaurant, finance: User, desk: Client
) -> None:
    """The scripts of both pages agree about it in the browser: `tests/browser/test_bulk.py` walks that."""
    run = plan(BulkAction.TAKE, finance, [contradicted(restaurant)])
    address = reverse("admin:failures_bulkrun_change", args=[run.pk])
    planned = desk.get(address).content.decode()
    desk.post(reverse("admin:failures_bulkrun_do", args=[run.pk, "start"]))

    begun = desk.get(address).content.decode()
    assert f'data-status="planned" data-run="{run.pk}"' in planned
    assert f'data-status="running" data-run="{run.pk}"' in begun
    assert (planned.count("data-start"), begun.count("data-start")) == (1, 0)


@pytest.mark.django_db(transaction=True)
def test_two_presses_of_take_next_at_once_are_one(restaurant: Restaurant) -> None:
    person = staff(restaurant, Role.FINANCE)
    for _ in range(2):
        happened(PaymentEvent.CONTRADICTED, accepted(order_of(restaurant)))
    client, said = desk_of(person), {"press": "018f0000-0000-7000-8000-000000000001"}

    def take(_: int) -> str:
        try:
            return str(copy(client).post(f"{QUEUE}next/", said)["Location"])
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as both:
        shown = set(both.map(take, range(2)))

    assert shown == {page_of(Case.objects.get(owner=person))}
