"""What of a payment went back is said where the payment is: in its list and on its page."""

from __future__ import annotations

import re

import pytest

from accounts.models import Restaurant, Role
from events.actors import GUEST
from kernel.money import Money
from orders.services import cancel_order
from payments.gateways.contract import RefundFact
from payments.models import Payment, Refund
from payments.returns import Surplus, return_of, with_what_went_back
from payments.services.cash import CashTaken, take_cash_against_doubt
from payments.services.evidence import Evidence, Finding, Source
from payments.services.refund_requests import request_refund
from payments.services.refund_settlement import settle_refund
from payments.services.refunds import begin_refund
from payments.services.settlement import settle_attempt
from tests.factories import accepted, order_of, paid, staff
from tests.failures.test_desk import desk_of
from tests.failures.world import attempted, paid_twice
from tests.failures.world import told as settled

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


def told(payment: Payment, begins: str = CAME_IN) -> str:
    """On its page."""
    page = desk_of(staff(payment.restaurant, Role.FINANCE)).get(f"{LIST}{payment.pk}/change/").content.decode()
    (sentence,) = re.findall(rf"{begins}[^<]*", page)
    return str(sentence).strip()


def listed(payment: Payment) -> str:
    page = desk_of(staff(payment.restaurant, Role.FINANCE)).get(f"{LIST}?q={payment.reference}").content.decode()
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


@pytest.fixture
def late(restaurant: Restaurant) -> Payment:
    """It failed, the order was paid another way, and then its money came."""
    return paid_twice(order_of(restaurant)).payment


def sent_back(payment: Payment, finding: Finding) -> None:
    """Its surplus, as the provider answers."""
    ours = Refund.objects.filter(payment=payment).latest("pk")
    begin_refund(refund_id=ours.pk)
    money = Money(ours.total_minor, "INR") if finding is Finding.SUCCEEDED else None
    settle_refund(refund_id=ours.pk, evidence=Evidence(source=Source.CHARGE, finding=finding, money=money))


FAILED_AND_CHARGED = "It failed, and money came in all the same, which was not due any more: "


def test_of_a_failed_payment_whose_money_came_nobody_says_that_nothing_was_charged(late: Payment) -> None:
    assert listed(late) == "failed, what was not due is on its way back"
    assert told(late, FAILED_AND_CHARGED) == f"{FAILED_AND_CHARGED}₹840.00 is on its way back to the guest."


def test_money_that_was_not_due_and_did_not_go_back_is_still_here(late: Payment) -> None:
    sent_back(late, Finding.DECLINED)

    assert listed(late) == "failed, money that was not due is still here"
    assert told(late, FAILED_AND_CHARGED) == f"{FAILED_AND_CHARGED}₹840.00 is still here."


def test_money_that_was_not_due_and_went_back_is_told_so(late: Payment) -> None:
    sent_back(late, Finding.SUCCEEDED)

    assert listed(late) == "failed, what was not due was given back"
    assert told(late, FAILED_AND_CHARGED) == f"{FAILED_AND_CHARGED}₹840.00 went back to the guest."


def test_what_became_of_it_is_told_part_by_part() -> None:
    """Several may be too much, and a provider may send back a part."""
    parts = {"went_back": Money(30_000, "INR"), "going_back": Money(20_000, "INR"), "still_here": Money(1, "INR")}

    told = Surplus(**parts, is_all=True).became

    assert told == "₹300.00 went back to the guest, ₹200.00 is on its way back to the guest, ₹0.01 is still here"


def test_a_surplus_beside_what_was_kept_is_told_besides(restaurant: Restaurant) -> None:
    doubtful = attempted(order_of(restaurant), Finding.UNKNOWN)
    payment = doubtful.payment
    taken = CashTaken(amount_minor=84_000)
    waiter = staff(restaurant, Role.WAITER)
    take_cash_against_doubt(payment_id=payment.pk, person=waiter, reason="He wants to go.", taken=taken)
    settled(doubtful, Finding.SUCCEEDED, minor=84_000)

    assert listed(payment) == "completed"
    assert told(payment).endswith("Besides, money came in that was not due: ₹840.00 is on its way back to the guest.")
    sent_back(payment, Finding.DECLINED)
    assert listed(payment) == "completed, money that was not due is still here"
    assert told(payment).endswith("Besides, money came in that was not due: ₹840.00 is still here.")


def test_a_payment_of_which_nothing_was_due_is_no_plain_success(restaurant: Restaurant) -> None:
    doubtful = attempted(order_of(restaurant), Finding.UNKNOWN)
    cancel_order(order_id=doubtful.payment.order_id, actor=GUEST)
    attempt = settled(doubtful, Finding.SUCCEEDED, minor=84_000)

    begins = "The money came in when it was not due any more: "
    assert told(attempt.payment, begins) == f"{begins}₹840.00 is on its way back to the guest."
    assert listed(attempt.payment) == "completed, what was not due is on its way back"


def test_of_what_nobody_paid_nothing_is_said(restaurant: Restaurant) -> None:
    accepted(order_of(restaurant))

    assert return_of(with_what_went_back(Payment.objects.all()).get()) is None
