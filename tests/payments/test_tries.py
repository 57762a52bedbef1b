"""Which try brought the money: read from the attempts, for the console's first page."""

from __future__ import annotations

from accounts.models import Restaurant
from events.actors import GUEST
from payments.gateways.contract import ErrorCode, Outcome
from payments.models import Payment
from payments.services.payments import retry_payment
from payments.services.sweeps import sweep_payments
from payments.tries import Try, of_try
from tests.factories import order_of, paid
from tests.scripted import ScriptedGateway, outcome


def _tries() -> dict[str, int]:
    return {each.value: of_try(Payment.objects.all(), each.value).count() for each in Try}


def test_the_first_one(restaurant: Restaurant) -> None:
    paid(order_of(restaurant))

    assert _tries() == {Try.FIRST: 1, Try.RESCUED: 0, Try.LATER: 0}


def test_another_provider_s(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    provider_a.charges.append(outcome(Outcome.DECLINED, ErrorCode.ISSUER_UNAVAILABLE))
    paid(order_of(restaurant))

    assert _tries() == {Try.FIRST: 0, Try.RESCUED: 1, Try.LATER: 0}


def test_a_later_one_of_the_guest_is_no_rescue(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    provider_a.charges.append(outcome(Outcome.DECLINED, ErrorCode.EXPIRED_CARD))
    payment = paid(order_of(restaurant))
    assert _tries() == dict.fromkeys(Try, 0)

    retry_payment(payment_id=payment.pk, actor=GUEST, instrument="another")
    sweep_payments(width=1)

    assert _tries() == {Try.FIRST: 0, Try.RESCUED: 0, Try.LATER: 1}


def test_what_is_not_paid_came_by_none(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    paid(order_of(restaurant))

    assert _tries() == dict.fromkeys(Try, 0)
    assert of_try(Payment.objects.all(), "").count() == 1
