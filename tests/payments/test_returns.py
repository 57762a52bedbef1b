"""What of a payment went back is said where the payment is: in its list and on its page."""

from __future__ import annotations

import re

import pytest

from accounts.models import Restaurant, Role
from events.actors import GUEST
from kernel.money import Money
from payments.gateways.contract import RefundFact
from payments.models import Payment, Refund
from payments.returns import return_of, with_what_went_back
from payments.services.evidence import Evidence, Finding, Source
from payments.services.refund_requests import request_refund
from payments.services.refund_settlement import settle_refund
from payments.services.refunds import begin_refund
from payments.services.settlement import settle_attempt
from tests.factories import accepted, order_of, paid, staff
from tests.failures.test_desk import desk_of
from tests.failures.world import paid_twice

pytestmark = pytest.mark.django_db
LIST = "/admin/payments/payment/"
CAME_IN = "The money came in: a provider or a waiter said so."


@pytest.fixture
def payment(restaurant: Restaurant) -> Payment:
    return paid(order_of(restaurant))


def give_back(payment: Payment, minor: int | None, finding: Finding = Finding.SUCCEEDED) -> Refund:
    refund = request_refund(payment_id=payment.pk, amount_minor=minor, reason="cold food", actor=GUEST)
    begin_refund(refund_id=refund.pk)
    money = Money(refund.total_minor, refund.currency) if finding is Finding.SUCCEEDED else None
    settle_refund(refund_id=refund.pk, evidence=Evidence(source=Source.CHARGE, finding=finding, money=money))
    return refund


def told(payment: Payment) -> str:
    """On its page."""
    page = desk_of(staff(payment.restaurant, Role.FINANCE)).get(f"{LIST}{payment.pk}/change/").content.decode()
    (sentence,) = re.findall(rf"{CAME_IN}[^<]*", page)
    return str(sentence).strip()


def listed(payment: Payment) -> str:
    page = desk_of(staff(payment.restaurant, Role.FINANCE)).get(LIST).content.decode()
    (said,) = re.findall(r'field-said[^>]*>.*?<span class="state[^>]*>([^<]+)</span>', page, re.S)
    return str(said)


def test_nothing_went_back(payment: Payment) -> None:
    assert (listed(payment), told(payment)) == ("completed", CAME_IN)


@pytest.mark.parametrize("finding", [Finding.PENDING, Finding.UNKNOWN, Finding.DECLINED])
def test_what_is_only_on_its_way_has_not_gone_back(payment: Payment, finding: Finding) -> None:
    give_back(payment, 30_000, finding)

    assert (listed(payment), told(payment)) == ("completed", CAME_IN)


def test_a_part_went_back(payment: Payment) -> None:
    give_back(payment, 30_000)

    assert told(payment) == f"{CAME_IN} Of that, ₹300.00 went back to the guest since."
    assert listed(payment) == "completed, a part given back"


def test_all_of_it_went_back(payment: Payment) -> None:
    give_back(payment, 30_000)
    give_back(payment, None)

    assert told(payment) == f"{CAME_IN} All of it went back to the guest since."
    assert listed(payment) == "completed, all of it given back"


def test_a_chargeback_counts_as_well(payment: Payment) -> None:
    fact = RefundFact(reference="cb_1", money=Money(84_000, "INR"), succeeded=True)
    evidence = Evidence(source=Source.LOOK_UP, finding=Finding.SUCCEEDED, money=Money(84_000, "INR"), refunds=(fact,))
    settle_attempt(attempt_id=payment.attempts.get().pk, evidence=evidence)

    assert told(payment) == f"{CAME_IN} All of it went back to the guest since."


def test_a_surplus_that_went_back_is_none_of_what_was_kept(restaurant: Restaurant) -> None:
    surplus = paid_twice(order_of(restaurant))
    ours = Refund.objects.get(attempt=surplus)
    begin_refund(refund_id=ours.pk)
    money = Money(ours.total_minor, "INR")
    settle_refund(refund_id=ours.pk, evidence=Evidence(source=Source.CHARGE, finding=Finding.SUCCEEDED, money=money))

    assert {return_of(each) for each in with_what_went_back(Payment.objects.all())} == {None}


def test_of_what_nobody_paid_nothing_is_said(restaurant: Restaurant) -> None:
    accepted(order_of(restaurant))

    assert return_of(with_what_went_back(Payment.objects.all()).get()) is None
