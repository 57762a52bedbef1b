"""What went back without us is its own sum: in words, in the queue, in what a list adds up to, and on the timeline."""

from __future__ import annotations

import pytest

from accounts.models import Restaurant, Role
from failures.models import Case, CaseKind
from failures.showing.causes import cause_of
from failures.showing.timeline import timeline_of
from failures.sums import OF_CASES, money_of
from kernel.money import Money
from payments.gateways.contract import RefundFact, Theirs
from payments.models import Attempt
from payments.services.evidence import Finding
from tests.factories import order_of, staff
from tests.failures.test_desk import QUEUE, desk_of, page_of
from tests.failures.world import attempted, told

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
