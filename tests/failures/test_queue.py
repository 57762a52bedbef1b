"""What a row of the queue says, and what the queue can be narrowed to."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from accounts.models import Membership, Restaurant, Role, User
from failures.models import Case, CaseKind
from failures.services.working import assign_case, snooze_case
from failures.showing.causes import CAUSES
from failures.showing.certainty import Certainty, in_words
from failures.showing.deadlines import is_overdue, waiting_of
from failures.showing.tries import MOST_DOTS, WORDS, dots
from kernel import clock
from kernel.money import Money
from kernel.shown import Tone
from payments.models import Attempt, AttemptStatus, ProviderAccount
from payments.services.evidence import Finding
from payments.services.facts import PaymentEvent
from tests.factories import RestaurantFactory, accepted, order_of, routed, staff
from tests.failures.test_desk import MOST_QUERIES, QUEUE, desk_of, page_of
from tests.failures.test_services import REASON, happened
from tests.failures.world import attempted, orphan_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


@pytest.fixture
def desk(finance: User) -> Client:
    return desk_of(finance)


def case_of(restaurant: Restaurant, **draft: Any) -> Case:
    payment = accepted(order_of(restaurant, **draft))
    happened(PaymentEvent.CONTRADICTED, payment)
    return Case.objects.get(payment=payment)


def rows_of(client: Client, query: str = "") -> str:
    """Without the menu and the filters."""
    text: str = client.get(QUEUE + query).content.decode()
    return text[text.index('id="changelist-form"') : text.index('id="changelist-filter"')]


class TestARow:
    def test_says_what_to_do_how_sure_it_is_and_what_was_tried(self, restaurant: Restaurant, desk: Client) -> None:
        ProviderAccount.objects.update(label="Razorpay")
        doubt = attempted(order_of(restaurant, table="T4"), Finding.UNKNOWN)
        happened(PaymentEvent.DOUBT_PROLONGED, doubt.payment)

        row = rows_of(desk)

        assert "Ask the provider" in row
        assert '<span class="desk-may">may have come in ₹840.00</span>' in row
        assert 'title="Razorpay: nobody knows"' in row
        assert '<span class="console-unseen">Razorpay: nobody knows</span>' in row
        assert "Table T4" in row

    def test_is_there_for_a_case_about_no_payment(self, restaurant: Restaurant, desk: Client) -> None:
        case = orphan_of(restaurant)

        row = rows_of(desk)

        assert page_of(case) in row
        assert "Look at the provider&#x27;s pages" in row

    def test_costs_no_question_of_its_own(
        self, restaurant: Restaurant, desk: Client, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        for number in range(4):
            happened(PaymentEvent.DOUBT_PROLONGED, attempted(order_of(restaurant), Finding.UNKNOWN).payment)
            case_of(restaurant, table=f"T{number}")

        for query in ("", "?q=840", "?q=9820012345&which=all&owner=nobody&time=over&mode__exact=test"):
            with django_assert_max_num_queries(MOST_QUERIES):
                assert desk.get(QUEUE + query).status_code == 200


class TestTries:
    def test_stand_in_their_order_each_with_its_words(self) -> None:
        drawn = dots([tried(2, AttemptStatus.UNKNOWN), tried(1, AttemptStatus.DECLINED)])

        assert re.findall(r'desk-dot-(\w+)" title="([^"]+)"', drawn) == [
            ("bad", "Razorpay: declined"),
            ("doubt", "Razorpay: nobody knows"),
        ]

    def test_that_took_another_amount_say_so(self) -> None:
        assert "Razorpay: another amount came in" in dots([tried(1, AttemptStatus.UNKNOWN, mismatch=True)])

    def test_beyond_a_few_are_counted(self) -> None:
        drawn = dots([tried(number, AttemptStatus.DECLINED) for number in range(1, MOST_DOTS + 4)])

        assert drawn.count("desk-dot-bad") == MOST_DOTS
        assert "+3" in drawn

    def test_are_a_dash_where_there_are_none(self) -> None:
        assert dots([]) == "–"

    def test_have_words_for_every_status_and_never_call_a_doubt_good(self) -> None:
        assert set(WORDS) == set(AttemptStatus)
        assert {WORDS[status][1] for status in (AttemptStatus.UNKNOWN, AttemptStatus.RELEASED)} == {Tone.DOUBT}

    def test_are_only_text_whatever_an_account_is_called(self) -> None:
        assert "<script>" not in dots([tried(1, AttemptStatus.SENT, label="<script>")])


def tried(number: int, status: AttemptStatus, *, label: str = "Razorpay", mismatch: bool = False) -> Attempt:
    return Attempt(number=number, status=status, mismatch=mismatch, account=ProviderAccount(label=label))


def test_what_is_possible_is_said_before_what_is_certain() -> None:
    inr = (Money(84_000, "INR"),)

    assert in_words(Certainty(taken=inr, possible=inr, going_back=inr, returned=inr)) == [
        "may have come in ₹840.00",
        "came in ₹840.00",
        "on its way back ₹840.00",
        "given back ₹840.00",
    ]
    assert in_words(Certainty()) == ["nothing came in"]


@pytest.mark.parametrize("kind", CaseKind)
def test_the_next_step_is_a_few_words(kind: CaseKind) -> None:
    step = CAUSES[kind].step

    assert step[0].isupper()
    assert 2 <= len(step.split()) <= 6
    assert not step.endswith(".")


@pytest.mark.parametrize("kind", CaseKind)
@pytest.mark.parametrize("late", [-1, 1])
def test_a_case_is_overdue_in_a_list_when_it_says_so_itself(restaurant: Restaurant, kind: CaseKind, late: int) -> None:
    now = clock.now()
    opened_at = now - CAUSES[kind].within - timedelta(seconds=late)
    Case.objects.filter(pk=case_of(restaurant).pk).update(kind=kind, opened_at=opened_at)
    case = Case.objects.get()

    assert Case.objects.filter(is_overdue(now)).exists() == (waiting_of(case, now=now).tone == Tone.BAD) == (late > 0)


class TestNarrowing:
    @pytest.fixture
    def cases(self, restaurant: Restaurant, finance: User) -> dict[str, Case]:
        colleague = staff(restaurant, Role.FINANCE_LEAD)
        mine, theirs, free, late = (case_of(restaurant) for _ in range(4))
        assign_case(case_id=mine.pk, person=finance)
        assign_case(case_id=theirs.pk, person=colleague)
        Case.objects.filter(pk=late.pk).update(opened_at=clock.now() - timedelta(days=2))
        return {"mine": mine, "theirs": theirs, "free": free, "late": late}

    QUERIES: dict[str, tuple[Callable[[dict[str, Case]], str], set[str]]] = {
        "me": (lambda _: "?owner=me", {"mine"}),
        "nobody": (lambda _: "?owner=nobody", {"free", "late"}),
        "a colleague": (lambda cases: f"?owner={Case.objects.get(pk=cases['theirs'].pk).owner_id}", {"theirs"}),
        "past the deadline": (lambda _: "?time=over", {"late"}),
        "kind": (lambda _: "?kind__exact=in_doubt", set()),
        "mode": (lambda _: "?mode__exact=live", set()),
        "two at once": (lambda _: "?owner=nobody&time=over", {"late"}),
    }

    @pytest.mark.parametrize("name", QUERIES)
    def test_leaves_what_was_chosen(self, desk: Client, cases: dict[str, Case], name: str) -> None:
        query, left = self.QUERIES[name]

        rows = rows_of(desk, query(cases))

        assert {each for each, case in cases.items() if page_of(case) in rows} == left

    def test_what_was_put_off_is_not_past_its_deadline(
        self, desk: Client, cases: dict[str, Case], finance: User
    ) -> None:
        until = clock.now() + timedelta(hours=1)
        snooze_case(case_id=cases["late"].pk, person=finance, until=until, reason=REASON)

        assert page_of(cases["late"]) not in rows_of(desk, "?time=over&which=all")

    def test_names_restaurants_to_whoever_works_in_several(
        self, restaurant: Restaurant, desk: Client, cases: dict[str, Case], finance: User
    ) -> None:
        assert "By restaurant" not in desk.get(QUEUE).content.decode()
        second, third = RestaurantFactory.create(name="Bombay Canteen"), RestaurantFactory.create(name="Nobody's")
        routed(second, "a")
        Membership.objects.create(user=finance, restaurant=second, role=Role.FINANCE)
        there = case_of(second)

        page = desk.get(QUEUE).content.decode()
        rows = rows_of(desk, f"?restaurant={second.pk}")

        assert "Bombay Canteen" in page
        assert third.name not in page
        assert page_of(there) in rows
        assert page_of(cases["free"]) not in rows

    def test_the_address_that_a_colleague_sends_is_about_me(self, desk: Client, finance: User) -> None:
        page = desk.get(f"{QUEUE}?owner={finance.pk}")

        assert page.status_code == 200

    @pytest.mark.parametrize("query", ["?owner=somebody", "?time=soon", "?owner=01a1fc6a-c8db-7c25-b938-f5b6a1f94ae2"])
    def test_a_choice_that_is_none_is_refused(self, desk: Client, cases: dict[str, Case], query: str) -> None:
        assert desk.get(QUEUE + query).headers["Location"].endswith("?e=1")

    def test_a_colleague_elsewhere_is_no_choice(self, desk: Client, cases: dict[str, Case]) -> None:
        stranger = staff(RestaurantFactory.create(), Role.FINANCE)

        assert stranger.username not in desk.get(QUEUE).content.decode()
        assert desk.get(f"{QUEUE}?owner={stranger.pk}").status_code == 302


class TestSearching:
    def test_finds_and_says_what_was_looked_for(self, restaurant: Restaurant, desk: Client) -> None:
        case, other = case_of(restaurant, table="T4"), case_of(restaurant, table="T5")

        rows = rows_of(desk, "?q=t4")

        assert page_of(case) in rows
        assert page_of(other) not in rows

    def test_that_finds_nothing_says_what_can_be_searched(self, restaurant: Restaurant, desk: Client) -> None:
        case_of(restaurant)

        text = desk.get(f"{QUEUE}?q=the+guest+with+the+red+hat+at+the+bar").content.decode()

        assert "id, reference, table, provider&#x27;s number, phone, e-mail or amount" in text
        assert 'href="?q=the+guest+with+the+red+hat+at+the+bar&amp;which=all"' in text

    def test_nobody_finds_what_is_not_theirs(self, restaurant: Restaurant) -> None:
        case = case_of(restaurant, table="T4")
        stranger = desk_of(staff(RestaurantFactory.create(), Role.ADMIN))

        for term in ("T4", "840", case.pk, case.payment_id, case.payment.reference if case.payment else ""):
            assert page_of(case) not in stranger.get(f"{QUEUE}?which=all&q={term}").content.decode()

    def test_the_payments_are_searched_in_the_same_way(self, restaurant: Restaurant, desk: Client) -> None:
        guest = {"phone": "+91 98200 12345", "email": "asha@example.com"}
        payment = accepted(order_of(restaurant, customer=guest))
        other = accepted(order_of(restaurant))

        for term in (payment.reference, payment.order.reference, payment.order_id, "%2B91 98200 12345", guest["email"]):
            text = desk.get(f"/admin/payments/payment/?q={term}").content.decode()
            assert f">{payment.reference}<" in text
            assert other.reference not in text


def test_an_empty_queue_says_what_was_put_off(restaurant: Restaurant, desk: Client, finance: User) -> None:
    """Somebody who put everything off is not done."""
    case = case_of(restaurant)
    assert "put off" not in rows_of(desk)
    snooze_case(case_id=case.pk, person=finance, until=clock.now() + timedelta(hours=1), reason=REASON)

    page = desk.get(QUEUE).content.decode()
    assert "Nothing needs a person." in page
    assert "1 case is put off." in page


class TestWhoeverMayOnlyLook:
    def test_has_no_button_to_take_and_is_told_why(self, restaurant: Restaurant) -> None:
        happened(PaymentEvent.CONTRADICTED, accepted(order_of(restaurant)))
        auditor = desk_of(staff(restaurant, Role.AUDITOR))

        assert "Take next" not in auditor.get(QUEUE).content.decode()
        answer = auditor.post(reverse("admin:failures_case_next"), follow=True)

        assert "Only finance staff of a restaurant take its cases." in answer.content.decode()
        assert Case.objects.get().owner is None


@pytest.mark.parametrize("page", [f"{QUEUE}?which=zzz", "/admin/accounts/approval/?answer=zzz"])
def test_what_is_no_choice_is_not_shown_as_one(desk: Client, page: str) -> None:
    answer = desk.get(page, follow=True)

    assert answer.redirect_chain
    assert "zzz" not in answer.content.decode()
