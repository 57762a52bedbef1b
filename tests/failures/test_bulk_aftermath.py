"""What came of a run is read anew each time its page is shown: row by row, added up, and followed for a while."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from accounts.models import Restaurant, Role, User
from failures.bulk import running
from failures.bulk.steering import stop_bulk
from failures.models import BulkAction, BulkRun, Case, CaseKind, Outcome
from failures.services.working import assign_case, dismiss_case, resolve_case, snooze_case
from failures.showing.aftermath import Aftermath, Fate, aftermath_of, told_of
from kernel import clock
from payments.gateways.contract import ErrorCode
from payments.models import Attempt, Payment
from payments.services import providers
from payments.services.attempts import begin_attempt
from payments.services.evidence import Finding
from payments.services.facts import RefundEvent
from payments.services.timing import RETRY_WINDOW
from tests.factories import order_of, paid, staff
from tests.failures.bulking import begun, contradicted, doubtful, exhausted, finished, plan
from tests.failures.test_bulk_pages import shown
from tests.failures.test_desk import MOST_QUERIES, desk_of
from tests.failures.test_services import REASON, happened
from tests.failures.world import orphan_of
from tests.failures.world import told as told_by
from tests.payments.test_returns import give_back
from tests.scripted import ScriptedGateway, provider_of
from tests.time_machine import ShiftedClock

pytestmark = pytest.mark.django_db
FOLLOWED = "data-again"


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


@pytest.fixture
def desk(finance: User) -> Client:
    return desk_of(finance)


def tried(case: Case, finding: Finding, **said: Any) -> Attempt:
    """As when the clock has come to it."""
    assert case.payment_id is not None
    sending = begin_attempt(payment_id=case.payment_id)
    assert sending is not None
    return told_by(sending.attempt, finding, **said)


def nows(page: str) -> list[tuple[str, str]]:
    """Of each row, what stands in its last column: the state, and what is said below it."""
    cells = re.findall(r'<td class="desk-now">(.*?)</td>', page, re.S)
    return [(said[0], "".join(said[1:])) for said in (re.findall(r"<span[^>]*>([^<]*)<", cell) for cell in cells)]


def sums(page: str) -> list[str]:
    return re.findall(r'<p class="desk-aftermath">([^<]+)</p>', page)


class TestPaymentsThatWereTriedAgain:
    @pytest.fixture
    def cases(self, restaurant: Restaurant) -> list[Case]:
        return [exhausted(restaurant) for _ in range(5)]

    @pytest.fixture
    def retried(self, finance: User, cases: list[Case]) -> BulkRun:
        """The last one is as the clock has not come to it yet."""
        run = finished(BulkAction.RETRY, finance, cases)
        tried(cases[0], Finding.SUCCEEDED, minor=84_000)
        tried(cases[1], Finding.DECLINED, code=ErrorCode.EXPIRED_CARD)
        tried(cases[2], Finding.UNKNOWN)
        tried(cases[3], Finding.PENDING)
        return run

    def test_are_told_as_they_stand_now_in_the_words_of_their_own_list(self, desk: Client, retried: BulkRun) -> None:
        assert nows(shown(desk, retried)) == [
            ("completed", ""),
            ("failed", "The card has expired"),
            ("in doubt: money may have moved", ""),
            ("processing", ""),
            ("processing", ""),
        ]

    def test_are_added_up_over_all_pages(self, desk: Client, retried: BulkRun, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("failures.admin.bulk_page.ROWS_PER_PAGE", 2)

        page = shown(desk, retried)

        assert len(nows(page)) == 2
        assert sums(page) == [
            "Of the 5 that were tried again: 1 was paid, 1 failed, 1 is in doubt, 2 are still under way."
        ]
        assert "5 were tried again." in page

    def test_have_their_case_and_themselves_to_go_to(self, desk: Client, retried: BulkRun, cases: list[Case]) -> None:
        page = shown(desk, retried)

        for case in cases:
            assert reverse("admin:failures_case_change", args=[case.pk]) in page
            assert reverse("admin:payments_payment_change", args=[case.payment_id]) in page

    def test_say_of_what_came_in_that_it_went_back_since(self, desk: Client, retried: BulkRun) -> None:
        payment = retried.steps.earliest("position").case.payment
        assert payment is not None
        give_back(payment, None)

        assert nows(shown(desk, retried))[0] == ("completed, all of it given back", "")

    def test_are_looked_at_again_while_one_is_under_way(
        self, desk: Client, retried: BulkRun, cases: list[Case]
    ) -> None:
        page = shown(desk, retried)
        assert FOLLOWED in page
        assert "Look again" in page

        pending = Attempt.objects.get(payment=cases[3].payment_id, status="pending")
        told_by(pending, Finding.SUCCEEDED, minor=84_000)
        tried(cases[4], Finding.SUCCEEDED, minor=84_000)

        page = shown(desk, retried)
        assert FOLLOWED not in page
        assert "Look again" not in page
        assert sums(page) == ["Of the 5 that were tried again: 3 were paid, 1 failed, 1 is in doubt."]

    def test_are_not_followed_for_ever(self, desk: Client, retried: BulkRun, time: ShiftedClock) -> None:
        time.advance(seconds=RETRY_WINDOW.total_seconds() - 5)
        assert FOLLOWED in shown(desk, retried)
        time.advance(seconds=5)
        assert FOLLOWED not in shown(desk, retried)
        assert "2 are still under way." in shown(desk, retried)

    def test_are_followed_also_when_the_rest_was_stopped(self, desk: Client, finance: User, cases: list[Case]) -> None:
        run = begun(BulkAction.RETRY, finance, cases)
        claim = running._claim_next()
        assert claim is not None
        running._do_or_log(claim)
        stop_bulk(run_id=run.pk, person=finance)

        page = shown(desk, run)

        assert FOLLOWED in page
        assert sums(page) == ["The one that was tried again is still under way."]

    def test_are_nothing_that_a_plan_speaks_of(self, desk: Client, finance: User, cases: list[Case]) -> None:
        page = shown(desk, plan(BulkAction.RETRY, finance, cases))

        assert (nows(page), sums(page)) == ([], [])
        assert '<th scope="col">Now</th>' not in page


@pytest.mark.django_db(transaction=True)  # A provider is asked, and never inside a transaction.
def test_of_what_was_asked_about_a_refund_is_told_by_itself(
    restaurant: Restaurant, desk: Client, finance: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(providers.PROVIDERS, "a", provider_of(ScriptedGateway()))
    refund = give_back(paid(order_of(restaurant)), 4_000, Finding.UNKNOWN)
    payment = Payment.objects.get(pk=refund.payment_id)
    happened(RefundEvent.PROLONGED, payment, refund=str(refund.pk), attempt=str(refund.attempt_id))
    of_refund = Case.objects.get(kind=CaseKind.REFUND_IN_DOUBT)
    orphan = orphan_of(restaurant)

    page = shown(desk, finished(BulkAction.ASK, finance, [of_refund, doubtful(restaurant), orphan]))

    assert sorted(nows(page)) == [
        ("in doubt: money may have moved", ""),
        ("open", "Nobody has it"),
        ("refund in doubt: money may have moved", ""),
    ]
    assert sums(page) == [
        "The one payment that was asked about is in doubt.",
        "The one refund that was asked about is in doubt.",
    ]
    assert FOLLOWED not in page


def test_of_what_was_done_to_cases_it_is_told_how_those_stand_now(
    restaurant: Restaurant, desk: Client, finance: User
) -> None:
    cases = [contradicted(restaurant) for _ in range(5)]
    run = finished(BulkAction.TAKE, finance, cases)
    colleague = staff(restaurant, Role.FINANCE)
    assign_case(case_id=cases[1].pk, person=colleague)
    snooze_case(case_id=cases[2].pk, person=finance, until=clock.now() + timedelta(hours=1), reason=REASON)
    dismiss_case(case_id=cases[3].pk, person=finance, reason=REASON)
    resolve_case(case_id=cases[4].pk, person=finance, reason=REASON, outcome=Outcome.REPAIRED)

    page = shown(desk, run)

    mine, theirs, put_off, *ended = nows(page)
    assert mine == ("assigned", f"With {finance}")
    assert theirs == ("assigned", f"With {colleague}")
    assert put_off[0] == "assigned"
    assert put_off[1].startswith("Put off until ")
    assert ended == [("dismissed", "Nothing was wrong"), ("resolved", "What was broken is repaired")]
    assert sums(page) == []


TOLD: list[tuple[BulkAction, Aftermath, list[str]]] = [
    (BulkAction.RETRY, Aftermath(), []),
    (
        BulkAction.RETRY,
        Aftermath(payments=Counter({Fate.FAILED: 2, Fate.ARRIVED: 9, Fate.IN_DOUBT: 1})),
        ["Of the 12 that were tried again: 9 were paid, 2 failed, 1 is in doubt."],
    ),
    (
        BulkAction.RETRY,
        Aftermath(payments=Counter({Fate.ARRIVED: 12})),
        ["All 12 that were tried again were paid."],
    ),
    (BulkAction.RETRY, Aftermath(payments=Counter({Fate.FAILED: 1})), ["The one that was tried again failed."]),
    (BulkAction.RETRY, Aftermath(payments=Counter({Fate.IN_DOUBT: 2})), ["Both that were tried again are in doubt."]),
    (
        BulkAction.ASK,
        Aftermath(payments=Counter({Fate.UNDER_WAY: 1, Fate.IN_DOUBT: 2}), refunds=Counter({Fate.ARRIVED: 3})),
        [
            "Of the 3 payments that were asked about: 2 are in doubt, 1 is still under way.",
            "All 3 refunds that were asked about went back.",
        ],
    ),
]


@pytest.mark.parametrize(("action", "aftermath", "said"), TOLD)
def test_what_came_of_them_is_told_in_one_sentence(action: BulkAction, aftermath: Aftermath, said: list[str]) -> None:
    assert told_of(BulkRun(action=action), aftermath) == said


@pytest.mark.parametrize("action", [BulkAction.TAKE, BulkAction.RETRY])
def test_more_rows_are_no_more_questions(
    restaurant: Restaurant, desk: Client, finance: User, action: BulkAction
) -> None:
    def asked(count: int) -> int:
        run = finished(action, finance, [exhausted(restaurant) for _ in range(count)])
        with CaptureQueriesContext(connection) as queries:
            assert len(nows(shown(desk, run))) == count
        return len(queries)

    asked(1)  # Whoever has just come is looked up once.
    assert asked(2) == asked(7) <= MOST_QUERIES


def test_one_statement_adds_them_up(
    restaurant: Restaurant, finance: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    cases = [exhausted(restaurant) for _ in range(3)]
    retried, taken = finished(BulkAction.RETRY, finance, cases), finished(BulkAction.TAKE, finance, cases)

    with django_assert_num_queries(1):
        assert aftermath_of(retried).payments == {Fate.UNDER_WAY: 3}
    with django_assert_num_queries(0):
        assert aftermath_of(taken) == Aftermath()
