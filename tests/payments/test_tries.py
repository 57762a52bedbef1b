"""Which try brought the money: read from the attempts, for the console's first page."""

from __future__ import annotations

from accounts.models import Restaurant
from events.actors import GUEST
from payments.gateways.contract import ErrorCode, Outcome
from payments.models import Payment
from payments.services.payments import retry_payment
from payments.services.sweeps import sweep_payments
from payments.tries import PAYING, Try, of_try
from tests.factories import order_of, paid
from tests.scripted import ScriptedGateway, outcome


def _tries() -> dict[str, int]:
    """How many of each, those that there are."""
    counts = {each.value: of_try(Payment.objects.all(), each.value).count() for each in Try}
    return {each: count for each, count in counts.items() if count}


def test_the_first_one(restaurant: Restaurant) -> None:
    paid(order_of(restaurant))

    assert _tries() == {Try.FIRST: 1}


def test_another_provider_s(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    provider_a.charges.append(outcome(Outcome.DECLINED, ErrorCode.ISSUER_UNAVAILABLE))
    paid(order_of(restaurant))

    assert _tries() == {Try.RESCUED: 1}


def test_a_later_one_of_the_guest_is_no_rescue(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    provider_a.charges.append(outcome(Outcome.DECLINED, ErrorCode.EXPIRED_CARD))
    payment = paid(order_of(restaurant))
    assert _tries() == {Try.NONE: 1}

    retry_payment(payment_id=payment.pk, actor=GUEST, instrument="another")
    sweep_payments(width=1)

    assert _tries() == {Try.LATER: 1}


def test_what_is_not_paid_came_by_none(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    paid(order_of(restaurant))

    assert _tries() == {Try.NONE: 1}


def test_several_may_be_asked_for(restaurant: Restaurant, provider_a: ScriptedGateway) -> None:
    paid(order_of(restaurant))
    provider_a.charges.append(outcome(Outcome.DECLINED, ErrorCode.ISSUER_UNAVAILABLE))
    paid(order_of(restaurant))
    provider_a.charges.append(outcome(Outcome.UNKNOWN, ErrorCode.TIMED_OUT))
    paid(order_of(restaurant))

    assert of_try(Payment.objects.all(), *PAYING).count() == 2
