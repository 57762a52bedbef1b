"""A case's page in figures: what was asked for, what came in, and how much each choice about another amount moves."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import Restaurant, Role
from failures.models import Case, CaseKind
from kernel.money import Money
from payments.gateways.contract import ErrorCode
from payments.models import Attempt, Limited, RefundLimit
from payments.services.evidence import Evidence, Finding, Source
from payments.services.facts import PaymentEvent
from payments.services.settlement import settle_attempt
from tests.factories import order_of, staff
from tests.failures.test_desk import MOST_QUERIES, desk_of, page_of, press
from tests.failures.test_services import REASON, happened
from tests.failures.world import attempted

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(restaurant: Restaurant) -> Client:
    return desk_of(staff(restaurant, Role.FINANCE))


def _main(answer: Any) -> str:
    text: str = answer.content.decode()
    return text[text.index('class="desk"') :]


class TestAnotherAmount:
    def shown(self, desk: Client, world: Attempt) -> str:
        case = Case.objects.get(kind=CaseKind.AMOUNT_MISMATCH, payment=world.payment_id)
        return " ".join(_main(desk.get(page_of(case))).split())

    def choice(self, text: str, title: str) -> str:
        """From its heading up to the next one."""
        return re.split(r'class="desk-choice', text[text.index(f">{title}<") :])[0]

    def test_too_much_can_go_back_in_part_and_the_page_says_how_much(
        self, restaurant: Restaurant, desk: Client
    ) -> None:
        text = self.shown(desk, attempted(order_of(restaurant), Finding.SUCCEEDED, minor=90_000))

        for words, amount in (("Asked for", "₹840.00"), ("Came in for certain", "₹900.00"), ("Too much", "₹60.00")):
            assert f'<span>{words}</span><b class="amount">{amount}' in text
        assert "Locked: Only ₹840.00 of the bill is due" in self.choice(text, "Keep the amount")
        assert "₹60.00 is sent back, and ₹840.00 is kept." in self.choice(text, "Give the difference back")
        assert "₹900.00 is sent back: everything that came in." in self.choice(text, "Give all of it back")

    def test_what_came_of_its_attempt_is_said_as_in_the_queue(self, restaurant: Restaurant, desk: Client) -> None:
        attempt = attempted(order_of(restaurant), Finding.SUCCEEDED, minor=90_000)

        text = self.shown(desk, attempt)

        assert f"No. 1, {attempt.account.label}</a>: another amount came in</li>" in text

    def test_too_little_can_be_kept(self, restaurant: Restaurant, desk: Client) -> None:
        text = self.shown(desk, attempted(order_of(restaurant), Finding.SUCCEEDED, minor=80_000))

        assert '<span>Too little</span><b class="amount">₹40.00</b>' in text
        assert "The payment completes with ₹800.00. Asked for was ₹840.00." in self.choice(text, "Keep the amount")
        assert "Locked: Less than asked was captured" in self.choice(text, "Give the difference back")

    def test_what_was_due_goes_back_up_to_the_limit_of_whoever_looks(
        self, restaurant: Restaurant, desk: Client
    ) -> None:
        RefundLimit.objects.create(restaurant=restaurant, who=Limited.FINANCE, currency="INR", most_minor=50_000)
        wrong = attempted(order_of(restaurant), Finding.SUCCEEDED, minor=90_000)

        text = self.shown(desk, wrong)

        assert "Locked: ₹840.00 of it was due" in self.choice(text, "Give all of it back")
        assert "₹60.00 is sent back, and ₹840.00 is kept." in self.choice(text, "Give the difference back")
        lead = self.shown(desk_of(staff(restaurant, Role.FINANCE_LEAD)), wrong)
        assert "₹900.00 is sent back: everything that came in." in self.choice(lead, "Give all of it back")

    def test_another_currency_only_goes_back(self, restaurant: Restaurant, desk: Client) -> None:
        sent = attempted(order_of(restaurant), Finding.UNKNOWN)
        settle_attempt(
            attempt_id=sent.pk,
            evidence=Evidence(source=Source.LOOK_UP, finding=Finding.SUCCEEDED, money=Money(84_000, "USD")),
        )

        text = self.shown(desk, sent)

        assert '<span>Difference</span><b class="amount">another currency</b>' in text
        assert text.count("Locked: Another currency was captured") == 2
        assert "$840.00 is sent back" in self.choice(text, "Give all of it back")

    def test_what_is_locked_is_what_is_refused(self, restaurant: Restaurant, desk: Client) -> None:
        """The page and the service ask one rule."""
        attempt = attempted(order_of(restaurant), Finding.SUCCEEDED, minor=90_000)
        case = Case.objects.get(kind=CaseKind.AMOUNT_MISMATCH)

        refused = press(desk, case, "decide", action="keep", reason=REASON)
        done = press(desk, case, "decide", action="refund_difference", reason=REASON)

        assert (refused.status_code, done.status_code) == (409, 302)
        assert "Only ₹840.00 of the bill is due" in refused.content.decode()
        assert Attempt.objects.get(pk=attempt.pk).refunding_minor == 6_000

    def test_the_page_stays_cheap(
        self, restaurant: Restaurant, desk: Client, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        RefundLimit.objects.create(restaurant=restaurant, who=Limited.FINANCE, currency="INR", most_minor=50_000)
        attempt = attempted(order_of(restaurant), Finding.SUCCEEDED, minor=90_000)
        self.shown(desk, attempt)

        with django_assert_max_num_queries(MOST_QUERIES + 1):  # And its own case, which this test looks for.
            self.shown(desk, attempt)


def test_where_nothing_came_in_the_page_says_what_was_asked_for(restaurant: Restaurant, desk: Client) -> None:
    attempt = attempted(order_of(restaurant), Finding.DECLINED, code=ErrorCode.CARD_DECLINED)
    happened(PaymentEvent.EXHAUSTED, attempt.payment)

    text = " ".join(_main(desk.get(page_of(Case.objects.get()))).split())

    assert '<span>Asked for</span><b class="amount">₹840.00</b>' in text
