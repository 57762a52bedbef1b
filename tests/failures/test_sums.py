"""What is at stake is a refund's, a surplus' or the payment's: in words, in the queue, in sums, and on the timeline."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.models import Restaurant, Role
from events.actors import GUEST
from failures.models import Case, CaseKind
from failures.selectors import by_risk
from failures.showing.causes import cause_of
from failures.showing.timeline import timeline_of
from failures.sums import OF_CASES, ask_for_money, money_of, with_money
from kernel.money import Money
from payments.gateways.contract import RefundFact, Theirs
from payments.models import Attempt, Payment, Refund
from payments.services.evidence import Finding
from payments.services.facts import PaymentEvent, RefundEvent
from payments.services.refund_requests import request_refund
from tests.factories import order_of, staff
from tests.failures.test_desk import QUEUE, desk_of, page_of
from tests.failures.test_services import happened
from tests.failures.world import attempted, paid_twice, told

pytestmark = pytest.mark.django_db


@pytest.fixture
def kept(restaurant: Restaurant) -> Attempt:
    attempt = attempted(order_of(restaurant), Finding.SUCCEEDED, minor=84_000)
    facts = (
        RefundFact(reference="r_1", money=Money(10_000, "INR"), succeeded=True, theirs=Theirs.REFUND),
        RefundFact(reference="cb_1", money=Money(30_000, "INR"), succeeded=True, theirs=Theirs.CHARGEBACK),
    )
    return told(attempt, Finding.SUCCEEDED, minor=84_000, refunds=facts)


def cases() -> list[Case]:
    return list(Case.objects.filter(kind=CaseKind.PROVIDER_REFUND).order_by("id"))


def test_two_on_one_payment_say_their_own_sums_and_what_they_were(kept: Attempt) -> None:
    refund, chargeback = cases()

    assert cause_of(refund).what.startswith("₹100.00 went back that nobody here sent back: a refund was made")
    assert cause_of(chargeback).what == "₹300.00 was taken back by the guest's bank: a chargeback."
    assert "deadline" in cause_of(chargeback).advice


def test_the_queue_shows_and_adds_up_what_went_back_and_not_the_payment_twice(
    restaurant: Restaurant, kept: Attempt
) -> None:
    assert [money_of(case) for case in cases()] == [Money(10_000, "INR"), Money(30_000, "INR")]
    total = OF_CASES.total_of(Case.objects.filter(kind=CaseKind.PROVIDER_REFUND))
    assert total is not None
    assert total.sums == (Money(40_000, "INR"),)

    text = desk_of(staff(restaurant, Role.FINANCE)).get(QUEUE, {"kind__exact": "provider_refund"}).content.decode()

    assert "₹100.00</span>" in text
    assert "₹300.00</span>" in text


def test_the_timeline_has_both_with_their_sums(restaurant: Restaurant, kept: Attempt) -> None:
    (_, chargeback) = cases()
    refunds = kept.refunds.select_related("account")

    moments = timeline_of(chargeback, attempts=[kept], refunds=refunds)

    back = [moment.detail for moment in moments if moment.what.startswith("Money went back that nobody here sent")]
    assert len(back) == 2
    assert "₹100.00" in back[0]
    assert "provider's own pages" in back[0]
    assert back[1] == "A chargeback: the guest's bank took it back. ₹300.00"
    assert (
        "₹300.00 was taken back" in desk_of(staff(restaurant, Role.FINANCE)).get(page_of(chargeback)).content.decode()
    )


def test_where_the_provider_says_no_more_the_sum_is_there_all_the_same(restaurant: Restaurant) -> None:
    attempt = attempted(order_of(restaurant), Finding.SUCCEEDED, minor=84_000)
    fact = RefundFact(reference="r_9", money=Money(500, "INR"), succeeded=True)
    told(attempt, Finding.SUCCEEDED, minor=84_000, refunds=(fact,))

    assert cause_of(cases()[0]).what == (
        "₹5.00 went back that nobody here sent back: a refund made at the provider, or a chargeback."
    )


# --- Refunds, surpluses and other amounts --------------------------------------------------------------------------


def refund_of(attempt: Attempt, minor: int) -> Refund:
    return request_refund(payment_id=attempt.payment_id, amount_minor=minor, reason="cold food", actor=GUEST)


def opened_for(event: StrEnum, refund: Refund) -> Case:
    said: dict[str, Any] = {"refund": str(refund.pk)}
    if event in {RefundEvent.FAILED, RefundEvent.PROLONGED}:
        said |= {"attempt": str(refund.attempt_id), "amount_minor": refund.total_minor, "currency": refund.currency}
    happened(event, Payment.objects.get(pk=refund.payment_id), **said)
    return Case.objects.get(subject_id=refund.pk)


def agreed(case: Case) -> Money | None:
    """The same by itself, in its list, and as the sum of a list of one."""
    mine = Case.objects.filter(pk=case.pk)
    money, total = money_of(mine.get()), OF_CASES.total_of(mine)
    assert total is not None
    assert money_of(with_money(mine).get()) == money
    assert total.sums == (() if money is None else (money,))
    return money


@pytest.mark.parametrize(
    "event",
    [
        *(RefundEvent.FAILED, RefundEvent.PROLONGED, RefundEvent.APPROVAL_NEEDED, RefundEvent.HAND_OVER_NEEDED),
        *(RefundEvent.QUARANTINED, PaymentEvent.CONTRADICTED),
    ],
)
def test_what_is_about_a_refund_is_about_its_amount_and_tip(restaurant: Restaurant, event: StrEnum) -> None:
    attempt = attempted(order_of(restaurant), Finding.SUCCEEDED, minor=84_000)
    refunds = [refund_of(attempt, minor) for minor in (10_100, 10_000, 100)]

    cases = [opened_for(event, refund) for refund in refunds]

    assert [agreed(case) for case in cases] == [Money(minor, "INR") for minor in (10_100, 10_000, 100)]
    total = OF_CASES.total_of(Case.objects.all())
    assert total is not None
    assert total.sums == (Money(20_200, "INR"),)


def test_a_page_of_rows_that_were_read_otherwise_asks_once(
    restaurant: Restaurant, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    attempt = attempted(order_of(restaurant), Finding.SUCCEEDED, minor=84_000)
    for minor in (300, 200, 100):
        opened_for(RefundEvent.HAND_OVER_NEEDED, refund_of(attempt, minor))
    cases = list(Case.objects.select_related("payment").order_by("pk"))

    with django_assert_num_queries(1):
        ask_for_money(cases)
        ask_for_money(cases)
        assert [money_of(case) for case in cases] == [Money(minor, "INR") for minor in (300, 200, 100)]


def test_the_larger_of_two_refunds_comes_first_whatever_they_paid_for(restaurant: Restaurant) -> None:
    dear = attempted(order_of(restaurant, 999_000), Finding.SUCCEEDED, minor=999_000)
    cheap = attempted(order_of(restaurant, 50_000), Finding.SUCCEEDED, minor=50_000)
    small, large = refund_of(dear, 100), refund_of(cheap, 50_000)
    cases = [opened_for(RefundEvent.HAND_OVER_NEEDED, refund) for refund in (small, large)]

    assert list(by_risk(Case.objects.all())) == cases[::-1]


def test_of_a_surplus_it_is_what_is_still_to_go_back(restaurant: Restaurant) -> None:
    surplus = paid_twice(order_of(restaurant))
    case = Case.objects.get(kind=CaseKind.SURPLUS)
    assert agreed(case) == Money(84_000, "INR")

    Attempt.objects.filter(pk=surplus.pk).update(refunding_minor=0, refunded_minor=30_000)

    assert agreed(case) == Money(54_000, "INR")
    # What is ended still says what it was about.
    Attempt.objects.filter(pk=surplus.pk).update(refunded_minor=84_000)
    assert agreed(case) == Money(84_000, "INR")


def test_of_another_amount_it_is_what_came_in(restaurant: Restaurant) -> None:
    attempt = attempted(order_of(restaurant), Finding.SUCCEEDED, minor=90_000)

    assert agreed(Case.objects.get(payment=attempt.payment_id)) == Money(90_000, "INR")


def test_of_everything_else_it_is_the_payment_and_its_tip(restaurant: Restaurant) -> None:
    attempt = attempted(order_of(restaurant), Finding.UNKNOWN)
    happened(PaymentEvent.DOUBT_PROLONGED, attempt.payment, attempt=str(attempt.pk))

    assert agreed(Case.objects.get(payment=attempt.payment_id)) == Money(84_000, "INR")


def test_the_queue_shows_a_refund_and_not_its_payment(restaurant: Restaurant) -> None:
    attempt = attempted(order_of(restaurant, 1_234_567), Finding.SUCCEEDED, minor=1_234_567)
    refund = refund_of(attempt, 5_000)
    opened_for(RefundEvent.HAND_OVER_NEEDED, refund)

    text = desk_of(staff(restaurant, Role.FINANCE)).get(QUEUE, {"kind__exact": "cash_refund"}).content.decode()

    assert '<span class="amount">₹50.00</span>' in text
    assert '<span class="amount">₹12,345.67</span>' not in text
